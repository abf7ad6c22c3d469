"""Sockets and streams under the real server: its bounds, and its end."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from schema.limits import MESSAGE_BYTES
from tests.backend.front.web import Server

CHANGED = {"query": "subscription { runChanged { id status } }"}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "graphql-transport-ws",
}
START = """mutation { countWords(input: {text: "a"}, waitSeconds: 20) { run { id status } } }"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("home"))
    yield server
    assert server.stop() in (0, -signal.SIGTERM)
    assert "Exception in ASGI application" not in server.log.read_text()


@contextmanager
def dial(server: Server) -> Iterator[ClientConnection]:
    """A socket that is signed in."""
    protocols = [Subprotocol("graphql-transport-ws")]
    with connect(f"ws://127.0.0.1:{server.port}/graphql", subprotocols=protocols) as wire:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {server.token}"}}
        wire.send(json.dumps(init))
        assert json.loads(wire.recv(10)) == {"type": "connection_ack"}
        yield wire


def ask(wire: ClientConnection, operation: str, query: str) -> None:
    wire.send(json.dumps({"type": "subscribe", "id": operation, "payload": {"query": query}}))


def headers(server: Server, accept: str = "text/event-stream") -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}", "Accept": accept}


def test_a_socket_carries_operations(server: Server) -> None:
    with dial(server) as wire:
        assert wire.subprotocol == "graphql-transport-ws"
        ask(wire, "1", "{ viewer { displayName } }")
        answer = json.loads(wire.recv(10))
        assert answer["payload"] == {"data": {"viewer": {"displayName": "ada"}}}


def test_a_change_is_seen_over_a_socket_and_a_stream_without_redis(server: Server) -> None:
    with (
        dial(server) as wire,
        server.http.stream("POST", "/graphql", json=CHANGED, headers=headers(server)) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == ":"
        ask(wire, "1", CHANGED["query"])
        run = server.graphql('mutation { countWords(input: {text: "a"}) { run { id } } }')
        run_id = run["countWords"]["run"]["id"]
        assert run_id in wire.recv(10)
        assert any(run_id in line for line in lines)


def test_a_message_that_is_too_large_closes_the_socket(server: Server) -> None:
    with dial(server) as wire:
        wire.send("x" * (MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_a_socket_of_another_origin_is_refused_with_403(server: Server) -> None:
    upgrade = {**UPGRADE, "Origin": "https://evil.example"}
    response = server.http.get("/graphql", headers=upgrade)
    assert response.status_code == 403
    assert "CORS_ORIGINS" in response.text


def test_a_page_of_a_listed_origin_may_read_a_stream(server: Server) -> None:
    origin = "https://app.example"
    with server.http.stream(
        "POST", "/graphql", json=CHANGED, headers={**headers(server), "Origin": origin}
    ) as stream:
        assert stream.headers["access-control-allow-origin"] == origin
        assert "content-length" not in stream.headers


def test_a_wait_that_its_client_leaves_ends(server: Server) -> None:
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            server.http.post(
                "/graphql", json={"query": START}, headers=headers(server, "*/*"), timeout=0.5
            )
    assert server.graphql("{ viewer { displayName } }")  # no thread is held


def test_a_server_that_stops_ends_everything_at_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = Server(tmp_path_factory.mktemp("other"))
    answers: list[httpx.Response] = []

    def wait() -> None:
        answers.append(
            httpx.post(
                f"http://127.0.0.1:{server.port}/graphql",
                json={"query": START},
                headers=headers(server, "*/*"),
                timeout=30,
            )
        )

    waiting = threading.Thread(target=wait)
    waiting.start()
    with (
        dial(server) as wire,
        server.http.stream("POST", "/graphql", json=CHANGED, headers=headers(server)) as stream,
    ):
        chunks = stream.iter_raw()
        assert next(chunks) == b":\n\n"
        ask(wire, "1", CHANGED["query"])
        time.sleep(0.5)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        with pytest.raises(httpx.TransportError):  # cut, so that nobody takes it for the end
            list(chunks)
        waiting.join(10)
        (answer,) = answers
        assert answer.json()["data"]["countWords"]["run"]["status"] == "QUEUED"
        assert server.process.wait(20) in (0, -signal.SIGTERM)
        assert time.monotonic() - began < 12  # of the 15 seconds of grace
    assert "Exception" not in server.log.read_text()


def test_a_client_that_sends_pings_and_reads_nothing_is_cut_off(server: Server) -> None:
    with _raw(server) as raw:
        ping = b"\x89\xfd" + bytes(4) + b"p" * 125
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            _send_for_ever(raw, ping * 500)


def test_text_that_is_none_is_1007_and_no_traceback(server: Server) -> None:
    with _raw(server) as raw:
        raw.sendall(b"\x81\x82" + bytes(4) + b"\xff\xfe")
        assert raw.recv(1_000) == b"\x88\x02\x03\xef"
    assert "Traceback" not in server.log.read_text()


def test_empty_pieces_of_a_message_are_not_kept(server: Server) -> None:
    init = json.dumps({"type": "connection_init"}).encode()
    with _raw(server) as raw:
        raw.sendall(b"\x01" + bytes([0x80 | len(init)]) + bytes(4) + init)
        raw.sendall((b"\x00\x80" + bytes(4)) * 10_000 + b"\x80\x80" + bytes(4))
        assert b"connection_ack" in raw.recv(1_000)


def test_a_handshake_that_cannot_be_read_is_hung_up(server: Server) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        server.http.get("/graphql", headers={**UPGRADE, "X": "a" * 9_000})


@contextmanager
def _raw(server: Server) -> Iterator[socket.socket]:
    """A socket after its handshake, to write frames on."""
    lines = ["GET /graphql HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in UPGRADE.items())])
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(f"{head}\r\n\r\n".encode())
        assert b" 101 " in raw.recv(1_000)
        yield raw


def _send_for_ever(raw: socket.socket, content: bytes) -> None:
    for _ in range(10_000):
        raw.sendall(content)
