"""The pulse of a process that performs runs: one thread that looks after each of them.

It is there before a run comes and stays after it, since to start a thread and its connection costs
more than a short run.
"""

import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from django.db import connection

log = logging.getLogger("downbeat.live")

TICK_SECONDS = 0.25  # between two looks at a run, and so between two writes of its progress


class Watched(Protocol):
    """Something that wants to be looked after."""

    def beat(self) -> None:
        """Look after it; called by the pulse's thread at each tick."""


class Pulse:
    """The thread starts with the first run; without one it rests, and has no connection."""

    def __init__(self) -> None:
        self._watched: dict[Watched, contextvars.Context] = {}
        self._beating = threading.Lock()
        self._is_wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, watched: Watched) -> None:
        """Look after it from the next tick on; its log lines have the caller's context."""
        with self._beating:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._work, name="pulse", daemon=True)
                thread.start()  # raises where there can be no more threads
                self._thread = thread
            self._watched[watched] = contextvars.copy_context()
        self._is_wanted.set()

    def leave(self, watched: Watched) -> None:
        """No longer; after this no look at it is still under way."""
        with self._beating:
            del self._watched[watched]

    def _work(self) -> None:
        while True:
            self._is_wanted.wait()
            time.sleep(TICK_SECONDS)
            with self._beating:
                for watched, context in self._watched.items():
                    self._try(partial(context.run, watched.beat))
                if not self._watched:
                    self._is_wanted.clear()
                    self._try(connection.close)

    @staticmethod
    def _try(step: Callable[[], object]) -> None:
        """Whatever it raises, the next tick comes."""
        try:
            step()
        except Exception:
            log.exception("A look at a run failed.")


PULSE = Pulse()


def _forget_thread() -> None:
    """A forked child has no thread."""
    global PULSE
    PULSE = Pulse()


os.register_at_fork(after_in_child=_forget_thread)
