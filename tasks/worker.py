"""The worker: registers each task with Celery under its own name, and takes its leave in order."""

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]
from billiard.exceptions import WorkerLostError
from billiard.process import active_children
from celery import Celery, signals
from celery.worker import state
from celery.worker.request import Request
from django.conf import settings

from tasks import executor, notifier
from tasks.board import BOARD
from tasks.housekeeping import Housekeeper
from tasks.live import RELEASE_GRACE_SECONDS
from tasks.registry import REGISTRY, Task

log = logging.getLogger("downbeat.worker")

EXIT_CHILD = 75
LIMIT_SLACK_SECONDS = 10  # Celery's own limit is for a child that cannot even end itself
LEAVE_SECONDS = 2.0  # after the last run was given back


def process_name(pid: int) -> str:
    """How a process of this machine is called in an attempt."""
    return f"{socket.gethostname()}:{pid}"


def install(app: Celery, queues: Iterable[str]) -> Housekeeper:
    """Make every declared task known to this Celery app, and keep house for those it takes."""
    for task in REGISTRY.values():
        _register(app, task)
    taken = set(queues)
    names = [task.name for task in REGISTRY.values() if task.options.queue in taken]
    house = Housekeeper(process_name(os.getpid()), names, lambda: len(state.active_requests))
    RunRequest.house = house
    _follow(house)
    return house


def _register(app: Celery, task: Task) -> None:
    def perform(run_id: str) -> None:
        executor.perform(task, UUID(run_id), process_name(os.getpid()), _end_child)

    options: dict[str, Any] = {"Request": f"{__name__}:{RunRequest.__name__}"}
    if task.options.time_limit is not None:
        options["time_limit"] = math.ceil(task.options.time_limit) + LIMIT_SLACK_SECONDS
    app.task(name=task.name, ignore_result=True, **options)(perform)  # type: ignore[no-untyped-call]


def _end_child() -> None:
    """Leave at once; Celery's main process replaces the child and the other slots go on."""
    os._exit(EXIT_CHILD)


class RunRequest(Request):
    """A knock in the main process. When the child that has it dies, its run is lost at once."""

    house: ClassVar[Housekeeper | None] = None

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        done = super().on_failure(exc_info, *args, **kwargs)
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, WorkerLostError):
            self._tell_loss("Its process died.")
        return done

    def on_timeout(self, soft: bool, timeout: float) -> None:
        super().on_timeout(soft, timeout)
        if not soft:
            self._tell_loss(f"Its process was ended {timeout:g} s after the start.")

    def _tell_loss(self, message: str) -> None:
        if self.worker_pid is not None and self.house is not None:
            self.house.lost(process_name(int(self.worker_pid)), message)


def _follow(house: Housekeeper) -> None:
    """Keep house from when the worker is ready until it leaves; hear of cancels meanwhile."""
    over = threading.Event()

    @signals.worker_ready.connect(weak=False)
    def ready(**_: Any) -> None:
        log.info("ready, with the tasks %s", ", ".join(house.tasks))
        house.start()
        threading.Thread(
            target=notifier.listen, args=(BOARD.hear_cancel, over), name="ear", daemon=True
        ).start()

    @signals.worker_shutting_down.connect(weak=False)
    def leaving(**_: Any) -> None:
        BOARD.release_after(settings.SHUTDOWN_SECONDS)
        over.set()
        house.leave()
        # The runs are given back by then, so nothing is lost by going, whoever still clings.
        patience = settings.SHUTDOWN_SECONDS + RELEASE_GRACE_SECONDS + LEAVE_SECONDS
        timer = threading.Timer(patience, _go)
        timer.daemon = True
        timer.start()


def _go() -> None:
    for child in active_children():
        if child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
    log.warning("Some task did not stop in time; its run was given back.")
    logging.shutdown()
    os._exit(0)
