"""The table: what is sent, over which transports, and what must be answered.

In texts that are sent, a word in angle brackets such as <token> stands for what the service holds
by that name (`target.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

HTTP, SSE, MULTIPART, WEBSOCKET = TRANSPORTS = ("HTTP", "SSE", "multipart", "WebSocket")

Expected = Mapping[str, str]
"""By transport, the answer in short: HTTP's status or the kind of message, then the code."""


def refused(code: str) -> Expected:
    """The request itself is refused."""
    return {HTTP: f"400 {code}", SSE: f"400 {code}", MULTIPART: f"400 {code}",
            WEBSOCKET: f"error {code}"}  # fmt: skip


def invalid(code: str = "GRAPHQL_VALIDATION_FAILED") -> Expected:
    """The document or its variables do not fit the schema."""
    return {**executed(code), WEBSOCKET: f"error {code}"}


def executed(word: str) -> Expected:
    """Executed: with this error, a payload that is refused with this code, or `null`."""
    return {HTTP: f"200 {word}", SSE: f"200 {word}", MULTIPART: f"200 {word}",
            WEBSOCKET: f"next {word}"}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """A GraphQL request that is sent over every transport."""

    query: str
    expected: Expected
    variables: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    token: str = "<token>"  # empty: nobody
    seconds = 0.0


@dataclass(frozen=True)
class Request:
    """Bytes on a connection of their own."""

    content: bytes
    answer: str
    seconds = 0.0

    @property
    def expected(self) -> Expected:
        return {HTTP: self.answer}


@dataclass(frozen=True)
class Hear:
    """Read up to a message of this type."""

    kind: str


@dataclass(frozen=True)
class Raw:
    """Bytes on the socket, past the client's library."""

    content: bytes


Step = str | bytes | Raw | Hear


@dataclass(frozen=True)
class Conversation:
    """What is said on a WebSocket: texts, bytes; then the answer is read, or the end."""

    steps: tuple[Step, ...]
    answer: str
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ("graphql-transport-ws",)
    path: str = "/graphql"
    seconds: float = 0.0
    """How long the answer takes on purpose."""

    @property
    def expected(self) -> Expected:
        return {WEBSOCKET: self.answer}


Case = Operation | Request | Conversation
Cell = tuple[str, str]


def cells(cases: Mapping[str, Case]) -> list[Cell]:
    """Each case over each of its transports."""
    return [(name, transport) for name, case in cases.items() for transport in case.expected]


def markdown(cases: Mapping[str, Case], mark: Callable[[Cell], str]) -> str:
    """The table; `mark` is what stands in a cell."""
    rows = [["request", *TRANSPORTS], ["---"] * (1 + len(TRANSPORTS))]
    for name, case in cases.items():
        marks = (mark((name, each)) if each in case.expected else "" for each in TRANSPORTS)
        rows.append([name, *marks])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
