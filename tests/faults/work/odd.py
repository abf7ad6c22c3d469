"""Tasks that behave as no task should; each attempt that begins leaves its mark."""

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from tasks import Context, TimeLimit, task
from tests.faults.work._marks import mark

MORE_BYTES = 256 * 2**20


class Unpicklable(Exception):
    """Cannot be sent from one process to another."""

    def __init__(self, lock: object) -> None:
        super().__init__(lock)

    def __reduce__(self) -> NoReturn:
        raise TypeError("never")


class Nothing(BaseException):
    """No Exception, so that few expect it."""


@task(on_lost="rerun", retries=0)
def raising_work(ctx: Context, *, what: str) -> None:
    """Raises it, as it comes in real life where that can be had."""
    mark(ctx, "began")
    if what == "MemoryError":
        _exhaust_memory()
    elif what == "RecursionError":
        _recurse(0)
    elif what == "SystemExit":
        sys.exit(3)
    elif what == "KeyboardInterrupt":
        signal.raise_signal(signal.SIGINT)
        raise KeyboardInterrupt  # a worker's child does not hear of Ctrl-C
    elif what == "Unpicklable":
        raise Unpicklable(threading.Lock())
    raise Nothing


def _recurse(depth: int) -> int:
    return _recurse(depth + 1) + 1


def _exhaust_memory() -> None:
    """Take more than this process may have."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    used = int(pages) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_BYTES, before[1]))
    try:
        bytearray(2 * MORE_BYTES)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@task(on_lost="rerun", retries=2, backoff=0.1)
def poisonous_work(ctx: Context, *, number: int) -> None:
    """Kills its process each time, as the kernel does when memory is short.

    Its files go first and the process a little later, as when a machine is busy: who waits for the
    one must not take it for the other.
    """
    mark(ctx, "began")
    os.closerange(3, 1_024)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)


@task(on_lost="rerun", retries=0, soft_time_limit=0.5, time_limit=2)
def stubborn_work(ctx: Context, *, number: int) -> None:
    """Goes on after its soft time limit."""
    mark(ctx, "began")
    while True:
        with contextlib.suppress(TimeLimit):
            time.sleep(60)


@task(on_lost="rerun", retries=0, time_limit=1)
def greedy_work(ctx: Context, *, number: int) -> None:
    """Holds the interpreter for minutes, so that no other thread of its process runs."""
    mark(ctx, "began")
    sum(range(10**11))
