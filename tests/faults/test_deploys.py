"""A worker that is asked to leave loses no run; a deploy is not noticed by any."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from backend.embedded.process import Process
from backend.embedded.service import MANAGE
from tests.acceptance.client import COUNT, Client
from tests.acceptance.jobs import begin, lines, until, until_status, with_jobs
from tests.faults.matrix import Matrix
from tests.stacks.machine import Log, wait_until
from tests.stacks.service import Service, Stack, running

CANCEL = "mutation($id: ID!) { cancelRun(id: $id) { errors { code } } }"


def extra(service: Service, *words: str) -> Process:
    """One more worker beside that of the service, once it is ready."""
    log = Log()
    command = (sys.executable, *MANAGE[1:], "worker", *words)
    worker = Process("worker", command, log.say, service.env, service.home)
    until(lambda: any("ready, with the tasks" in line for line in log.lines))
    return worker


def left(worker: Process) -> int | None:
    """The exit code of a worker that is asked to leave."""
    worker.terminate()
    wait_until(lambda: worker.exit_code() is not None, 10)
    code = worker.exit_code()
    worker.kill()
    return code


def outcomes(client: Client, run: str) -> list[str]:
    return [attempt["outcome"] for attempt in client.read(run)["attempts"]]


def test_at_sigterm_runs_are_given_back_and_performed_by_the_next_worker(
    own_stack: Stack, tmp_path: Path, matrix: Matrix
) -> None:
    """Cooperative, deaf, and parked; the budget of none is spent."""
    with running(own_stack, WORKER_PROCESSES="3", **with_jobs(tmp_path)) as service:
        client = Client(service)
        heard = begin(client, "sleepAWhile", seconds=4, ledger=str(tmp_path / "heard"))
        deaf = begin(client, "sleepDeaf", seconds=4, ledger=str(tmp_path / "deaf"))
        parked = begin(client, "sleepOnce", seconds=9, ledger=str(tmp_path / "parked"))
        for run in (heard, deaf, parked):
            until_status(client, run, "RUNNING")
        asked = time.monotonic()
        main = service.part("worker").pid
        family = [main, *(p.pid for p in service.processes() if p.parent == main)]
        for pid in family:  # as process managers do that signal the whole group
            os.kill(pid, signal.SIGTERM)
        until_status(client, parked, "LOST")
        until(lambda: any("worker ended (exit code 0)" in line for line in service.log.lines))
        seconds = time.monotonic() - asked
        assert seconds < 6
        for run, name in ((heard, "heard"), (deaf, "deaf")):
            assert client.finished(run)["status"] == "SUCCEEDED"
            assert outcomes(client, run) == ["RELEASED", "SUCCEEDED"]
            assert len(lines(tmp_path / name)) == 2
        assert client.read(parked)["error"]["code"] == "WORKER_STOPPED"
        assert len(lines(tmp_path / "parked")) == 1
    matrix.record("SIGTERM of a worker with runs", "given back, budget unspent; exit 0", seconds)


@pytest.mark.xdist_group("embedded")
def test_a_worker_that_leaves_hears_of_cancels_as_before(tmp_path: Path) -> None:
    """Far from its next heartbeat and from its leave."""
    slow = {"LEASE_SECONDS": "60", "HEARTBEAT_SECONDS": "20", "SHUTDOWN_SECONDS": "30"}
    with running(Stack("embedded"), **{**with_jobs(tmp_path), **slow}) as service:
        client = Client(service)
        run = begin(client, "sleepAWhile", seconds=60, ledger=str(tmp_path / "ledger"))
        until_status(client, run, "RUNNING")
        os.kill(service.part("worker").pid, signal.SIGTERM)
        until(lambda: any("leaving: what runs may finish" in line for line in service.log.lines))
        client.ask(CANCEL, id=run)
        until_status(client, run, "CANCELED", 10)


def test_what_can_finish_in_time_is_not_disturbed_by_sigterm(
    own_stack: Stack, tmp_path: Path
) -> None:
    with running(own_stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepDeaf", seconds=0.7, ledger=str(tmp_path / "ledger"))
        until_status(client, run, "RUNNING")
        os.kill(service.part("worker").pid, signal.SIGTERM)
        assert client.finished(run)["status"] == "SUCCEEDED"
        assert outcomes(client, run) == ["SUCCEEDED"]


def test_a_rolling_restart_under_load_fails_no_run(
    own_stack: Stack, tmp_path: Path, matrix: Matrix
) -> None:
    """Two workers leave and come again in turn while runs are asked for."""
    with running(own_stack, **with_jobs(tmp_path)) as service:
        client, other = Client(service), extra(service)
        ledger, runs = tmp_path / "ledger", []
        try:
            for turn in range(20):
                runs.append(begin(client, "sleepAWhile", seconds=0.2, ledger=str(ledger)))
                runs.append(client.started(COUNT, text="a b"))
                if turn % 10 == 4:
                    os.kill(service.part("worker").pid, signal.SIGTERM)
                    wait_until(lambda: service.find_part("worker") is None, 10)
                if turn % 10 == 9:
                    assert left(other) == 0
                    other = extra(service)
            found = [client.finished(run) for run in runs]
        finally:
            other.kill()
        assert {run["status"] for run in found} == {"SUCCEEDED"}
        ended = [attempt["outcome"] for run in found for attempt in run["attempts"]]
        assert set(ended) <= {"SUCCEEDED", "RELEASED"}
        assert ended.count("SUCCEEDED") == len(runs)
    matrix.record("workers leave and come in turn, under load", "no run fails", None)


@pytest.mark.xdist_group("embedded")
def test_a_worker_of_some_queues_takes_no_others(tmp_path: Path) -> None:
    with running(Stack("embedded"), **with_jobs(tmp_path)) as service:
        client = Client(service)
        query = "{ tasks { name hasWorker } }"

        def taken() -> dict[str, bool]:
            return {task["name"]: task["hasWorker"] for task in client.ask(query)["tasks"]}

        assert taken()["work_elsewhere"] is True
        os.kill(service.part("worker").pid, signal.SIGSTOP)  # no sign of life from now on
        chosen = extra(service, "--queues", "elsewhere")
        try:
            until(lambda: taken() == {name: name == "work_elsewhere" for name in taken()})
            ready = service.http.get("/readyz").json()
            assert "count_words" in ready["tasks_without_worker"]
            assert "work_elsewhere" not in ready["tasks_without_worker"]
            run = begin(client, "workElsewhere", ledger=str(tmp_path / "ledger"))
            waits = client.started(COUNT, text="a")
            assert client.finished(run)["status"] == "SUCCEEDED"
            assert client.read(waits)["status"] == "QUEUED"
        finally:
            chosen.kill()
            os.kill(service.part("worker").pid, signal.SIGCONT)
        assert client.finished(waits)["status"] == "SUCCEEDED"


@pytest.mark.xdist_group("embedded")
def test_a_task_that_came_with_a_new_worker_runs_at_once(tmp_path: Path, matrix: Matrix) -> None:
    """An old worker takes the knock for a task it does not know; the row waits for a new one."""
    env = with_jobs(tmp_path)
    with running(Stack("embedded"), **env) as service:
        client = Client(service)
        old = {**service.env, "TASK_PACKAGES": "tasks.definitions"}
        os.kill(service.part("worker").pid, signal.SIGSTOP)
        until(lambda: not service.is_ready())
        command = (sys.executable, *MANAGE[1:], "worker")
        yesterday = Process("yesterday", command, service.log.say, old, service.home)
        try:
            until(service.is_ready)
            run = begin(client, "sleepAWhile", seconds=0, ledger=str(tmp_path / "ledger"))
            known = client.finished(client.started(COUNT, text="a"))
            assert known["status"] == "SUCCEEDED"
            assert client.read(run)["status"] == "QUEUED"
            os.kill(service.part("worker").pid, signal.SIGKILL)
            killed = time.monotonic()
            assert client.finished(run, seconds=15)["status"] == "SUCCEEDED"
            seconds = time.monotonic() - killed
        finally:
            yesterday.kill()
    matrix.record(
        "workers of yesterday's code, who do not know a task", "it waits for a new one", seconds
    )
