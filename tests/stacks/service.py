"""The whole Downbeat under its supervisor, on one stack, and a small client for it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.embedded import ready
from backend.embedded.home import spare_port
from backend.embedded.process import Process
from backend.embedded.service import MANAGE, private_environment
from tests.stacks.machine import Log, folder, wait_until
from tests.stacks.processes import Running, descendants

START_SECONDS = 60


@dataclass(frozen=True)
class Stack:
    """A database and a broker, as the settings that choose them."""

    name: str
    env: Mapping[str, str] = field(default_factory=dict)


class Service:
    """A running Downbeat."""

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.home = home
        self.port = spare_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = Log()
        self.env = {**private_environment(home, self.port), **env}
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self._process: Process | None = None

    @property
    def supervisor(self) -> int:
        """The supervisor's process id."""
        return next(p.pid for p in self.processes() if p.command.endswith("-m backend.embedded"))

    def start(self) -> None:
        """Start it and wait until it is ready."""
        if self._process is not None:
            self._process.kill()
        command = (sys.executable, "-m", "backend.embedded")
        self._process = process = Process("downbeat", command, self.log.say, self.env, self.home)
        wait_until(lambda: process.exit_code() is not None or self.is_ready(), START_SECONDS, 0.2)
        if not self.is_ready():
            pytest.fail(f"Downbeat did not become ready:\n{self.log.tail()}", pytrace=False)

    def is_ready(self) -> bool:
        return ready.is_ready("127.0.0.1", self.port, "localhost")

    def stop(self, seconds: float = 10) -> tuple[int | None, float]:
        """Ask it to stop; its exit code (None: it did not) and the seconds it took."""
        assert self._process is not None
        process, started = self._process, time.monotonic()
        process.terminate()
        wait_until(lambda: process.exit_code() is not None, seconds)
        return process.exit_code(), time.monotonic() - started

    def end(self) -> None:
        """Stop it, and leave nothing whatever happens."""
        self.http.close()
        if self._process is not None:
            self.stop()
            self._process.kill()

    def graphql(
        self, query: str, variables: Mapping[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        """The answer to one operation, `{"data": ..., "errors": ...}`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": dict(variables or {})}
        answer: dict[str, Any] = self.http.post("/graphql", json=body, headers=headers).json()
        return answer

    def token(self, name: str = "ada", *scopes: str) -> str:
        """A new API token of this user; with everything allowed unless scopes are named."""
        options = [option for scope in scopes for option in ("--scope", scope)]
        return self.manage("api_token", name, *options).split()[-1]

    def manage(self, *words: str) -> str:
        """What a management command prints, run against this service's state."""
        done = subprocess.run(
            (*MANAGE, *words),
            env=self.env,
            cwd=self.home,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        return done.stdout

    def processes(self) -> list[Running]:
        """Everything that runs because of this service, parents before children."""
        assert self._process is not None
        return descendants(self._process.pid)

    def part(self, name: str) -> Running:
        """The main process of the web, the worker, the conductor or redis."""
        part = self.find_part(name)
        assert part is not None, f"{name} does not run:\n{self.log.tail()}"
        return part

    def find_part(self, name: str) -> Running | None:
        """The same; None while it does not run."""
        everything = self.processes()
        guards = {p.pid for p in everything if "guard.py" in p.command}
        return next(
            (
                p
                for p in everything
                if p.parent in guards and p.pid not in guards and re.search(PARTS[name], p.command)
            ),
            None,
        )

    def kill_part(self, name: str) -> int:
        """Kill -9 the part's main process; its id."""
        pid = self.part(name).pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_worker(self) -> int:
        return self.kill_part("worker")


PARTS = {
    "web": r"-m backend\.web",
    "worker": r"manage\.py worker",
    "conductor": r"manage\.py conductor",
    "redis": r"(valkey|redis)-server",
}


@contextmanager
def running(stack: Stack, **env: str) -> Iterator[Service]:
    """A service of its own for one test; `env` holds further settings."""
    with folder(stack.name) as home:
        service = Service(home, {**stack.env, **env})
        try:
            service.start()
            yield service
        finally:
            service.end()
