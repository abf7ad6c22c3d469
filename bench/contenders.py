"""The stacks that are measured side by side: Downbeat, and what a team would have written instead.

Each has a web process tree, a worker process tree, and the same work to do (`count_words`). All
share one PostgreSQL and one Redis server, each with a database of its own.
"""

import os
import secrets
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import psycopg

from backend.embedded.home import spare_port
from backend.embedded.process import Process
from tests.stacks import postgres, redis_server
from tests.stacks.machine import Log, folder, wait_until
from tests.stacks.processes import descendants
from tests.stacks.server import Server
from tests.stacks.service import Service, Stack, running

ROOT = Path(__file__).parents[1]
JAVASCRIPT = Path(__file__).parent / "yardsticks/javascript"
TUTORIAL = "bench.yardsticks.tutorial"
SLOTS = 2  # runs at once in each worker
THREADS = 4  # requests at once in each web process
READY_SECONDS = 60
# Counted as always, and never reached.
UNLIMITED = {
    "REQUESTS_PER_MINUTE": "1000000",
    "COST_PER_MINUTE": "1000000000",
    "QUEUED_RUNS": "1000000",
}
Operation = tuple[str, dict[str, Any]]
"""The text of an operation and its variables."""


class Contender(ABC):
    """One stack, running."""

    name: ClassVar[str]
    ended_sql: ClassVar[str]
    """How many runs are known to have ended well."""

    def __init__(self, database_url: str, port: int, token: str = "") -> None:
        self.database_url = database_url
        self.port = port
        self.token = token

    @abstractmethod
    def start(self, text: str) -> Operation:
        """The mutation that starts a run."""

    @abstractmethod
    def started(self, data: Mapping[str, Any]) -> str:
        """The id in its answer."""

    @abstractmethod
    def read(self, run: str) -> Operation:
        """The query of a run's status by its id."""

    @abstractmethod
    def page(self) -> Operation:
        """The query of the twenty newest runs."""

    @abstractmethod
    def roots(self) -> dict[str, int]:
        """The first process of `web` and of `worker`."""

    def tree(self, part: str) -> list[int]:
        root = self.roots()[part]
        return [root, *(process.pid for process in descendants(root))]

    def ended(self) -> int:
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(self.ended_sql.encode()).fetchone()
        assert row is not None
        return int(row[0])


class Downbeat(Contender):
    """As in production: web, worker and conductor beside PostgreSQL and Redis."""

    name = "Downbeat"
    ended_sql = "SELECT count(*) FROM tasks_run WHERE status = 'SUCCEEDED'"

    def __init__(self, service: Service) -> None:
        super().__init__(service.env["DATABASE_URL"], service.port, service.token("bench"))
        self.service = service

    def start(self, text: str) -> Operation:
        query = """mutation($text: String!) { countWords(input: {text: $text}) {
            run { id status } errors { code message } } }"""
        return query, {"text": text}

    def started(self, data: Mapping[str, Any]) -> str:
        return str(data["countWords"]["run"]["id"])

    def many(self, count: int) -> Operation:
        """The mutation that starts so many runs at once."""
        query = """mutation($runs: [StartRunInput!]!) { startRuns(runs: $runs) {
            items { run { id status } errors { code message } } } }"""
        runs = [{"task": {"countWords": {"text": f"some words {n}"}}} for n in range(count)]
        return query, {"runs": runs}

    def read(self, run: str) -> Operation:
        query = """query($id: ID!) { run(id: $id) { id status createdAt
            result { ... on WordCount { words longest } } } }"""
        return query, {"id": run}

    def page(self) -> Operation:
        return "{ runs(first: 20) { nodes { id status createdAt } } }", {}

    def roots(self) -> dict[str, int]:
        return {part: self.service.part(part).pid for part in ("web", "worker", "conductor")}


class Yardstick(Contender):
    """A stack of two processes, each with its own command line."""

    def __init__(self, database_url: str, redis_url: str, home: Path) -> None:
        super().__init__(database_url, spare_port())
        self.redis_url = redis_url
        self._env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PORT": str(self.port),
            "SECRET_KEY": secrets.token_urlsafe(40),
            "PYTHONPATH": str(ROOT),
            "NODE_ENV": "production",
        }
        self._log = Log()
        self.prepare()
        self._processes = {
            part: Process(part, command, self._log.say, self._env, home)
            for part, command in self.commands().items()
        }
        if not wait_until(self._is_ready, READY_SECONDS, 0.2):
            raise RuntimeError(f"{self.name} did not become ready:\n{self._log.tail()}")

    def prepare(self) -> None:
        """Whatever must be there before the processes start."""

    @abstractmethod
    def commands(self) -> dict[str, Sequence[str]]:
        """The command of the web and of the worker."""

    def _is_ready(self) -> bool:
        try:
            query, variables = self.page()
            body = {"query": query, "variables": variables}
            answer = httpx.post(f"http://127.0.0.1:{self.port}/graphql", json=body).json()
        except (httpx.HTTPError, ValueError):
            return False
        return "errors" not in answer

    def roots(self) -> dict[str, int]:
        """Of each process the one under its guard."""
        return {part: descendants(each.pid)[0].pid for part, each in self._processes.items()}

    def end(self) -> None:
        for process in self._processes.values():
            process.kill()


