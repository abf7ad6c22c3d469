"""What a thousand watchers of a thousand runs cost the web process, over WebSockets and over SSE.

    python -m bench.watchers [--stack postgres-redis] [--runs 1000] [--rate 250]

Starts a service of its own on the embedded stack, or on private servers; no worker meets the runs:
another process changes them at the given rate by the verbs a worker uses, so the load is the same
each time. At last, beside a thousand that read, some read nothing, and of runs with large inputs,
while ten thousand updates happen. CPU milliseconds and memory come from /proc, so Linux.
"""

import argparse
import asyncio
import json
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.costs import cpu_ms
from tests.stacks import postgres, redis_server
from tests.stacks.service import Service, Stack, running

USER = "bench"
OPERATIONS = 20  # on one WebSocket
ROUNDS = 3  # progress reports on each run, before its end
IDLE_SECONDS = 4.0
END_SECONDS = 15.0  # that the last update may take
SETTINGS = {
    **{"WATCHES_PER_USER": "100000", "LEASE_SECONDS": "120", "WEB_QUEUE": "2000"},
    **{"REQUESTS_PER_MINUTE": "1000000", "COST_PER_MINUTE": "1000000000"},
    **{"ANONYMOUS_PER_MINUTE": "1000000", "QUEUED_RUNS": "1000000"},
}
MUTE = 20  # streams that nobody reads, and as many operations on sockets that nobody reads
MUTE_ROUNDS = 10
MUTE_SECONDS = 60.0  # in which they must be cut off
LARGE_RUNS = 10
LARGE = "x" * 60_000
HEAVY = f"""subscription($id: ID!) {{ run(id: $id) {{
  revision {" ".join(f"a{n}: inputJson" for n in range(25))} }} }}"""
WATCH = """subscription($id: ID!) { run(id: $id) {
  id status isFinal revision progress { done total message } } }"""


@dataclass
class Seen:
    """What all watchers together have received."""

    at: dict[tuple[str, int], float] = field(default_factory=dict)
    """When, by run and revision."""
    latest: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    completed: int = 0
    disorder: int = 0
    """Updates whose revision was not above the last one's."""

    def receive(self, payload: Any) -> None:
        run = payload["data"]["run"]
        key, revision = run["id"], run["revision"]
        self.at[key, revision] = time.monotonic()
        self.disorder += revision <= self.latest.get(key, 0)
        self.latest[key] = revision
        if run["isFinal"]:
            self.ended.add(key)


class Watching(Protocol):
    """Some way to watch runs."""

    name: str

    async def open(self, service: Service, token: str, ids: Sequence[str]) -> None:
        """Begin to watch."""

    async def receive(self, seen: Seen) -> None:
        """Until all are at their end."""

    async def close(self) -> None: ...


