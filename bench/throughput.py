"""How many runs a second this machine does, by processes; and what each part spends on one.

    python -m bench.throughput [--seconds 10] [--runs 3000]

Web processes answer starts from as many connections as they take; workers drain a backlog. The CPU
of every part for one start and one run is what docs/scaling.md reckons with for larger machines.
The report goes to bench/results/throughput.json, its tables into that page.
"""

import argparse
import itertools
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from backend.embedded.home import spare_port
from backend.embedded.process import Process
from bench import scale_page
from bench.contenders import ROOT, UNLIMITED, Downbeat, servers
from bench.costs import Session, cpu_of
from tests.stacks import postgres, redis_server
from tests.stacks.machine import Log, wait_until
from tests.stacks.processes import descendants
from tests.stacks.server import Server
from tests.stacks.service import Service, Stack, running

RESULT = Path(__file__).parent / "results/throughput.json"
WEBS = (1, 2, 4)
SLOTS = (1, 2, 4, 8)
CONNECTIONS = 8
BATCH = 1_000  # runs in one request
DRAIN_SECONDS = 300
MANY = """mutation($runs: [StartRunInput!]!) { startRuns(runs: $runs) {
  items { errors { code } } } }"""


class Parts:
    """The processes of all that takes part, and what they spend."""

    def __init__(self, service: Service, database: Server, redis: Server) -> None:
        self._roots = {
            **{part: service.part(part).pid for part in ("web", "worker", "conductor")},
            "PostgreSQL": database.process.pid,
            "Redis": redis.process.pid,
        }

    def cpu(self) -> dict[str, float]:
        """CPU milliseconds of each so far."""
        return {
            part: cpu_of([root, *(each.pid for each in descendants(root))])
            for part, root in self._roots.items()
        }


def written(url: str) -> tuple[int, int, int]:
    """Bytes of PostgreSQL's log so far; updates of runs, and how many touched no index."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, n_tup_upd, n_tup_hot_upd"
            " FROM pg_stat_user_tables WHERE relname = 'tasks_run'"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def spent(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    return {part: round((after[part] - before[part]) / count, 3) for part in before}


@contextmanager
def service(database: Any, redis: Server, slots: int) -> Iterator[Service]:
    env = {
        "DATABASE_URL": postgres.new_database(database),
        "REDIS_URL": redis_server.new_database(redis),
        "SECRET_KEY": secrets.token_urlsafe(40),
        "WORKER_PROCESSES": str(slots),
        "PYTHONPATH": str(ROOT),
    }
    with running(Stack("throughput", env), **UNLIMITED) as found:
        yield found


@contextmanager
def webs(service: Service, count: int) -> Iterator[list[int]]:
    """The ports of so many web processes; one is the service's own."""
    with ExitStack() as stack:
        ports = [service.port]
        for _ in range(count - 1):
            ports.append(spare_port())
            env = {**service.env, "PORT": str(ports[-1])}
            command = (sys.executable, "-m", "backend.web")
            process = Process("web", command, Log().say, env, service.home)
            stack.callback(process.kill)
        assert wait_until(lambda: all(map(_answers, ports)), 60, 0.2)
        yield ports


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def starts(downbeat: Downbeat, ports: Sequence[int], seconds: float) -> float:
    """Starts answered in a second, one by one, by all these processes together."""
    counts = [0] * CONNECTIONS
    until = time.monotonic() + seconds

    def work(number: int) -> None:
        session = Session(ports[number % len(ports)], downbeat.token)
        while time.monotonic() < until:
            downbeat.started(session.ask(downbeat.start(f"some words {number}")))
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(sum(counts) / seconds, 1)


def drained(downbeat: Downbeat, count: int, numbers: Iterator[int]) -> float:
    """Runs performed in a second, of a backlog that is there at once."""
    session, before = Session(downbeat.port, downbeat.token), downbeat.ended()
    began = time.monotonic()
    for _ in range(count // BATCH):
        runs = [
            {"task": {"countWords": {"text": f"some words {next(numbers)}"}}} for _ in range(BATCH)
        ]
        items = session.ask((MANY, {"runs": runs}))["startRuns"]["items"]
        assert all(not item["errors"] for item in items)
    assert wait_until(lambda: downbeat.ended() - before >= count, DRAIN_SECONDS, 0.05)
    return round(count / (time.monotonic() - began), 1)


def idle(parts: Parts, seconds: float) -> dict[str, float]:
    """The part of a core that each takes while there is nothing to do."""
    before = parts.cpu()
    time.sleep(seconds)
    found = spent(before, parts.cpu(), 1)
    return {part: round(ms / seconds / 1_000, 4) for part, ms in found.items()}


def measure(seconds: float, count: int) -> dict[str, Any]:
    report: dict[str, Any] = {"cores": os.cpu_count(), "starts": {}, "runs": {}, "cpu_ms": {}}
    numbers = itertools.count()
    with servers() as (database, redis):
        for slots in SLOTS:
            with service(database, redis, slots) as found:
                downbeat = Downbeat(found)
                drained(downbeat, BATCH, numbers)
                parts = Parts(found, database, redis)
                before, log = parts.cpu(), written(downbeat.database_url)
                report["runs"][slots] = drained(downbeat, count, numbers)
                report["cpu_ms"][slots] = spent(before, parts.cpu(), count)
                after = written(downbeat.database_url)
                report["wal_bytes"] = round((after[0] - log[0]) / count)
                report["updates"] = round((after[1] - log[1]) / count, 2)
                report["hot_updates"] = round((after[2] - log[2]) / count, 2)
                print(f"{slots} slots: {report['runs'][slots]} runs/s", flush=True)
        with service(database, redis, 1) as found:
            report["idle_cores"] = idle(Parts(found, database, redis), seconds)
            downbeat = Downbeat(found)
            for many in WEBS:
                with webs(found, many) as ports:
                    starts(downbeat, ports, 1)
                    parts = Parts(found, database, redis)
                    before = parts.cpu()
                    rate = report["starts"][many] = starts(downbeat, ports, seconds)
                    if many == 1:  # the service's own
                        report["start_cpu_ms"] = spent(before, parts.cpu(), round(rate * seconds))
                    print(f"{many} webs: {report['starts'][many]} starts/s", flush=True)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3_000)
    given = parser.parse_args()
    report = measure(given.seconds, given.runs)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    scale_page.write()


if __name__ == "__main__":
    main()
