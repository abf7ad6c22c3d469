"""Every answer keeps a browser from more than it was asked to do, whoever made it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from backend.front.answer import Answer
from backend.front.guards import GUARDS, guarded, https_only
from tests.backend.front.web import Server

BROWSER = {"Accept": "text/html"}
STREAM = {"Accept": "text/event-stream"}
QUERY = {"query": "{ viewer { id } }"}
WATCH = {"query": "subscription { runChanged { id } }"}
CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HSTS = "max-age=31536000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("home"), PUBLIC_URL="https://downbeat.example")
    yield server
    server.stop()


def check(answer: httpx.Response) -> str:
    """The answer's policy, once its other headers are found to be as they must."""
    for name, value in GUARDS:
        found = answer.headers.get_list(name.decode())
        is_policy = name == b"content-security-policy"
        assert len(found) == 1, (answer.url, name)
        assert is_policy or found == [value.decode()], (answer.url, name)
    is_handshake = "upgrade" in answer.request.headers  # by which no browser learns of HTTPS
    assert is_handshake or answer.headers.get_list("strict-transport-security") == [HSTS]
    assert "server" not in answer.headers
    policy: str = answer.headers["content-security-policy"]
    parts = (each.partition(" ") for each in policy.split("; "))
    directives = {directive: sources for directive, _, sources in parts}
    is_harmless = policy == "sandbox"
    assert is_harmless or directives["default-src"] == "'none'"
    assert is_harmless or directives["frame-ancestors"] == "'none'"
    for directive, sources in directives.items():
        assert not {"'unsafe-eval'", "*", "http:", "https:"} & set(sources.split()), policy
        assert directive == "style-src" or "'unsafe-inline'" not in sources, policy
    return policy


def addresses() -> list[str]:
    """One for each route, a new one too."""
    from backend.urls import urlpatterns

    routes: list[Any] = [*urlpatterns]
    return ["/" + re.sub(r"<[^>]+>", "x", str(each.pattern)) for each in routes]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
def test_every_address(server: Server, method: str) -> None:
    known = ("/healthz", "/nowhere", "/admin/login/", "/admin/tasks/run/")
    for address in (*addresses(), *known):
        for headers in (BROWSER, {"Accept": "application/json"}):
            check(server.http.request(method, address, headers=headers))


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a foreign host": ("GET", "/graphql", {"headers": {"Host": "evil.example"}}),
    "large headers": ("GET", "/healthz", {"headers": {"X": "x" * 20_000}}),
    "an odd charset": ("GET", "/", {"headers": {"Content-Type": "a/b; charset=hex"}}),
    "a large body": ("POST", "/graphql", {"content": b"x" * 300_000}),
    "no JSON": ("POST", "/graphql", {"content": b"{"}),
    "a false token": ("POST", "/graphql", {"json": QUERY, "headers": {"Authorization": "x"}}),
    "a preflight": ("OPTIONS", "/graphql", {"headers": PREFLIGHT}),
    "a WebSocket elsewhere": ("GET", "/nowhere", {"headers": UPGRADE}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(server: Server, name: str) -> None:
    method, address, given = REFUSED[name]
    assert check(server.http.request(method, address, **given)) == CLOSED


def test_answers_and_streams_run_nothing(server: Server) -> None:
    signed_in = {"Authorization": f"Bearer {server.token}"}
    answer = server.http.post("/graphql", json=QUERY, headers=signed_in)
    assert (answer.status_code, check(answer)) == (200, CLOSED)
    headers = {**signed_in, **STREAM}
    with server.http.stream("POST", "/graphql", json=WATCH, headers=headers) as stream:
        assert (stream.status_code, check(stream)) == (200, CLOSED)


def test_pages_run_only_what_is_ours(server: Server) -> None:
    for address in ("/admin/login/", "/static/admin/css/base.css", "/static/admin/js/core.js"):
        answer = server.http.get(address)
        assert answer.status_code == 200
        directives = set(check(answer).split("; "))
        assert {"script-src 'self'", "style-src 'self'", "form-action 'self'"} <= directives


def test_an_answer_keeps_what_it_brings() -> None:
    own = (b"content-security-policy", b"sandbox")
    answer = guarded(Answer(200, [own], b""), (*GUARDS, *https_only(5)))
    headers = dict(answer.headers)
    assert len(answer.headers) == len(GUARDS) + 1
    assert headers[own[0]] == own[1]
    assert headers[b"strict-transport-security"] == b"max-age=5"
    assert https_only(0) == ()
