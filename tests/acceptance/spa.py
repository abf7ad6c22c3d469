"""A person who signs in to a running service from an SPA's page, by a session's cookie."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.stacks.service import Service

BASE = "/_allauth/browser/v1"
PASSWORD = "correct horse battery"
MAKE = """
from accounts.models import User
User.objects.create_user("{name}", "{name}@example.org", "{password}")
"""


def make_user(service: Service, name: str, password: str = PASSWORD) -> None:
    """As an operator makes one in the admin."""
    service.manage("shell", "--verbosity", "0", "-c", MAKE.format(name=name, password=password))


class Spa:
    """One browser; at another port than the service's, if one is given."""

    def __init__(self, service: Service, port: int | None = None) -> None:
        self.port = port or service.port
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    @property
    def cookies(self) -> dict[str, str]:
        """The header with all cookies, also those that are for TLS alone.

        Browsers send them to this machine without TLS too.
        """
        jar = self.http.cookies.jar
        return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)}

    def send(self, method: str, path: str, **body: str) -> httpx.Response:
        token = self.http.get("/csrf", headers=self.cookies).json()["csrfToken"]
        headers = {"X-CSRFToken": token, **self.cookies}
        return self.http.request(method, f"{BASE}/{path}", json=body, headers=headers)

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.send("POST", "auth/login", username=name, password=password)

    @contextmanager
    def socket(self) -> Iterator[ClientConnection]:
        """A greeted WebSocket of the session."""
        with connect(
            f"ws://127.0.0.1:{self.port}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            origin=Origin(f"http://127.0.0.1:{self.port}"),
            additional_headers=self.cookies,
        ) as socket:
            socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(socket.recv(10))["type"] == "connection_ack"
            yield socket


def watch(socket: ClientConnection) -> None:
    """Subscribe to all one's runs."""
    subscription = {"query": "subscription { runChanged { id } }"}
    socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": subscription}))


def ask(socket: ClientConnection, query: str) -> Any:
    socket.send(json.dumps({"id": "2", "type": "subscribe", "payload": {"query": query}}))
    return json.loads(socket.recv(10))["payload"]
