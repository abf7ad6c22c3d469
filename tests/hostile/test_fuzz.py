"""Thousands of requests made at random: no 5xx, no masked error, nothing of trouble in the log.

The same ones each time. `make fuzz` sends more.
"""

import itertools
import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.acceptance.client import Client
from tests.hostile import fuzzing
from tests.hostile.conftest import FUZZED
from tests.hostile.target import Target

pytestmark = pytest.mark.xdist_group("hostile")

FEW = 1_000
AT_ONCE = 500  # examples that come of one seed
SHARES = {"operations": 0.4, "bodies": 0.25, "requests": 0.25, "conversations": 0.1}
MOST_SECONDS = 900  # of one test; then it has sent what it has sent
PATIENCE = 0.05  # seconds for an answer to bytes that may be half a request
ACCEPTS = ("application/json", "application/graphql-response+json")
STREAMS = ("text/event-stream", "multipart/mixed")

Send = Callable[[Any], str]
"""Sends what was made; the answer in short."""


class Sender:
    """A user of its own, whose things may go."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._port = target.service.port
        self._token = Client(target.service, "fuzz").token
        self._accepts = itertools.cycle((*ACCEPTS, *STREAMS))

    def operations(self, body: dict[str, Any]) -> str:
        return self.bodies(body)

    def bodies(self, body: dict[str, Any]) -> str:
        """By HTTP, as JSON or as a stream that ends by itself."""
        accept = next(self._accepts)
        if "subscription" in str(body.get("query")):
            accept = ACCEPTS[0]
        headers = {
            "Accept": accept,
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
        }
        text = json.dumps(self._target.fill_in(body), ensure_ascii=False)
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            connection.request("POST", "/graphql", text.encode("utf-8", "replace"), headers)
            answer = connection.getresponse()
            return f"{answer.status} {_code(answer.read().decode())}"

    def requests(self, content: bytes) -> str:
        """By HTTP, byte for byte."""
        filled = self._target.fill(content.decode("latin-1")).encode("latin-1")
        with socket.create_connection(("127.0.0.1", self._port), PATIENCE) as connection:
            try:
                connection.sendall(filled)
                answer = connection.recv(1_000_000)
            except (TimeoutError, ConnectionError):
                return "nothing"
        head, _, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
        return f"{head.split(' ')[1]} {_code(body)}" if head else "cut"

    def conversations(self, messages: list[str | bytes]) -> str:
        """On a greeted WebSocket, up to the pong after the last message."""
        heard = []
        with connect(
            f"ws://127.0.0.1:{self._port}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            additional_headers={"Authorization": f"Bearer {self._token}"},
            max_size=None,
        ) as connection:
            try:
                connection.send('{"type": "connection_init"}')
                heard.append(str(connection.recv(30)))
                for each in messages:
                    connection.send(self._target.fill(each) if isinstance(each, str) else each)
                connection.send('{"type": "ping", "payload": "last"}')
                while '"last"' not in heard[-1]:
                    heard.append(str(connection.recv(30)))
            except ConnectionClosed as closed:
                return f"closed {closed.rcvd.code if closed.rcvd else None} {_code(str(heard))}"
        return f"open {_code(str(heard))}"


def _code(text: str) -> str:
    """The first code in an answer."""
    return text.partition('"code":')[2].lstrip(' "').partition('"')[0] or "without a code"


@pytest.mark.parametrize("name", SHARES)
def test_nothing_that_is_made_at_random_breaks_the_service(
    target: Target,
    name: str,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    count = int((request.config.getoption("fuzz", None) or FEW) * SHARES[name])
    seen = Counter[str]()
    began = time.monotonic()
    send: Send = getattr(Sender(target), name)
    for number in itertools.count():
        examples = min(AT_ONCE, count - seen.total())
        if examples <= 0 or time.monotonic() > began + MOST_SECONDS:
            break
        _run(getattr(fuzzing, name)(), send, seen, number, examples)
        assert target.errors() == []
    target.check_alive()
    record_property(FUZZED, (name, dict(seen.most_common())))


def _run(
    strategy: st.SearchStrategy[Any], send: Send, seen: Counter[str], number: int, examples: int
) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def go(made: Any) -> None:
        answer = send(made)
        seen[answer] += 1
        assert not answer.startswith(("5", "closed 1011")), answer
        assert "INTERNAL" not in answer

    go()
