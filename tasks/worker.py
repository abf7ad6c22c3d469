"""The worker: registers each task with Celery under its own name, and takes its leave in order."""

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]
from billiard.exceptions import WorkerLostError
from billiard.process import active_children, current_process
from celery import Celery, signals
from celery.apps import worker as celery_worker
from celery.concurrency.asynpool import AsynPool
from celery.worker import state
from celery.worker.request import Request
from django.conf import settings

from tasks import knocks, notifier
from tasks.board import BOARD
from tasks.housekeeping import Housekeeper
from tasks.live import RELEASE_GRACE_SECONDS
from tasks.registry import REGISTRY, Task

log = logging.getLogger("downbeat.worker")

EXIT_CHILD = 75
EXIT_DEAF = 70  # the worker heard of no work though there was some
LEAVE_SECONDS = 2.0  # after the last run was given back
LOOK_SECONDS = 0.5  # between two looks for children that died
TELL_SECONDS = 0.5  # for a process that ends to tell watchers of what it did last


# Two containers may have the same host name and the same process ids.
_LIFE = secrets.token_hex(2)


def process_name(pid: int) -> str:
    """How a process of this worker is called in an attempt; made before the children are forked."""
    return f"{socket.gethostname()}:{pid}-{_LIFE}"


def install(app: Celery, queues: Iterable[str]) -> Housekeeper:
    """Make every declared task known to this Celery app, and keep house for those it takes."""
    celery_worker.safe_say = _say_nothing  # type: ignore[attr-defined]
    AsynPool.timers = property(_timers)  # type: ignore[method-assign, assignment]
    for task in REGISTRY.values():
        _register(app, task)
    taken = set(queues)
    names = [task.name for task in REGISTRY.values() if task.options.queue in taken]
    house = Housekeeper(process_name(os.getpid()), names, lambda: len(state.active_requests))
    RunRequest.house = house
    _follow(house)
    return house


def _say_nothing(*_: object) -> None:
    """In place of what Celery prints at a signal, beside the log: the housekeeper says it there."""


def _timers(pool: AsynPool) -> dict[Any, float]:
    """Celery hears that a child's files are closed; if it is not dead by then, only a look tells.

    Celery itself looks every five seconds: so long, its run would be lost and its slot be missing.
    """
    return {pool.maintain_pool: LOOK_SECONDS}


def _register(app: Celery, task: Task) -> None:
    def perform(run_id: str) -> None:
        knocks.answer(task, UUID(run_id), process_name(os.getpid()), _end_child, _place())

    request = f"{__name__}:{RunRequest.__name__}"
    app.task(name=task.name, ignore_result=True, Request=request)(perform)


def _place() -> int:
    """This child's place in the pool, from 0; its successor after a death gets the same one."""
    return getattr(current_process(), "index", 0)


def _end_child() -> None:
    """Leave at once; Celery's main process replaces the child and the other slots go on."""
    notifier.HERALD.flush(TELL_SECONDS)
    os._exit(EXIT_CHILD)


class RunRequest(Request):
    """A knock in the main process. When the child that has it dies, its run is lost at once."""

    house: ClassVar[Housekeeper | None] = None

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        done = super().on_failure(exc_info, *args, **kwargs)
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, WorkerLostError) and self.worker_pid and self.house is not None:
            self.house.lost(process_name(int(self.worker_pid)), "Its process died.")
        return done


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

    @signals.worker_process_init.connect(weak=False)
    def born(**_: Any) -> None:
        # A signal to the whole group is the main process's to answer: here it would fail the run.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        BOARD.watch(_place(), None)  # the one before in this place may have been killed

    @signals.worker_process_shutdown.connect(weak=False)
    def dying(**_: Any) -> None:
        notifier.HERALD.flush(TELL_SECONDS)

    @signals.worker_shutdown.connect(weak=False)
    def gone(**_: Any) -> None:
        over.set()  # not before: what still runs may be canceled

    @signals.task_unknown.connect(weak=False)
    def unknown(name: str, id: str, **_: Any) -> None:
        house.hand_back(UUID(id))

    @signals.worker_shutting_down.connect(weak=False)
    def leaving(**_: Any) -> None:
        if BOARD.release_at is not None:
            return  # asked already: the first word holds
        BOARD.release_after(settings.SHUTDOWN_SECONDS)
        house.leave()
        # The runs are given back by then, so nothing is lost by going, whoever still clings.
        patience = settings.SHUTDOWN_SECONDS + RELEASE_GRACE_SECONDS + LEAVE_SECONDS
        timer = threading.Timer(patience, _go, [EXIT_DEAF if house.is_deaf else 0])
        timer.daemon = True
        timer.start()


def _go(code: int) -> None:
    for child in active_children():
        if child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
    log.warning("Some task did not stop in time; its run was given back.")
    logging.shutdown()
    os._exit(code)
