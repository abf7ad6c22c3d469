"""CPU of the web process for one request, and of the worker for one run, on a service of its own.

    python -m bench.requests [--requests 1000] [--connections 4]

Measures the embedded stack; with DATABASE_URL, REDIS_URL or BROKER_URL in the environment, that
one. CPU milliseconds are steadier than times on a shared machine; they come from /proc, so Linux.
"""

import argparse
import http.client
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.stacks.service import Running, Service, Stack, descendants, running

TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "SECRET_KEY", "WEB_THREADS")
# Counted as always, and never reached.
RATES = {
    "REQUESTS_PER_MINUTE": "1000000",
    "COST_PER_MINUTE": "1000000000",
    "QUEUED_RUNS": "1000000",
}
START = (
    "mutation($t: String!) { countWords(input: {text: $t}) { run { id status } errors { code } } }"
)
READ = "query($id: ID!) { run(id: $id) { status isFinal revision progress { done total } } }"
LIST = "{ runs(first: 20) { nodes { id status createdAt task { name } } pageInfo { endCursor } } }"


class Session:
    """One keep-alive connection of one signed-in client."""

    def __init__(self, service: Service, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def reconnect(self) -> None:
        """With the next request: the server lets go of connections that were silent for a while."""
        self._connection.close()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables})
        self._connection.request("POST", "/graphql", body, self._headers)
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        assert "errors" not in answer, answer
        return answer


def cpu_ms(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000 / TICKS


def tree(root: Running) -> list[int]:
    return [root.pid, *(process.pid for process in descendants(root.pid))]


def measure(
    service: Service, sessions: list[Session], count: int, ask: Callable[[Session, int], Any]
) -> tuple[float, float]:
    """CPU of the web process for one request, and the median time of one, in ms."""
    times: list[float] = []

    def work(number: int) -> None:
        for each in range(number, count, len(sessions)):
            began = time.perf_counter()
            ask(sessions[number], each)
            times.append((time.perf_counter() - began) * 1_000)

    for session in sessions:
        session.reconnect()
    web = service.part("web").pid
    before = cpu_ms(web)
    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(work, range(len(sessions))))
    return (cpu_ms(web) - before) / count, statistics.median(times)


def drain(session: Session) -> None:
    """Wait until no run is open."""
    query = "{ runs(first: 1, filter: {isFinal: false}) { nodes { id } } }"
    while session.ask(query)["data"]["runs"]["nodes"]:
        time.sleep(0.2)


def bench(service: Service, count: int, connections: int) -> None:
    token = service.token("bench")
    sessions = [Session(service, token) for _ in range(connections)]
    run = sessions[0].ask(START, t="warm up")["data"]["countWords"]["run"]["id"]
    for session in sessions:
        session.ask(READ, id=run)
        session.ask(LIST)
    drain(sessions[0])
    worker = tree(service.part("worker"))
    before = sum(map(cpu_ms, worker))
    rows = [("start a run", measure(service, sessions, count, lambda s, n: s.ask(START, t=str(n))))]
    drain(sessions[0])
    per_run = (sum(map(cpu_ms, worker)) - before) / count
    rows.append(("run by id", measure(service, sessions, count, lambda s, n: s.ask(READ, id=run))))
    rows.append(("list of 20", measure(service, sessions, count, lambda s, n: s.ask(LIST))))
    print(f"\n| {count} requests, {connections} connections | ms CPU | median ms |")
    print("| --- | --- | --- |")
    for name, (cpu, median) in rows:
        print(f"| {name} | {cpu:.2f} | {median:.1f} |")
    print(f"| worker, for each run | {per_run:.2f} | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--connections", type=int, default=4)
    given = parser.parse_args()
    env = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)} | RATES
    with running(Stack("bench"), **env) as service:
        bench(service, given.requests, given.connections)


if __name__ == "__main__":
    main()
