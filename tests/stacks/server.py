"""A private server that can be hurt: stopped, killed, frozen, and started again where it was."""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.embedded.process import Process
from tests.stacks.machine import Log, wait_until
from tests.stacks.processes import Running, descendants, to_all

START_SECONDS = 60
STOP_SECONDS = 30


@dataclass(frozen=True)
class Program:
    """What a server is started with, each time alike: the same port, the same folder."""

    name: str
    command: Sequence[str]
    cwd: Path
    env: Mapping[str, str] | None = None


class Server:
    """A private server and where it listens."""

    def __init__(self, url: str, program: Program, answers: Callable[[str], bool]) -> None:
        self.url = url
        self._program = program
        self._answers = answers
        self._log = Log()
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        assert self._process is not None, f"{self._program.name} does not run"
        return self._process

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.exit_code() is None

    def check(self) -> None:
        """Fail with its last words unless it runs."""
        if not self.is_running:
            code = None if self._process is None else self._process.exit_code()
            words = f"{self._program.name} does not run (exit code {code})"
            pytest.fail(f"{words}:\n{self._log.tail()}", pytrace=False)

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self.is_running:
            return
        program = self._program
        self._process = process = Process(
            program.name, program.command, self._log.say, program.env, program.cwd
        )
        wait_until(
            lambda: process.exit_code() is not None or self._answers(self.url), START_SECONDS
        )
        if process.exit_code() is not None or not self._answers(self.url):
            words = "ended" if process.exit_code() is not None else "gave no answer"
            pytest.fail(f"{program.name} {words}:\n{self._log.tail()}", pytrace=False)

    def stop(self) -> None:
        """Let it end in order."""
        if self._process is None:
            return
        process = self._process
        self._ask_to_stop()
        wait_until(lambda: process.exit_code() is not None, STOP_SECONDS)
        self.kill()

    def _ask_to_stop(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        """Kill -9 all of it."""
        if self._process is None:
            return
        process = self._process
        to_all(self._family(), signal.SIGKILL)
        # Its guard reaps it: PostgreSQL takes a zombie for the server that it once was.
        wait_until(lambda: process.exit_code() is not None, 5)
        process.kill()
        self._process = None

    def pause(self) -> None:
        """Let all of it stand still; its connections stay open, and nobody answers."""
        to_all(self._family(), signal.SIGSTOP)

    def resume(self) -> None:
        to_all(self._family(), signal.SIGCONT)

    def _family(self) -> Sequence[Running]:
        """The server's own processes, some of which leave their parent's group."""
        return [p for p in descendants(self.process.pid) if "guard.py" not in p.command]

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.pause()
        try:
            yield
        finally:
            self.resume()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Away in between, and back with what it has kept."""
        self.stop()
        try:
            yield
        finally:
            self.start()