@asynccontextmanager
async def _greeted(service: Service, token: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """A signed-in WebSocket."""
    url, protocols = f"ws://127.0.0.1:{service.port}/graphql", [Subprotocol("graphql-transport-ws")]
    async with connect(url, subprotocols=protocols, compression=None, **options) as wire:
        credential = {"authorization": f"Bearer {token}"}
        await wire.send(json.dumps({"type": "connection_init", "payload": credential}))
        assert json.loads(await wire.recv())["type"] == "connection_ack"
        yield wire


async def _subscribe(wire: ClientConnection, operation: str, query: str, run: str) -> None:
    payload = {"query": query, "variables": {"id": run}}
    await wire.send(json.dumps({"id": operation, "type": "subscribe", "payload": payload}))


def _request(token: str, query: str, run: str) -> bytes:
    """The HTTP request for a stream of server-sent events."""
    body = json.dumps({"query": query, "variables": {"id": run}})
    return (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class OverSockets:
    """OPERATIONS subscriptions on each WebSocket."""

    name = f"WebSockets, {OPERATIONS} operations on each"

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._sockets: list[tuple[ClientConnection, int]] = []

    async def open(self, service: Service, token: str, ids: Sequence[str]) -> None:
        for first in range(0, len(ids), OPERATIONS):
            some = ids[first : first + OPERATIONS]
            wire = await self._stack.enter_async_context(_greeted(service, token))
            for run in some:
                await _subscribe(wire, run, WATCH, run)
            self._sockets.append((wire, len(some)))

    async def receive(self, seen: Seen) -> None:
        await asyncio.gather(*(self._read(seen, *each) for each in self._sockets))

    async def _read(self, seen: Seen, wire: ClientConnection, open_operations: int) -> None:
        while open_operations:
            message = json.loads(await wire.recv())
            if message["type"] == "next":
                seen.receive(message["payload"])
            else:
                assert message["type"] == "complete", message
                seen.completed += 1
                open_operations -= 1

    async def close(self) -> None:
        await self._stack.aclose()


class OverStreams:
    """One connection for each subscription, as server-sent events."""

    name = "SSE, one connection for each"

    def __init__(self) -> None:
        self._streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def open(self, service: Service, token: str, ids: Sequence[str]) -> None:
        for run in ids:
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(_request(token, WATCH, run))
            assert b" 200 " in await reader.readline()
            self._streams.append((reader, writer))

    async def receive(self, seen: Seen) -> None:
        await asyncio.gather(*(self._read(seen, reader) for reader, _ in self._streams))

    async def _read(self, seen: Seen, reader: asyncio.StreamReader) -> None:
        async for line in _lines(reader):
            if line.startswith(b"data: "):
                seen.receive(json.loads(line.removeprefix(b"data: ")))
            elif line.startswith(b"event: complete"):
                seen.completed += 1
                return

    async def close(self) -> None:
        for _, writer in self._streams:
            writer.close()


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while line := await reader.readline():
        yield line


class Mute:
    """Watchers that ask for much and read nothing, into the least buffers."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def open(self, service: Service, token: str, ids: Sequence[str]) -> None:
        for number in range(MUTE):
            raw = self._stack.enter_context(_small_socket(service.port))
            await asyncio.get_running_loop().sock_sendall(
                raw, _request(token, HEAVY, ids[number % LARGE_RUNS])
            )
        for _ in range(0, MUTE, LARGE_RUNS):
            wire = await self._stack.enter_async_context(
                _greeted(
                    service, token, sock=_small_socket(service.port), max_queue=1, max_size=None
                )
            )
            for run in ids[:LARGE_RUNS]:
                await _subscribe(wire, run, HEAVY, run)

    async def close(self) -> None:
        with suppress(ConnectionClosed, OSError):
            await self._stack.aclose()


def _small_socket(port: int) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect(("127.0.0.1", port))
    raw.setblocking(False)
    return raw


class Changer:
    """The process that changes the runs; see bench.changing."""

    def __init__(self, service: Service) -> None:
        root = Path(__file__).parents[1]
        self._process = subprocess.Popen(
            (sys.executable, "-m", "bench.changing", USER),
            env=service.env,
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def ask(self, verb: str, *given: Any) -> Any:
        return await asyncio.to_thread(self._ask, [verb, *given])

    def _ask(self, words: list[Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(words), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def memory_mb(pid: int) -> float:
    """The resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1_024


@dataclass(frozen=True)
class Load:
    """So many runs, and so many changes in a second."""

    runs: int
    rate: float


Figures = dict[str, float]


async def measure(service: Service, token: str, watching: Watching, load: Load) -> Figures:
    """One way to watch, from the first connection to the last end."""
    web, changer, seen = service.part("web").pid, Changer(service), Seen()
    try:
        ids = await changer.ask("start", ["some words"] * load.runs)
        figures: Figures = {"MB before": memory_mb(web)}
        before = cpu_ms(web)
        await watching.open(service, token, ids)
        receiving = asyncio.create_task(watching.receive(seen))
        await _until(lambda: len(seen.latest) == load.runs, receiving)
        figures["ms CPU for each watcher that comes"] = (cpu_ms(web) - before) / load.runs
        before = cpu_ms(web)
        await asyncio.sleep(IDLE_SECONDS)
        figures["ms CPU in a second, nothing happening"] = (cpu_ms(web) - before) / IDLE_SECONDS
        figures["MB with all watching"] = memory_mb(web)
        snapshots, before, began = len(seen.at), cpu_ms(web), time.monotonic()
        committed = await changer.ask("progress", ROUNDS, load.rate)
        committed += await changer.ask("finish", load.rate)
        figures["changes in a second"] = len(committed) / (time.monotonic() - began)
        await _ends(receiving)
        pushed = len(seen.at) - snapshots
        figures["ms CPU for each pushed update"] = (cpu_ms(web) - before) / pushed
        figures["changes"], figures["pushed updates"] = len(committed), pushed
        figures |= _told(seen, committed, load)
        await watching.close()
        await asyncio.sleep(1)
        figures["MB after"] = memory_mb(web)
        return figures
    finally:
        changer.end()


async def measure_mute(service: Service, token: str, load: Load) -> Figures:
    """A thousand that read, and a hundred that do not."""
    web, changer, seen = service.part("web").pid, Changer(service), Seen()
    reading, mute = OverSockets(), Mute()
    most = 0.0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, memory_mb(web))
            await asyncio.sleep(0.1)

    try:
        ids = await changer.ask(
            "start", [LARGE] * LARGE_RUNS + ["some words"] * (load.runs - LARGE_RUNS)
        )
        await reading.open(service, token, ids)
        receiving = asyncio.create_task(reading.receive(seen))
        await _until(lambda: len(seen.latest) == load.runs, receiving)
        base, figures = _files(web), {"MB with all reading": memory_mb(web)}
        looking, began = asyncio.create_task(look()), time.monotonic()
        await mute.open(service, token, ids)
        changing = asyncio.create_task(changer.ask("progress", MUTE_ROUNDS, load.rate))
        await asyncio.sleep(3)
        figures["connections of the mute ones"] = _files(web) - base
        with suppress(AssertionError):
            await _until(lambda: _files(web) <= base, receiving, MUTE_SECONDS)
        figures["s until they are cut off"] = time.monotonic() - began
        figures["of them left"] = _files(web) - base
        committed = await changing + await changer.ask("finish", load.rate)
        await _ends(receiving)
        figures["MB at most"], figures["changes"] = most, len(committed)
        figures |= _told(seen, committed, load)
        looking.cancel()
        await mute.close()
        await reading.close()
        await asyncio.sleep(1)
        figures["MB after"] = memory_mb(web)
        return figures
    finally:
        changer.end()


def _told(seen: Seen, committed: list[tuple[str, int, float]], load: Load) -> Figures:
    """What those who read have seen, and how late."""
    delays = sorted(
        (seen.at[run, revision] - at) * 1_000
        for run, revision, at in committed
        if (run, revision) in seen.at
    )
    return {
        "missed ends": load.runs - len(seen.ended),
        "streams without their end": load.runs - seen.completed,
        "revisions that did not rise": seen.disorder,
        "ms from commit to receipt, p50": statistics.median(delays),
        "ms from commit to receipt, p99": delays[len(delays) * 99 // 100],
    }


async def _ends(receiving: "asyncio.Task[None]") -> None:
    """Give the last updates their time."""
    with suppress(TimeoutError):
        await asyncio.wait_for(receiving, END_SECONDS)


async def _until(
    condition: Callable[[], bool], work: "asyncio.Task[None]", seconds: float = 60
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        assert not work.done(), work
        await asyncio.sleep(0.05)


def _files(pid: int) -> int:
    """How many files and connections the process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextmanager
def stack(name: str) -> Iterator[Stack]:
    """The stack of this name, with its servers."""
    if name == "embedded":
        yield Stack(name)
        return
    with postgres.running() as database, redis_server.running() as redis:
        env = {
            "DATABASE_URL": postgres.new_database(database),
            "REDIS_URL": redis_server.new_database(redis),
            "SECRET_KEY": secrets.token_urlsafe(40),
        }
        yield Stack(name, env)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stack", choices=("embedded", "postgres-redis"), default="embedded")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=250, help="changes in a second, at most")
    given = parser.parse_args()
    ways: list[Watching] = [OverSockets(), OverStreams()]
    with stack(given.stack) as chosen, running(chosen, **SETTINGS) as service:
        token = service.token(USER)
        load = Load(given.runs, given.rate)
        found = [asyncio.run(measure(service, token, way, load)) for way in ways]
        mute = asyncio.run(measure_mute(service, token, load))
    title = f"{given.runs} watchers of {given.runs} runs, {given.stack}"
    show(title, [way.name for way in ways], found)
    show(f"{2 * MUTE} more that read nothing, {given.stack}", ["WebSockets and SSE"], [mute])


def show(title: str, columns: list[str], found: list[Figures]) -> None:
    print(f"\n| {title} |", " | ".join(columns), "|")
    print("| --- |" + " --- |" * len(columns))
    for name in found[0]:
        print(f"| {name} |", " | ".join(f"{figures[name]:,.2f}" for figures in found), "|")


if __name__ == "__main__":
    main()
