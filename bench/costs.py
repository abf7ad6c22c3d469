"""What one unit of work costs: CPU of the whole process tree, time until the answer, statements.

CPU milliseconds are steadier than times on a shared machine; they come from /proc, so Linux.
"""

import http.client
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.contenders import Contender, Downbeat, Operation
from tests.stacks.machine import wait_until

TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 4
DRAIN_SECONDS = 120


@dataclass
class Cost:
    """One unit of work; a figure for each round."""

    cpu_ms: list[float] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    """Of every request."""
    statements: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, dict[str, float]]:
        figures = {"cpu_ms": self.cpu_ms, "times_ms": self.times_ms, "statements": self.statements}
        return {name: spread(values) for name, values in figures.items() if values}


class Session:
    """One keep-alive connection of one client."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Until the next request: a server lets go of connections that were silent for a while."""
        self._connection.close()

    def ask(self, operation: Operation) -> dict[str, Any]:
        """The data of the answer."""
        query, variables = operation
        body = json.dumps({"query": query, "variables": variables})
        self._connection.request("POST", "/graphql", body, self._headers)
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data


def cpu_ms(pid: int) -> float:
    """User and system time so far, in ms, of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) * 1_000 / TICKS


def cpu_of(pids: Sequence[int]) -> float:
    """The same of a process tree, its root first."""
    spent = 0.0
    for pid in reversed(pids):
        # What has ended since the tree was listed is counted by its parent, which is read later.
        with suppress(FileNotFoundError, ProcessLookupError):
            spent += cpu_ms(pid)
    return spent


def statements(contender: Contender) -> int:
    """How many statements its database has performed so far."""
    with psycopg.connect(contender.database_url) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        row = connection.execute(
            """SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
            JOIN pg_database ON oid = dbid WHERE datname = current_database()
                AND query !~* '^(begin|commit|set|select set_config)'"""
        ).fetchone()
    assert row is not None
    return int(row[0])


class Bench:
    """One contender and its clients."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self._sessions = [Session(contender.port, contender.token) for _ in range(CONNECTIONS)]
        self._number = 0
        self._started: list[str] = []
        for session in self._sessions:
            self._started.append(contender.started(session.ask(contender.start("warm up"))))
            session.ask(contender.read(self._started[0]))
            session.ask(contender.page())
        self._ended = self._until_ended(contender.ended, CONNECTIONS)

    def _until_ended(self, ended: Callable[[], int], count: int) -> int:
        if not wait_until(lambda: ended() >= count, DRAIN_SECONDS, 0.1):
            raise RuntimeError(f"{self.contender.name}: {ended()} of {count} runs ended")
        return ended()

    def start(self, count: int, web: Cost, worker: Cost, beside: Cost) -> None:
        """Start so many runs and wait for their end; `beside` is what no run is charged for."""
        contender, numbers = self.contender, itertools.count()
        tree, others = contender.tree("worker"), self._others()
        before, before_others = cpu_of(tree), cpu_of(others)
        before_statements = statements(contender)

        def start(session: Session) -> None:
            contender.started(session.ask(contender.start(f"some words {next(numbers)}")))

        self._measure(start, count, web)
        self._ended = self._until_ended(contender.ended, self._ended + count)
        worker.cpu_ms.append((cpu_of(tree) - before) / count)
        beside.cpu_ms.append((cpu_of(others) - before_others) / count)
        worker.statements.append((statements(contender) - before_statements) / count)

    def _others(self) -> list[int]:
        return [
            pid
            for part in self.contender.roots()
            if part not in ("web", "worker")
            for pid in self.contender.tree(part)
        ]

    def bulk(self, count: int, cost: Cost) -> None:
        """Start so many runs with one request, and wait for their end; the costs are of one run."""
        assert isinstance(self.contender, Downbeat), self.contender.name
        session, tree = self._sessions[0], self.contender.tree("web")
        before, began = cpu_of(tree), time.perf_counter()
        payload = session.ask(self.contender.many(count))["startRuns"]
        cost.times_ms.append((time.perf_counter() - began) * 1_000 / count)
        assert not any(item["errors"] for item in payload["items"]), payload
        self._ended = self._until_ended(self.contender.ended, self._ended + count)
        cost.cpu_ms.append((cpu_of(tree) - before) / count)  # the knocks go out meanwhile

    def read(self, count: int, cost: Cost) -> None:
        run = self._started[0]
        self._measure(lambda session: session.ask(self.contender.read(run)), count, cost)

    def page(self, count: int, cost: Cost) -> None:
        self._measure(lambda session: session.ask(self.contender.page()), count, cost)

    def _measure(self, ask: Callable[[Session], Any], count: int, cost: Cost) -> None:
        def work(session: Session) -> None:
            session.close()
            for _ in range(count // CONNECTIONS):
                began = time.perf_counter()
                ask(session)
                cost.times_ms.append((time.perf_counter() - began) * 1_000)

        tree = self.contender.tree("web")
        before, before_statements = cpu_of(tree), statements(self.contender)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(work, self._sessions))
        cost.cpu_ms.append((cpu_of(tree) - before) / count)
        cost.statements.append((statements(self.contender) - before_statements) / count)


def spread(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile, and the least and the most."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "p99": round(ordered[len(ordered) * 99 // 100], 3),
        "least": round(ordered[0], 3),
        "most": round(ordered[-1], 3),
    }
