"""What is killed in mid-run is performed again within the bound; what is away is waited for."""

import os
import signal
import statistics
import time
from pathlib import Path

import pytest

from tests.acceptance.client import COUNT, Client
from tests.acceptance.jobs import begin, lines, until, until_status, with_jobs
from tests.stacks.service import Service, Stack, running


def kill_worker_and_children(service: Service) -> None:
    for process in service.processes():
        if "manage.py worker" in process.command or "celery" in process.command:
            if "guard" in process.command:
                continue
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # went with its parent


def test_a_killed_worker_loses_no_run(own_stack: Stack, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with running(own_stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        again = begin(client, "sleepAWhile", seconds=3, ledger=str(ledger))
        once = begin(client, "sleepOnce", seconds=3, ledger=str(ledger))
        until_status(client, again, "RUNNING")
        until_status(client, once, "RUNNING")
        kill_worker_and_children(service)
        killed = time.monotonic()
        finished = client.finished(again, seconds=30)
        took = time.monotonic() - killed
        assert finished["status"] == "SUCCEEDED"
        assert [attempt["outcome"] for attempt in finished["attempts"]] == ["LOST", "SUCCEEDED"]
        assert took < 3 + 0.5 + 1 + 1 + 3 + 5, "lease, recovery, ring, claim, the work, slack"
        lost = client.finished(once, seconds=30)
        assert (lost["status"], lost["error"]["code"]) == ("LOST", "WORKER_LOST")
        assert len(ledger.read_text().splitlines()) == 3


@pytest.mark.xdist_group("embedded")
def test_a_frozen_worker_is_fenced_when_it_wakes(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    stack = Stack("embedded")
    with running(stack, WORKER_PROCESSES="1", **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepAWhile", seconds=2, ledger=str(ledger))
        until(lambda: bool(lines(ledger)))
        (frozen,) = lines(ledger)
        os.kill(frozen, signal.SIGSTOP)
        deadline = time.monotonic() + 20
        while client.read(run)["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(frozen, signal.SIGCONT)
        finished = client.finished(run)
        outcomes = [attempt["outcome"] for attempt in finished["attempts"]]
        assert (finished["status"], outcomes) == ("SUCCEEDED", ["LOST", "SUCCEEDED"])


@pytest.mark.xdist_group("embedded")
def test_a_start_is_answered_while_the_broker_is_away_and_runs_when_it_is_back(
    tmp_path: Path,
) -> None:
    with running(Stack("embedded")) as service:
        client = Client(service)
        client.finished(client.started(COUNT, text="warm up"))
        redis = service.part("redis").pid
        os.kill(redis, signal.SIGSTOP)
        try:
            took, started = list[float](), []
            for number in range(20):
                began = time.monotonic()
                started.append(client.started(COUNT, text=f"word {number}"))
                took.append(time.monotonic() - began)
            assert statistics.median(took) < 1
        finally:
            os.kill(redis, signal.SIGCONT)
        for run in started:
            assert client.finished(run)["status"] == "SUCCEEDED"


@pytest.mark.xdist_group("embedded")
def test_it_goes_on_where_it_left_off(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    stack = Stack("embedded")
    with running(stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepAWhile", seconds=20, ledger=str(ledger))
        waiting = [client.started(COUNT, text=f"a {n}") for n in range(3)]
        until_status(client, run, "RUNNING")
        code, seconds = service.stop()
        assert code == 0
        assert seconds < 5
        service.start()
        for each in waiting:
            assert client.finished(each)["status"] == "SUCCEEDED"
        until(lambda: len(lines(ledger)) == 2)
        outcomes = [attempt["outcome"] for attempt in client.read(run)["attempts"]]
        assert outcomes == ["RELEASED", None]
