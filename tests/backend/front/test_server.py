"""The whole front under a real uvicorn, over real sockets."""

import contextlib
import gzip
import hashlib
import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from schema.ids import to_global_id
from tests.backend.front.web import THREADS, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("home"))
    yield server
    assert server.stop() in (0, -signal.SIGTERM)
    assert "Exception in ASGI application" not in server.log.read_text()


def test_each_thread_keeps_its_one_database_connection(server: Server) -> None:
    answers = [server.http.get("/whereabouts").json() for _ in range(12)]
    connections: dict[str, set[int]] = {}
    for answer in answers:
        connections.setdefault(answer["thread"], set()).add(answer["connection"])
    assert set(connections) <= {f"web-{number}" for number in range(THREADS)}
    assert all(len(ids) == 1 for ids in connections.values())


def test_no_collection_looks_through_what_the_start_has_loaded(server: Server) -> None:
    assert server.http.get("/whereabouts").json()["frozen"] > 100_000


def test_a_mutation_and_a_query_come_through(server: Server) -> None:
    started = server.graphql(
        "mutation($text: String!) { countWords(input: {text: $text}) { run { id } } }",
        text="ein Täkt 🥁",
    )
    run = server.graphql(
        "query($id: ID!) { run(id: $id) { isFinal inputJson } }",
        id=started["countWords"]["run"]["id"],
    )["run"]
    assert run["isFinal"] is False
    assert run["inputJson"]["text"] == "ein Täkt 🥁"


def _promise_upload(server: Server, content: bytes) -> str:
    data = server.graphql(
        "mutation($size: BigInt!) { createUpload(input: "
        '{name: "data.bin", size: $size, contentType: "application/octet-stream"}) '
        "{ upload { url } } }",
        size=len(content),
    )
    url: str = data["createUpload"]["upload"]["url"]
    return url


def test_an_upload_is_stored_byte_for_byte(server: Server) -> None:
    content = os.urandom(3_000_000)
    url = _promise_upload(server, content)
    assert server.http.put(url, content=content).status_code == 204
    assert server.http.put(url, content=iter([content[:9], content[9:]])).status_code == 204
    stored = [path for path in (server.home / "files").rglob("*") if path.is_file()]
    digest = hashlib.sha256(content).hexdigest()
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in stored].count(digest) == 1
    assert list((server.home / "files" / "incoming").iterdir()) == []


