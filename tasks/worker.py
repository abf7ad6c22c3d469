"""The worker: registers each task with Celery under its own name, and shows that it lives."""

import logging
import os
import socket
import threading
from typing import Any
from uuid import UUID

from celery import Celery, signals
from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from tasks import executor
from tasks.models import Worker
from tasks.registry import REGISTRY, Task

log = logging.getLogger("downbeat.worker")

EXIT_FENCED = 75


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def install(app: Celery) -> None:
    """Make every declared task known to this Celery app."""
    for task in REGISTRY.values():
        _register(app, task)


def _register(app: Celery, task: Task) -> None:
    def perform(run_id: str) -> None:
        executor.perform(task, UUID(run_id), worker_name(), _end_child)

    app.task(name=task.name, ignore_result=True)(perform)


def _end_child() -> None:
    """Leave at once; Celery's main process replaces the child and the other slots go on."""
    os._exit(EXIT_FENCED)


class SignOfLife:
    """A thread of the main process that keeps the worker's row fresh."""

    def __init__(self) -> None:
        self._row = Worker(name=worker_name())
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="sign-of-life", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and take the row away, so that nobody counts on this worker."""
        self._done.set()
        if self._thread.ident is None:
            return  # it never got so far as to be ready
        self._thread.join(timeout=2)
        try:
            Worker.objects.filter(pk=self._row.pk).delete()
        except Error:
            log.warning("The worker's row stays behind; it counts as dead when it is stale.")
        finally:
            connection.close()

    def _beat(self) -> None:
        while True:
            try:
                self._row.heartbeat_at = Now()  # the database's clock decides who is alive
                self._row.save()
            except Error as error:
                log.warning("No sign of life: %s", type(error).__name__)
            finally:
                # Children are forked from this process: leave no connection open for them.
                connection.close()
            if self._done.wait(settings.HEARTBEAT_SECONDS):
                return


def show_life() -> None:
    """Keep a Worker row fresh from when the worker is ready until it begins to shut down."""
    life = SignOfLife()

    @signals.worker_ready.connect(weak=False)
    def ready(**_: Any) -> None:
        log.info("ready, with the tasks %s", ", ".join(REGISTRY))
        life.start()

    @signals.worker_shutting_down.connect(weak=False)
    def leaving(**_: Any) -> None:
        threading.Thread(target=life.stop, name="leaving").start()
