"""What the broker forgets or repeats, the rows make up for: no run is lost, none is done twice."""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amqp
import pytest
import redis

from backend.embedded.process import Process
from backend.embedded.service import MANAGE
from tests.acceptance.client import COUNT, Client
from tests.acceptance.jobs import begin, lines, until_status, with_jobs
from tests.stacks.fixtures import make_stack
from tests.stacks.service import Service, Stack, running

RUNS = 60
PAGE = """query($after: String) { runs(first: 100, after: $after) {
  nodes { status attempts { number } } pageInfo { endCursor hasNextPage } } }"""


@contextmanager
def no_worker(service: Service) -> Iterator[None]:
    """The worker's processes stand still meanwhile, and none of them in a transaction."""
    main = service.part("worker").pid
    family = [main, *(p.pid for p in service.processes() if p.parent == main)]
    to_all(family, signal.SIGSTOP)
    while not is_writable(service):
        to_all(family, signal.SIGCONT)
        time.sleep(0.05)
        to_all(family, signal.SIGSTOP)
    try:
        yield
    finally:
        to_all(family, signal.SIGCONT)


def to_all(pids: list[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def is_writable(service: Service) -> bool:
    """Whether nobody has SQLite's one write lock; PostgreSQL has none."""
    if "DATABASE_URL" in service.env:
        return True
    connection = sqlite3.connect(service.home / "db.sqlite3", timeout=0.2)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def start_many(client: Client, count: int = RUNS) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: client.started(COUNT, text=f"word {n}"), range(count)))


def everything(client: Client) -> list[dict[str, Any]]:
    found, after, more = [], None, True
    while more:
        page = client.ask(PAGE, after=after)["runs"]
        found += page["nodes"]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return found


def until_all_are_done(client: Client, count: int, seconds: float) -> float:
    """Each of so many runs SUCCEEDED in one attempt; how long it took."""
    began = time.monotonic()
    while True:
        found = everything(client)
        if len(found) == count and {run["status"] for run in found} == {"SUCCEEDED"}:
            break
        assert time.monotonic() < began + seconds, [run["status"] for run in found]
        time.sleep(0.2)
    assert {len(run["attempts"]) for run in found} == {1}
    return time.monotonic() - began


def redis_of(service: Service) -> "redis.Redis":
    url = service.env.get("REDIS_URL") or f"unix://{service.home}/redis.sock"
    return redis.Redis.from_url(url)


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group(name))
        for name in ("embedded", "postgres-redis")
    ]
)
def redis_stack(request: pytest.FixtureRequest) -> Stack:
    return make_stack(request, request.param)


def test_runs_whose_knocks_were_flushed_are_rung_again(redis_stack: Stack) -> None:
    with running(redis_stack) as service:
        client = Client(service)
        client.finished(client.started(COUNT, text="warm up"))
        with no_worker(service):
            start_many(client)
            redis_of(service).flushdb()
        assert until_all_are_done(client, RUNS + 1, seconds=30) < 5 + 10


@pytest.mark.xdist_group("embedded")
def test_a_broker_that_is_killed_and_comes_back_empty_loses_no_run() -> None:
    with running(Stack("embedded")) as service:
        client = Client(service)
        for turn in range(3):
            with no_worker(service):
                start_many(client, 20)
                service.kill_part("redis")
            until_all_are_done(client, 20 * (turn + 1), seconds=40)


@pytest.mark.xdist_group("postgres-rabbitmq")
def test_runs_whose_knocks_were_purged_from_rabbitmq_are_rung_again(
    request: pytest.FixtureRequest,
) -> None:
    """RabbitMQ tells nobody; the silence does."""
    with running(make_stack(request, "postgres-rabbitmq")) as service:
        client = Client(service)
        client.finished(client.started(COUNT, text="warm up"))
        with no_worker(service):
            start_many(client)
            time.sleep(0.5)
            purge(service.env["BROKER_URL"], "downbeat.default")
        until_all_are_done(client, RUNS + 1, seconds=60)


def purge(url: str, queue: str) -> None:
    host, _, vhost = url.removeprefix("amqp://guest:guest@").partition("/")
    with amqp.Connection(host, virtual_host=vhost) as connection:
        assert connection.channel().queue_purge(queue)


def test_a_hundred_doubled_knocks_are_one_attempt(own_stack: Stack, tmp_path: Path) -> None:
    with running(own_stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        ledger = tmp_path / "ledger"
        run = begin(client, "sleepAWhile", seconds=5, ledger=str(ledger))
        key = service.manage("shell", "-c", ONE_KEY).split()[-1]
        knock_again(service, key, times=100)
        until_status(client, run, "SUCCEEDED")
        client.finished(client.started(COUNT, text="behind all the knocks"))
        assert len(lines(ledger)) == 1
        assert len(client.read(run)["attempts"]) == 1


ONE_KEY = "from tasks.models import Run; print(Run.objects.get(task='sleep_a_while').pk)"


def knock_again(service: Service, key: str, times: int) -> None:
    """As a broker would that delivers a message again and again."""
    code = (
        "from tasks.broker import Knock, publish; from tasks.models import Run;"
        f"knock = Knock.of(Run.objects.get(pk='{key}'));"
        f"[publish(knock) for _ in range({times})]"
    )
    service.manage("shell", "-c", code)


def test_two_conductors_do_nothing_twice(own_stack: Stack, tmp_path: Path) -> None:
    env = {**with_jobs(tmp_path), "RING_SECONDS": "1"}
    with running(own_stack, **env) as service:
        client, log = Client(service), service.log
        command = (sys.executable, *MANAGE[1:], "conductor")
        second = Process("second", command, log.say, service.env, service.home)
        try:
            ledger = tmp_path / "ledger"
            for _ in range(10):
                begin(client, "failTwice", ledger=str(tmp_path / f"fail{_}"))
                begin(client, "sleepAWhile", seconds=0.3, ledger=str(ledger))
            deadline = time.monotonic() + 60
            while {run["status"] for run in everything(client)} != {"SUCCEEDED"}:
                assert time.monotonic() < deadline, everything(client)
                time.sleep(0.2)
        finally:
            second.kill()
        assert len(lines(ledger)) == 10
        assert [len(lines(tmp_path / f"fail{n}")) for n in range(10)] == [3] * 10