class Tutorial(Yardstick):
    """graphene-django's view, gunicorn's threads, `.delay()`, django-celery-results."""

    name = "tutorial"
    ended_sql = "SELECT count(*) FROM django_celery_results_taskresult WHERE status = 'SUCCESS'"

    def prepare(self) -> None:
        subprocess.run(
            (sys.executable, "-m", "django", "migrate", "--verbosity", "0"),
            env={**self._env, "DJANGO_SETTINGS_MODULE": f"{TUTORIAL}.settings"},
            check=True,
        )

    def commands(self) -> dict[str, Sequence[str]]:
        python = (sys.executable, "-m")
        return {
            "web": (
                *python, "gunicorn", f"{TUTORIAL}.wsgi", "--bind", f"127.0.0.1:{self.port}",
                "--threads", str(THREADS), "--keep-alive", "60",
            ),
            "worker": (
                *python, "celery", "--app", TUTORIAL, "worker", "--concurrency", str(SLOTS),
                "--loglevel", "WARNING",
            ),
        }  # fmt: skip

    def start(self, text: str) -> Operation:
        return "mutation($text: String!) { countWords(text: $text) { taskId } }", {"text": text}

    def started(self, data: Mapping[str, Any]) -> str:
        return str(data["countWords"]["taskId"])

    def read(self, run: str) -> Operation:
        query = """query($id: String!) { result(taskId: $id) {
            taskId status dateCreated result } }"""
        return query, {"id": run}

    def page(self) -> Operation:
        return "{ results(first: 20) { taskId status dateCreated } }", {}


class JavaScript(Yardstick):
    """Fastify, Mercurius with its JIT compiler, BullMQ."""

    name = "JavaScript"
    ended_sql = "SELECT count(*) FROM run WHERE status = 'SUCCEEDED'"

    def commands(self) -> dict[str, Sequence[str]]:
        node = shutil.which("node")
        if node is None or not (JAVASCRIPT / "node_modules").exists():
            raise RuntimeError("The JavaScript yardstick is not installed: make bench does that.")
        return {part: (node, f"{JAVASCRIPT}/{file}.js") for part, file in
                (("web", "server"), ("worker", "worker"))}  # fmt: skip

    def start(self, text: str) -> Operation:
        return "mutation($text: String!) { countWords(text: $text) { id status } }", {"text": text}

    def started(self, data: Mapping[str, Any]) -> str:
        return str(data["countWords"]["id"])

    def read(self, run: str) -> Operation:
        return "query($id: ID!) { run(id: $id) { id status createdAt result } }", {"id": run}

    def page(self) -> Operation:
        return "{ runs(first: 20) { id status createdAt } }", {}


@contextmanager
def servers() -> Iterator[tuple[postgres.PostgresServer, Server]]:
    """PostgreSQL that counts statements, and Redis."""
    options = ("shared_preload_libraries=pg_stat_statements", "max_connections=200")
    with postgres.running(options=options) as database, redis_server.running() as redis:
        yield database, redis


@contextmanager
def contenders(database: postgres.PostgresServer, redis: Server) -> Iterator[list[Contender]]:
    """All stacks, running at once; who is not asked does nothing."""
    with ExitStack() as stack:
        env = {
            "DATABASE_URL": postgres.new_database(database),
            "REDIS_URL": redis_server.new_database(redis),
            "SECRET_KEY": secrets.token_urlsafe(40),
            "WEB_THREADS": str(THREADS),
            "WORKER_PROCESSES": str(SLOTS),
            "TASK_PACKAGES": "tasks.definitions,bench.work",
            "PYTHONPATH": str(ROOT),
        }
        service = stack.enter_context(running(Stack("bench", env), **UNLIMITED))
        found: list[Contender] = [Downbeat(service)]
        for kind in (Tutorial, JavaScript):
            home = stack.enter_context(folder(kind.name))
            urls = postgres.new_database(database), redis_server.new_database(redis)
            yardstick = kind(*urls, home)
            stack.callback(yardstick.end)
            found.append(yardstick)
        yield found
