"""The long-lived threads in which Django runs, each with its own database connections."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Full(Exception):
    """All threads are busy and the queue is as long as it may be."""


class Pool:
    """Threads that live as long as the server; used from one event loop.

    `at_exit` runs in each thread when it ends.
    """

    def __init__(self, threads: int, queue: int, at_exit: Callable[[], None]) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._room = threads + queue
        self._taken = 0  # only the event loop's thread touches it, so it needs no lock
        self._at_exit = at_exit
        self._threads = [
            threading.Thread(target=self._work, name=f"web-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def run(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """The job's result, to come; Full when there is no room for it.

        The job sees the caller's context variables, and its own settings of them end with it.
        """
        if self._taken >= self._room:
            raise Full
        self._taken += 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((loop, future, partial(contextvars.copy_context().run, job)))
        return future

    def stop(self, seconds: float) -> None:
        """Let the threads finish what they run, for so many seconds at most. Blocks."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                self._perform(*job)
        finally:
            self._at_exit()

    def _perform(
        self,
        loop: asyncio.AbstractEventLoop,
        future: "asyncio.Future[Any]",
        job: Callable[[], Any],
    ) -> None:
        result, error = None, None
        try:
            if not future.cancelled():  # else nobody waits for it any more
                result = job()
        except Exception as exception:
            error = exception
        except BaseException as exception:  # SystemExit in a view ends neither thread nor server
            error = RuntimeError(f"{type(exception).__name__} in a request")
            error.__cause__ = exception
        loop.call_soon_threadsafe(self._settle, future, result, error)

    def _settle(self, future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
        self._taken -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
