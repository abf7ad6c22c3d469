"""Where the service is looked for, and when it counts as ready."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from backend.embedded import ready
from backend.embedded.home import spare_port


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that always answers so; its port and the hosts that requests named."""
    hosts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, hosts
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104 - nothing listens here
        ("::", "http://[::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_a_client_on_this_machine_reaches_what_listens_everywhere(host: str, url: str) -> None:
    assert ready.base_url(host, 80) == url


def test_200_is_ready_and_the_request_names_an_allowed_host() -> None:
    with answering(200) as (port, hosts):
        assert ready.is_ready("0.0.0.0", port, "downbeat.example")  # noqa: S104 - as above
    assert hosts == ["downbeat.example"]


def test_503_is_not_ready() -> None:
    with answering(503) as (port, _):
        assert not ready.is_ready("127.0.0.1", port, "localhost")


def test_nobody_there_is_not_ready() -> None:
    assert not ready.is_ready("127.0.0.1", spare_port(), "localhost")


def test_waiting_ends_when_there_is_no_more_reason() -> None:
    assert not ready.wait(check=lambda: False, give_up=iter([False, True]).__next__)
    assert ready.wait(check=lambda: True, give_up=lambda: False)