def test_an_upload_cut_short_leaves_nothing(server: Server) -> None:
    url = httpx.URL(_promise_upload(server, b"x" * 1_000))
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000"
        connection.sendall(f"{head}\r\n\r\n".encode() + b"x" * 500)
        time.sleep(0.2)
    deadline = time.monotonic() + 5
    while any((server.home / "files" / "incoming").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_file_is_downloaded_whole_and_in_parts(server: Server) -> None:
    content = os.urandom(3_000_000)
    url = _promise_upload(server, content)
    assert server.http.put(url, content=content).status_code == 204
    link = _download_url(server, url)
    whole = server.http.get(link)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-length"] == "3000000"
    part = server.http.get(
        link, headers={"Range": "bytes=1000000-", "If-Range": whole.headers["etag"]}
    )
    assert (part.status_code, part.content) == (206, content[1_000_000:])
    head = server.http.head(link)
    assert (head.status_code, head.headers["content-length"]) == (200, "3000000")
    assert server.http.get(link.replace("signature=", "signature=1")).status_code == 403


def test_a_file_that_the_storage_has_cut_is_an_error(server: Server) -> None:
    content = os.urandom(1_000)
    url = _promise_upload(server, content)
    server.http.put(url, content=content)
    (stored,) = (
        path
        for path in (server.home / "files").rglob("*")
        if path.is_file() and path.read_bytes() == content
    )
    stored.write_bytes(content[:-1])
    answer = server.http.get(_download_url(server, url))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (500, "INTERNAL")


def _download_url(server: Server, upload_url: str) -> str:
    file_id = httpx.URL(upload_url).path.removeprefix("/uploads/")
    data = server.graphql(
        "query($id: ID!) { node(id: $id) { ... on File { download { url } } } }",
        id=to_global_id("File", file_id),
    )
    url: str = data["node"]["download"]["url"]
    return url


def test_a_client_that_sends_too_much_still_reads_the_refusal(server: Server) -> None:
    response = server.http.post("/graphql", content=b"x" * 9_000_000)
    assert response.status_code == 413
    assert response.headers["connection"] == "close"
    assert server.http.get("/healthz").status_code == 200


def test_head_has_headers_and_no_body(server: Server) -> None:
    response = server.http.head("/graphql", headers={"Accept": "text/html"})
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0


def test_the_admin_and_its_assets_are_served(server: Server) -> None:
    assert server.http.get("/admin/login/").status_code == 200
    style = server.http.get("/static/admin/css/base.css")
    assert (style.status_code, style.headers["content-type"]) == (200, 'text/css; charset="utf-8"')


def test_one_connection_serves_many_requests(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        for method, path in [("GET", "/healthz"), ("POST", "/graphql"), ("PUT", "/nowhere")]:
            connection.request(method, path, body=b"{}")
            connection.getresponse().read()
            assert connection.sock is first


def test_the_servers_headers_are_sent_once_and_do_not_name_it(server: Server) -> None:
    response = server.http.get("/healthz")
    for name in ("date", "content-length"):
        assert len(response.headers.get_list(name)) == 1
    assert "server" not in response.headers


def test_a_foreign_host_is_refused(server: Server) -> None:
    response = server.http.get("/graphql", headers={"Host": "evil.example"})
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert "ALLOWED_HOSTS" in error["message"]
    assert "evil" not in response.text


HOSTILE_PATHS = {
    "nul": "/%00",
    "no utf-8": "/%FF%FE",
    "climbing": "/uploads/%2e%2e%2fsecret",
    "split header": "/graphql%0d%0aX: y",
    "long": "/" + "a" * 5_000,
}


@pytest.mark.parametrize("path", HOSTILE_PATHS.values(), ids=HOSTILE_PATHS)
def test_a_hostile_path_is_no_server_error(server: Server, path: str) -> None:
    for method in ("GET", "PUT", "POST"):
        assert 400 <= server.http.request(method, path).status_code < 500


def send(server: Server, *pieces: bytes) -> bytes:
    """The head of what comes back for these bytes; nothing when the server hangs up."""
    answer = b""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    with connection, contextlib.suppress(ConnectionError):  # hung up; silence is a TimeoutError
        for piece in pieces:
            connection.sendall(piece)
        while b"\r\n\r\n" not in answer and (chunk := connection.recv(65_536)):
            answer += chunk
    return answer


def test_endless_headers_are_cut_off(server: Server) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
    assert send(server, head, *[b"a=b;" * 16_384] * 40) == b""
    assert server.http.get("/healthz").status_code == 200


def test_large_headers_are_refused(server: Server) -> None:
    answer = server.http.get("/healthz", headers={"X-Large": "x" * 20_000})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (
        431,
        "BAD_REQUEST",
    )
    assert server.http.get("/healthz", headers={"X-Large": "x" * 8_000}).status_code == 200


@pytest.mark.parametrize("charset", ["rot13", "hex", "punycode", "utf-16"])
def test_a_charset_that_is_none_is_refused_on_every_address(server: Server, charset: str) -> None:
    for path in ("/?a=1", "/admin/login/?next=/x", "/uploads/x?signature=y", "/graphql?a=1"):
        headers = {"Content-Type": f"text/csv; charset={charset}"}
        assert server.http.get(path, headers=headers).status_code == 415


def post(body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /graphql HTTP/1.1", b"Host: localhost", b"Content-Type: application/json"]
    return b"\r\n".join([*lines, *headers, b"", body])


GRAPHQL = b'{"query": "{ limits { depth } }"}'
CHUNKED, LENGTH = b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(GRAPHQL)
ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GRAPHQL), GRAPHQL)
SECOND = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNCLEAR = {
    "length and chunks": post(ONE_CHUNK, LENGTH, CHUNKED),
    "chunks and length": post(ONE_CHUNK, CHUNKED, LENGTH),
    "a second request within": post(SECOND, b"Content-Length: 4", CHUNKED),
    "two lengths": post(GRAPHQL, LENGTH, b"Content-Length: 5"),
    "a length below zero": post(GRAPHQL, b"Content-Length: -5"),
    "a length with a sign": post(GRAPHQL, b"Content-Length: +5"),
    "an unknown coding": post(ONE_CHUNK, b"Transfer-Encoding: xchunked"),
    "chunks not last": post(ONE_CHUNK, CHUNKED + b", identity"),
    "two codings": post(ONE_CHUNK, CHUNKED, b"Transfer-Encoding: identity"),
    "a space before the colon": post(ONE_CHUNK, b"Transfer-Encoding : chunked"),
    "a chunk without a length": post(b"zz\r\n" + GRAPHQL, CHUNKED),
    "a chunk longer than it says": post(b"3\r\n" + GRAPHQL, CHUNKED),
    "a chunk of 2**68 bytes": post(b"fffffffffffffffff\r\n" + GRAPHQL, CHUNKED),
}


@pytest.mark.parametrize("request_bytes", UNCLEAR.values(), ids=UNCLEAR)
def test_a_body_whose_end_is_unclear_is_refused_and_nothing_behind_it_read(
    server: Server, request_bytes: bytes
) -> None:
    answer = everything(server, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer


def everything(server: Server, content: bytes) -> bytes:
    """All that comes back until the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(content)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_clear_body_is_read_in_either_way(server: Server) -> None:
    for request in (post(GRAPHQL, LENGTH), post(ONE_CHUNK, CHUNKED)):
        assert send(server, request).startswith(b"HTTP/1.1 200 ")


def test_a_packed_body_is_never_unpacked(server: Server) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    url = _promise_upload(server, bomb)
    for method, address in (("POST", "/graphql"), ("PUT", url)):
        packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        answer = server.http.request(method, address, content=bomb, headers=packed)
        assert answer.status_code == 415
    assert server.http.put(url, content=bomb).status_code == 204  # as it is


def test_a_client_that_asks_first_is_told_no_before_it_sends(server: Server) -> None:
    put = b"PUT /uploads/x?signature=y HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999"
    head = b"Content-Length: 9999999\r\nExpect: 100-continue"
    for request, status in (
        (put + b"\r\nExpect: 100-continue\r\n\r\n", b"403"),
        (post(b"", head), b"413"),
    ):
        assert send(server, request).startswith(b"HTTP/1.1 " + status)
    assert send(server, post(GRAPHQL, LENGTH, b"Expect: 100-continue")).startswith(b"HTTP/1.1 100")


def test_a_length_of_5000_digits_is_no_server_error(server: Server) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n{}"
    answer = send(server, head % (b"0" * 5_000 + b"2"))
    assert answer.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in answer
    assert server.http.get("/healthz").status_code == 200
