"""Who watches a run sees its end, and revisions that rise, whatever fails meanwhile."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.jobs import begin, until, until_status, with_jobs
from tests.acceptance.watching import Watcher
from tests.stacks import redis_server
from tests.stacks.fixtures import make_stack
from tests.stacks.processes import descendants
from tests.stacks.service import Service, Stack, running

BLIND_SECONDS = 8.0  # that it may take to notice a Redis that says nothing, and then to look
Own = tuple[Stack, Callable[[Service], int]]


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group(name))
        for name in ("embedded", "postgres-redis")
    ]
)
def own_redis(request: pytest.FixtureRequest) -> Iterator[Own]:
    """A stack, and where its Redis runs, which nobody else uses."""
    if request.param == "embedded":
        yield Stack("embedded"), lambda service: service.part("redis").pid
        return
    with redis_server.running() as server:
        stack = make_stack(request, request.param)
        (process,) = descendants(server.process.pid)
        env = {**stack.env, "REDIS_URL": redis_server.new_database(server)}
        yield Stack(stack.name, env), lambda _: process.pid


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_redis_that_stands_still_is_noticed_and_heard_again_when_it_goes_on(
    own_redis: Own, tmp_path: Path
) -> None:
    stack, redis_of = own_redis
    with running(stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepAWhile", seconds=12, ledger=str(tmp_path / "ledger"))
        until_status(client, run, "RUNNING")
        watcher = Watcher(client, run)
        watcher.until(lambda watcher: len(watcher.seen) >= 2)
        with standing_still(redis_of(service)):
            watcher.until_more(3, BLIND_SECONDS)
            assert watcher.until_end()["status"] == "SUCCEEDED"
        until_heard(client, tmp_path / "again")


def until_heard(client: Client, ledger: Path) -> None:
    """A run of which each step is seen: looking at the rows alone would leave most of them out."""

    def is_heard() -> bool:
        run = begin(client, "sleepAWhile", seconds=4, ledger=str(ledger))
        watcher = Watcher(client, run)
        watcher.until_end(40)
        return len(watcher.seen) >= 5

    until(is_heard, 60)


@pytest.mark.xdist_group("embedded")
def test_a_redis_that_is_killed_again_and_again_delays_watchers_a_little(tmp_path: Path) -> None:
    with running(Stack("embedded"), **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepAWhile", seconds=7, ledger=str(tmp_path / "ledger"))
        until_status(client, run, "RUNNING")
        watcher = Watcher(client, run)
        for _ in range(3):
            service.kill_part("redis")
            watcher.until_more(1, BLIND_SECONDS)
            until(lambda: service.find_part("redis") is not None)
        assert watcher.until_end()["status"] == "SUCCEEDED"
        until_heard(client, tmp_path / "again")


def test_who_connects_again_after_a_restart_misses_nothing(
    own_stack: Stack, tmp_path: Path
) -> None:
    with running(own_stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepAWhile", seconds=6, ledger=str(tmp_path / "ledger"))
        until_status(client, run, "RUNNING")
        watcher = Watcher(client, run)
        watcher.until(lambda watcher: len(watcher.seen) >= 1)
        killed = service.kill_part("web")
        watcher.until(lambda watcher: watcher.is_cut)
        until(lambda: (web := service.find_part("web")) is not None and web.pid != killed)
        until(service.is_ready)
        again = Watcher(client, run, after=watcher.last["revision"])
        assert again.until_end()["status"] == "SUCCEEDED"
        assert again.revisions[0] > watcher.revisions[-1]


def test_watchers_are_sent_away_when_the_service_stops(own_stack: Stack, tmp_path: Path) -> None:
    with running(own_stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepOnce", seconds=60, ledger=str(tmp_path / "ledger"))
        watchers = [Watcher(client, run) for _ in range(20)]
        for watcher in watchers:
            watcher.until(lambda watcher: len(watcher.seen) >= 1)
        began = time.monotonic()
        os.kill(service.part("web").pid, signal.SIGTERM)
        for watcher in watchers:
            watcher.until(lambda watcher: watcher.is_cut)
        assert time.monotonic() - began < 2  # of the 3 seconds of grace
