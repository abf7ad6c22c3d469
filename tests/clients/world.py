"""The service that the clients call, and what is done to it from outside."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.clients.blocks import ROOT
from tests.stacks.machine import wait_until
from tests.stacks.service import Service, Stack, running

# The mutation and the types are those of tasks.definitions.count_words, for which the page is
# written; this one works until it is told to stop.
TASK = '''"""Count the words of a text, for as long as somebody wants it."""
import time
from pathlib import Path
from pydantic import BaseModel
from tasks import Context, task

class WordCount(BaseModel):
    words: int
    longest: str

@task(on_lost="rerun")
def count_words(ctx: Context, *, text: str, minimum: int = 1) -> WordCount:
    gate, _, text = text.partition("\\n")
    done = 0
    while not Path(gate).exists():
        done += 1
        ctx.progress(done, None, "counting")
        time.sleep(0.1)
    words = text.split()
    return WordCount(words=len(words), longest=max(words, key=len))
'''
TOKENS = """
import json
from accounts.models import User
from accounts.tokens import create_token
users = [User.objects.create(username=f"user{{n}}") for n in range({users})]
print(json.dumps([[create_token(user.pk).text for _ in range({tokens})] for user in users]))
"""
TEXT = "to be or not to be"
RESULT = {"words": 6, "longest": "not"}


@dataclass(frozen=True)
class Gate:
    """What a run waits for."""

    path: Path

    @property
    def text(self) -> str:
        """The input of such a run."""
        return f"{self.path}\n{TEXT}"

    def open(self) -> None:
        self.path.touch()


class World:
    """The service, gates, and tokens: `users` users with `tokens` each."""

    def __init__(self, service: Service, folder: Path, users: int, tokens: int) -> None:
        self.service = service
        self._folder = folder
        self._gates = count()
        made = service.manage("shell", "-v0", "-c", TOKENS.format(users=users, tokens=tokens))
        self.tokens: list[list[str]] = json.loads(made.splitlines()[-1])

    def gate(self) -> Gate:
        """A new one, shut."""
        return Gate(self._folder / f"gate-{next(self._gates)}")

    def revoke(self, token: str) -> None:
        (database,) = self.service.home.rglob("*.sqlite3")
        with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
            done = connection.execute(
                "UPDATE accounts_apitoken SET revoked_at = CURRENT_TIMESTAMP WHERE prefix = ?",
                (token[:10],),
            )
            assert done.rowcount == 1

    def restart_web(self, how: signal.Signals) -> None:
        """End the web process; return when the next one is ready."""
        old = self.service.part("web").pid
        os.kill(old, how)

        def is_another() -> bool:
            new = self.service.find_part("web")
            return new is not None and new.pid != old

        assert wait_until(is_another, 30), self.service.log.tail()
        assert wait_until(self.service.is_ready, 30), self.service.log.tail()
        time.sleep(0.2)


@contextmanager
def made(folder: Path, *, users: int, tokens: int, processes: int) -> Iterator[World]:
    """A world of its own."""
    package = folder / "slow_jobs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "count_words.py").write_text(TASK)
    env = {
        "TASK_PACKAGES": "slow_jobs",
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        "WORKER_PROCESSES": str(processes),
    }
    with running(Stack("embedded"), **env) as service:
        yield World(service, folder, users, tokens)
