"""Who reads slowly, or comes and goes, costs little, and others do not notice."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from backend.embedded import ready
from backend.embedded.home import spare_port
from backend.embedded.process import Process
from tests.acceptance.client import Client
from tests.acceptance.jobs import begin, until, until_status, with_jobs
from tests.acceptance.watching import WATCH, Watcher, open_socket, subscribe
from tests.stacks.machine import Log, wait_until
from tests.stacks.processes import descendants
from tests.stacks.service import Service, Stack, running

pytestmark = pytest.mark.xdist_group("embedded")  # each has a service of its own

TEXT = "x" * 50_000
HEAVY = f"""subscription($id: ID!) {{ run(id: $id) {{
  revision {" ".join(f"a{n}: inputJson" for n in range(20))} }} }}"""
IMPATIENT = """
import backend.asgi
from backend import web
from backend.live import streams, websocket
streams.WRITE_SECONDS = websocket.WRITE_SECONDS = 2.0
web.main()
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@contextmanager
def impatient_web(service: Service) -> Iterator[tuple[int, int]]:
    """One more web process, that soon cuts off who does not read; its port and its id."""
    log, port = Log(), spare_port()
    env = {**service.env, "PORT": str(port)}
    web = Process("web", (sys.executable, "-c", IMPATIENT), log.say, env, service.home)
    try:
        assert wait_until(lambda: ready.is_ready("127.0.0.1", port, "localhost"), 30), log.tail()
        (process,) = descendants(web.pid)
        yield port, process.pid
    finally:
        web.kill()


def pages(pid: int) -> int:
    """The bytes of memory that the process has."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE")


def mute_stream(client: Client, port: int, query: str, run: str) -> socket.socket:
    """A stream of server-sent events that nobody reads, into the least buffer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect(("127.0.0.1", port))
    body = json.dumps({"query": query, "variables": {"id": run}})
    raw.sendall(
        f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {client.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    return raw


def is_cut(raw: socket.socket) -> bool:
    """Whether the server has closed this connection; what it sent before is thrown away."""
    raw.settimeout(1)
    try:
        while raw.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


@needs_proc
def test_who_stops_reading_is_cut_off_and_costs_little(tmp_path: Path) -> None:
    with running(Stack("embedded"), **with_jobs(tmp_path)) as service:
        client = Client(service)
        ledger = str(tmp_path / "ledger")
        run = begin(client, "chatter", seconds=60, text=TEXT, ledger=ledger)
        until_status(client, run, "RUNNING")
        with impatient_web(service) as (port, web), ExitStack() as stack:
            reading = Watcher(client, run, port=port)
            reading.until(lambda watcher: len(watcher.seen) >= 2)
            before, alone = pages(web), sockets(web)
            mute = [stack.enter_context(mute_stream(client, port, HEAVY, run)) for _ in range(5)]
            for _ in range(5):
                wire = stack.enter_context(open_socket(client, port, max_queue=1))
                for operation in range(5):
                    subscribe(wire, str(operation), HEAVY, id=run)
            most = 0

            def are_cut() -> bool:
                nonlocal most
                most = max(most, pages(web) - before)
                return sockets(web) <= alone

            until(are_cut, 30)
            assert not reading.last["isFinal"]
            assert most < 150_000_000  # a message of 1 MB for each of 30, at some stages
            reading.until_more(3)
            gaps = [later - at for at, later in zip(reading.at, reading.at[1:], strict=False)]
            assert max(gaps) < 5, gaps
            assert all(map(is_cut, mute))


def sockets(pid: int) -> int:
    """How many connections the process has open."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in this moment
            found += str(link.readlink()).startswith("socket:")
    return found


@needs_proc
def test_nothing_is_left_of_watchers_that_are_gone(tmp_path: Path) -> None:
    with running(Stack("embedded"), **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepOnce", seconds=60, ledger=str(tmp_path / "ledger"))
        web = service.part("web").pid

        def come_and_go(times: int) -> None:
            for number in range(times):
                with (
                    open_socket(client) as wire,
                    mute_stream(client, service.port, WATCH, run) as stream,
                ):
                    subscribe(wire, "1", WATCH, id=run)
                    if number % 2:
                        wire.recv(10)
                    if number % 3:
                        stream.recv(100)

        come_and_go(20)  # so that all connections to the database are there
        time.sleep(1)
        before = sockets(web)
        come_and_go(150)
        until(lambda: sockets(web) <= before, 10)
        # Of the user's 100 watches each is free again.
        watchers = [Watcher(client, run) for _ in range(100)]
        for watcher in watchers:
            watcher.until(lambda watcher: len(watcher.seen) >= 1)
            watcher.close()
