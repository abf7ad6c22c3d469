"""The workers of a service: to add another one, and to let one stand still."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from backend.embedded.process import Process
from backend.embedded.service import MANAGE
from tests.faults.rows import is_writable
from tests.faults.scene import Scale, Scene, row_of
from tests.stacks.machine import Log, wait_until
from tests.stacks.processes import Running, descendants, to_all
from tests.stacks.service import Service

START_SECONDS = 90
SLACK_SECONDS = 5.0  # for machines that are busy with other tests
TAKEN_OVER = "another attempt within 37 s"


class Worker:
    """A worker beside that of the service."""

    def __init__(self, service: Service, command: Sequence[str], env: dict[str, str]) -> None:
        self.log = Log()
        self.process = Process(
            "worker", command, self.log.say, {**service.env, **env}, service.home
        )

    @property
    def is_ready(self) -> bool:
        return self.has_said("ready, with the tasks")

    def has_said(self, text: str) -> bool:
        return any(text in line for line in self.log.lines)

    def family(self) -> list[Running]:
        """Its main process and the children."""
        return [p for p in descendants(self.process.pid) if "guard.py" not in p.command]


@contextmanager
def another_worker(service: Service, **env: str) -> Iterator[Worker]:
    """One more, once it is ready, with these further settings."""
    command = (sys.executable, *MANAGE[1:], "worker")
    worker = Worker(service, command, {"PYTHONUNBUFFERED": "1", **env})
    try:
        assert wait_until(lambda: worker.is_ready, START_SECONDS), worker.log.tail()
        yield worker
    finally:
        worker.process.kill()


def own_worker(service: Service) -> list[Running]:
    """The main process of the service's own worker, and the children."""
    main = service.part("worker")
    return [main, *(p for p in service.processes() if p.parent == main.pid)]


@contextmanager
def standing_still(service: Service, family: Sequence[Running]) -> Iterator[None]:
    """These processes do nothing meanwhile, and none of them holds SQLite's lock."""
    to_all(family, signal.SIGSTOP)
    while not is_writable(service):
        to_all(family, signal.SIGCONT)
        time.sleep(0.05)
        to_all(family, signal.SIGSTOP)
    try:
        yield
    finally:
        to_all(family, signal.SIGCONT)


def start_on(scene: Scene, family: Sequence[Running], count: int, scale: Scale) -> list[str]:
    """Start so many runs, each as long as a lease; one of these processes is at work on one."""
    runs = scene.start_many("long_work", count, tenths=round(10 * scale.seconds(30)))
    assert wait_until(lambda: bool(held_by(scene, runs, family)), 30), runs
    return runs


def held_by(scene: Scene, runs: Sequence[str], family: Sequence[Running]) -> list[str]:
    """Those that one of these processes performs."""
    pids, held = {process.pid for process in family}, list[str]()
    for run in runs:
        found = scene.client.read(run)
        if found["status"] == "RUNNING" and _pid(found["attempts"][-1]["worker"]) in pids:
            held.append(run)
    return held


def worker_of(scene: Scene, run: str) -> int:
    """The process that had the run's first attempt."""
    return _pid(_attempts(scene, run)[0]["worker"])


def is_done_elsewhere(scene: Scene, runs: Sequence[str]) -> bool:
    """Whether each of them has got another attempt."""
    return all(len(_attempts(scene, run)) > 1 for run in runs)


def until_fenced(log: Log, runs: Sequence[str]) -> None:
    """The first attempts of these have said their last words: they came too late.

    Or the answer to the claim itself was lost, and the worker has found it void.
    """
    endings = ("{} attempt 1: fenced in", "{}: nothing to do for this knock")
    awaited = [[words.format(row_of(run)) for words in endings] for run in runs]

    def are_fenced() -> bool:
        lines = list(log.lines)
        return all(any(w in line for line in lines for w in words) for words in awaited)

    assert wait_until(are_fenced, 30), log.tail()


def _attempts(scene: Scene, run: str) -> list[dict[str, Any]]:
    return list(scene.client.read(run)["attempts"])


def _pid(worker: str) -> int:
    return int(worker.rpartition(":")[2].partition("-")[0])
