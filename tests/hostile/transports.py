"""Sends a case over one transport and says in short what came back."""

import json
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.hostile.requests import http
from tests.hostile.table import (
    HTTP,
    MULTIPART,
    SSE,
    WEBSOCKET,
    Case,
    Conversation,
    Hear,
    Operation,
    Raw,
    Request,
    Step,
)
from tests.hostile.target import Target

SECONDS = 30.0
ACCEPT = {HTTP: "application/json", SSE: "text/event-stream", MULTIPART: "multipart/mixed"}
MARKER = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
ENDS = ("next", "error", "complete")


@dataclass(frozen=True)
class Answer:
    """What came back: in short, every text of it, after how long; and the text that was sent."""

    short: str
    text: str
    seconds: float
    sent: str


def send(target: Target, case: Case, transport: str) -> Answer:
    """The answer to the case over this transport."""
    if isinstance(case, Request):
        return _exchange(target, _filled(target, case.content))
    if isinstance(case, Conversation):
        return _converse(target, case)
    if transport == WEBSOCKET:
        return _converse(target, _spoken(case))
    body = json.dumps(target.fill_in(_body(case))).encode()
    headers = {
        "Accept": ACCEPT[transport],
        "Authorization": f"Bearer {target.fill(case.token)}" if case.token else None,
    }
    return _exchange(target, http(body, headers))


def _body(case: Operation) -> dict[str, Any]:
    name = {} if case.name is None else {"operationName": case.name}
    return {"query": case.query, "variables": dict(case.variables), **name}


def _spoken(case: Operation) -> Conversation:
    """The operation, said on a socket."""
    token = {"payload": {"Authorization": f"Bearer {case.token}"}} if case.token else {}
    greeting = json.dumps({"type": "connection_init", **token})
    message = {"type": "subscribe", "id": "1", "payload": _body(case)}
    return Conversation((greeting, Hear("connection_ack"), json.dumps(message)), "")


def _filled(target: Target, content: bytes) -> bytes:
    """The request with what is held, and with the length that it then has."""
    head, blank, body = content.partition(b"\r\n\r\n")
    filled = target.fill(head.decode("utf-8", "surrogateescape"))
    return filled.encode("utf-8", "surrogateescape") + blank + body


def _exchange(target: Target, content: bytes) -> Answer:
    """The response; and whether the connection then goes on with the next request, or ends."""
    sent = content.decode("utf-8", "replace")
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", target.service.port), SECONDS) as connection:
        try:
            connection.sendall(content)
            response, text = _read(connection, content)
        except (ConnectionError, HTTPException):
            return Answer("cut", "", time.perf_counter() - began, sent)
        took = time.perf_counter() - began
        short = f"{response.status} {_word_of(response, text)}"
        if (origin := response.headers["access-control-allow-origin"]) is not None:
            short += f", for {origin}"
        short += ", closed" if response.will_close else _after(connection)
    return Answer(short, f"{response.headers}\n{text}", took, sent)


def _read(connection: socket.socket, content: bytes) -> tuple[HTTPResponse, str]:
    method = content.partition(b" ")[0].decode("ascii", "replace")
    response = HTTPResponse(connection, method=method)
    response.begin()
    return response, response.read().decode("utf-8", "replace")


def _after(connection: socket.socket) -> str:
    """Nothing if the next answer is that of the next request: no request hid in the first one."""
    with suppress(ConnectionError, HTTPException):
        connection.sendall(MARKER)
        response, text = _read(connection, MARKER)
        if (response.status, text) != (200, '{"status":"ok"}'):
            return f", then {response.status}"
    return ""


def _word_of(response: HTTPResponse, text: str) -> str:
    kind = response.headers.get_content_type()
    if kind == ACCEPT[SSE]:
        return _word(json.loads(text.partition("data: ")[2].partition("\n\n")[0]))
    if kind == ACCEPT[MULTIPART]:
        content = json.loads(text.partition("\r\n\r\n")[2].partition("\r\n--")[0])
        return _word(content.get("payload", content))
    if response.headers.get_filename() is not None:
        return "file"
    if kind in ("application/json", "application/graphql-response+json") and text:
        return _word(json.loads(text))
    return "plain"


def _word(content: Any) -> str:
    """A GraphQL response, or one of uploads, in a word."""
    errors = content if isinstance(content, list) else content.get("errors")
    if errors:
        assert all(isinstance(error["message"], str) for error in errors)
        return str(errors[0].get("extensions", errors[0])["code"])
    (value, *_) = content.get("data", content).values()
    if value is None:
        return "null"
    problems = value.get("errors") if isinstance(value, dict) else None
    return f"{problems[0]['code']} in payload" if problems else "data"


def _converse(target: Target, case: Conversation) -> Answer:
    """What ends the conversation: an answer to an operation, or the end of the socket."""
    heard: list[str] = []
    began = time.perf_counter()
    short = _end(target, case, heard)
    return Answer(short, "\n".join(heard), time.perf_counter() - began, repr(case))


def _end(target: Target, case: Conversation, heard: list[str]) -> str:
    try:
        with connect(
            f"ws://127.0.0.1:{target.service.port}{target.fill(case.path)}",
            subprotocols=[Subprotocol(each) for each in case.subprotocols] or None,
            additional_headers={name: target.fill(text) for name, text in case.headers.items()},
            compression=None,
            open_timeout=SECONDS,
            max_size=None,
        ) as connection:
            try:
                for step in case.steps:
                    _say(target, connection, step, heard)
                while (message := _hear(connection, heard))["type"] not in ENDS:
                    pass
                return f"{message['type']} {_word(message['payload'])}"
            except ConnectionClosed as closed:
                heard.append(connection.close_reason or "")
                return "cut" if closed.rcvd is None else f"closed {int(closed.rcvd.code)}"
    except InvalidStatus as refusal:
        heard.append((refusal.response.body or b"").decode())
        return f"{refusal.response.status_code} {_word(json.loads(heard[-1]))}"


def _say(target: Target, connection: ClientConnection, step: Step, heard: list[str]) -> None:
    if isinstance(step, Hear):
        while _hear(connection, heard)["type"] != step.kind:
            pass
    elif isinstance(step, Raw):
        with suppress(OSError):  # the server may have had enough already
            connection.socket.sendall(step.content)
    else:
        connection.send(target.fill(step) if isinstance(step, str) else step)


def _hear(connection: ClientConnection, heard: list[str]) -> dict[str, Any]:
    heard.append(str(connection.recv(SECONDS)))
    message: dict[str, Any] = json.loads(heard[-1])
    return message
