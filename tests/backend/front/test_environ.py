"""Django sees the request as it was sent, and no header can pass for another."""

import pytest

from backend.front.environ import make_environ
from tests.backend.front.exchange import Exchange


def test_the_request_line_and_the_peer_are_passed_on() -> None:
    exchange = Exchange("PUT", "/a b/ü", query=b"q=%FF&x=1", headers={"X-Custom": "one"})
    environ = make_environ(exchange.scope, b"12345")
    assert environ["REQUEST_METHOD"] == "PUT"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/a b/ü"
    assert environ["QUERY_STRING"] == "q=%FF&x=1"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == "localhost"
    assert environ["HTTP_X_CUSTOM"] == "one"
    assert environ["wsgi.input"].read() == b"12345"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "8000")


def test_a_mount_point_becomes_the_script_name() -> None:
    scope = Exchange(path="/mounted/graphql").scope | {"root_path": "/mounted"}
    environ = make_environ(scope, b"")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/mounted", "/graphql")


def test_a_unix_socket_has_neither_server_nor_client_address() -> None:
    environ = make_environ(Exchange().scope | {"server": None, "client": None}, b"")
    assert environ["REMOTE_ADDR"] == ""


@pytest.mark.parametrize("name", ["X_Forwarded_Proto", "authorization_", "_"])
def test_a_header_with_an_underscore_is_dropped(name: str) -> None:
    environ = make_environ(Exchange(headers={name: "spoofed"}).scope, b"")
    assert "spoofed" not in environ.values()


def test_no_header_can_replace_what_the_server_knows() -> None:
    headers = {"Content-Length": "999", "Remote-Addr": "spoofed", "Path-Info": "spoofed"}
    environ = make_environ(Exchange(headers=headers).scope, b"123")
    assert environ["CONTENT_LENGTH"] == "3"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["PATH_INFO"] == "/graphql"


def test_repeated_headers_are_joined_as_their_kind_wants() -> None:
    scope = Exchange().scope
    scope["headers"] += [(b"accept", b"a"), (b"accept", b"b"), (b"cookie", b"a=1")]
    scope["headers"] += [(b"cookie", b"b=2")]
    environ = make_environ(scope, b"")
    assert environ["HTTP_ACCEPT"] == "a,b"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_header_bytes_beyond_ascii_survive() -> None:
    scope = Exchange().scope
    scope["headers"].append((b"x-bytes", b"\xff\xfe"))
    assert make_environ(scope, b"")["HTTP_X_BYTES"] == "\xff\xfe"
