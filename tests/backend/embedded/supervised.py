"""A supervisor of stand-in parts, run as a program of its own and watched from outside."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.embedded.supervisor import Part
from tests.stacks.machine import wait_until
from tests.stacks.processes import Running, process_table

ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
from backend.embedded.service import say_as_text as say
from backend.embedded.supervisor import Part, Supervisor
supervisor = Supervisor([Part(n, tuple(c), last) for n, c, last in json.loads(sys.argv[1])], say)
supervisor.listen()
supervisor.run()
"""
SLEEPS = "import time; print('here', flush=True); time.sleep(600)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
HAS_CHILDREN = f"import os, signal; os.fork(); os.fork(); {SLEEPS}"


class Supervised:
    """A running supervisor, and everything that runs because of it."""

    def __init__(self, *parts: tuple[str, str, bool]) -> None:
        self.marker = uuid.uuid4().hex
        made = [Part(name, self._command(code), last) for name, code, last in parts]
        rows = json.dumps([[part.name, part.command, part.stops_last] for part in made])
        self.process = subprocess.Popen(
            (sys.executable, "-c", PROGRAM, rows),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self._lines.extend(lines)

    def _command(self, code: str) -> tuple[str, ...]:
        return (sys.executable, "-c", code, self.marker)

    def alive(self) -> list[Running]:
        return [row for row in process_table() if self.marker in row.command]

    def parts(self) -> list[Running]:
        """The parts' own processes, their children among them; no guards, no supervisor."""
        return [
            row
            for row in self.alive()
            if "guard.py" not in row.command and row.pid != self.process.pid
        ]

    def wait_for_parts(self, count: int) -> list[Running]:
        """The parts, once there are so many and each has said that it is set up."""
        assert wait_until(lambda: len(self.parts()) == count and self._here() >= count, 10), (
            self.alive()
        )
        return self.parts()

    def _here(self) -> int:
        return "".join(self._lines).count("here")  # forks may share a line

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def wait(self) -> float:
        """The seconds until the supervisor has ended."""
        started = time.monotonic()
        self.process.wait(timeout=10)
        return time.monotonic() - started

    def output(self) -> str:
        """All that was printed, once the supervisor has ended."""
        self._reader.join(timeout=10)
        return "".join(self._lines)

    def is_all_gone(self) -> bool:
        return wait_until(lambda: not self.alive(), 2)


@contextmanager
def supervised(*parts: tuple[str, str] | tuple[str, str, bool]) -> Iterator[Supervised]:
    """Parts are (name, Python code[, stops last]); whatever is left in the end is killed."""
    running = Supervised(*((p[0], p[1], len(p) > 2) for p in parts))
    try:
        yield running
    finally:
        for row in running.alive():
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(row.pid, signal.SIGKILL)
        running.process.wait()
