"""Hostile HTTP: methods, media types, bodies, headers, addresses, origins, requests in requests."""

from collections.abc import Mapping

from tests.hostile.table import Case, Request

QUERY = b'{"query": "{ viewer { id } }"}'
START = b'{"query": "mutation { countWords(input: {text: \\"a\\"}) { run { id } } }"}'
SESSION = {"Authorization": None, "Cookie": "sessionid=<session>; csrftoken=<csrf>"}
MY_PAGE = {**SESSION, "X-CSRFToken": "<csrf>", "Origin": "<url>"}
UNREAD = "400 plain, closed"
TOO_LARGE, TOO_MUCH = "413 BAD_REQUEST, closed", "431 BAD_REQUEST, closed"
BOMB = b'{"query": "{ viewer { id } }", "variables": {"a": %s}}'


def http(
    body: bytes = QUERY,
    headers: Mapping[str, str | None] | None = None,
    method: str = "POST",
    path: str = "/graphql",
) -> bytes:
    """A request by a signed-in user, in bytes; a header that is None is left out."""
    given = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Authorization": "Bearer <token>",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
    head = "\r\n".join((f"{method} {path} HTTP/1.1", *lines))
    return head.encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


BODIES = {
    "an empty body": b"",
    "blanks": b" \r\n\t",
    "a list": b"[]",
    "a batch of 2": b"[" + QUERY + b"," + QUERY + b"]",
    "a batch of 1,000": b"[" + b",".join([QUERY] * 1_000) + b"]",
    "a text": b'"x"',
    "null": b"null",
    "a number": b"1",
    "no query": b"{}",
    "a query that is a number": b'{"query": 1}',
    "a query that is a list": b'{"query": ["{ viewer { id } }"]}',
    "a query that is null": b'{"query": null, "variables": {}}',
    "only a hash of a query": b'{"extensions": {"persistedQuery": {"sha256Hash": "0"}}}',
    "JSON without an end": b'{"query": "{ viewer { id } }"',
    "JSON with a comma too many": b'{"query": "{ viewer { id } }",}',
    "JSON with a comment": b'{"query": "{ viewer { id } }" /* a */}',
    "JSON in single quotes": b"{'query': '{ viewer { id } }'}",
    "two JSON texts": QUERY + QUERY,
    "invalid UTF-8": b'{"query": "\xff\xfe"}',
    "overlong UTF-8": b'{"query": "\xc0\xaf"}',
    "UTF-16": '{"query": "{ viewer { id } }"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + QUERY,
    "NULs": b"\0" * 100,
    "a raw line break in a text": b'{"query": "{ viewer\n{ id } }"}',
    "half a surrogate pair": b'{"query": "{ node(id: \\"\\ud800\\") { id } }"}',
    "half a surrogate pair in a key": BOMB % b'{"\\udfff": 1}',
    "NaN": BOMB % b"NaN",
    "-Infinity": BOMB % b"-Infinity",
    "1e999": BOMB % b"1e999",
    "a number of 5,000 digits": BOMB % (b"9" * 5_000),
    "33 lists within each other": BOMB % (b"[" * 33 + b"]" * 33),
    "100,000 lists within each other": BOMB % (b"[" * 100_000 + b"]" * 100_000),
    "100,000 objects without an end": BOMB % (b'{"a":' * 40_000),
    "variables that are a list": b'{"query": "{ viewer { id } }", "variables": []}',
    "variables that are a text": b'{"query": "{ viewer { id } }", "variables": "{}"}',
    "extensions that are a list": b'{"query": "{ viewer { id } }", "extensions": []}',
    "an operationName that is a number": b'{"query": "{ viewer { id } }", "operationName": 1}',
    "a query twice, the second one wrong": b'{"query": "{ viewer { id } }", "query": 1}',
}
CHARSETS = {
    "UTF-16": "application/json; charset=utf-16",
    "UTF-7": "application/json; charset=utf-7",
    "a codec of Python": "application/json; charset=zlib_codec",
    "a codec in quotes": 'application/json; a=b; charset = "hex"',
}
MEDIA_TYPES = {
    "no media type": None,
    "a form": "application/x-www-form-urlencoded",
    "a form with files": "multipart/form-data; boundary=x",
    "plain text": "text/plain",
    "plain text that says it is JSON": "text/plain; application/json",
    "GraphQL": "application/graphql",
    "JSON that is not quite": "application/jsonx",
    "a media type of 8,000 characters": "application/" + "j" * 8_000,
}
HEADERS: dict[str, tuple[Mapping[str, str | None], str]] = {
    "Accept: nothing that we have": ({"Accept": "image/png"}, "406 BAD_REQUEST"),
    "Accept: everything, but not at all": ({"Accept": "*/*;q=0"}, "406 BAD_REQUEST"),
    "Accept: 7,000 kinds": ({"Accept": "a/b," * 1_700 + "*/*;q=nan"}, "406 BAD_REQUEST"),
    "Basic credentials": ({"Authorization": "Basic YTpi"}, "401 UNAUTHENTICATED"),
    "Bearer without a token": ({"Authorization": "Bearer "}, "401 UNAUTHENTICATED"),
    "an empty credential": ({"Authorization": ""}, "401 UNAUTHENTICATED"),
    "another scheme": ({"Authorization": "Negotiate a"}, "401 UNAUTHENTICATED"),
    "a token beyond ASCII": ({"Authorization": "Bearer ü\x80"}, "401 UNAUTHENTICATED"),
    "another user by a token that may not": ({"Act-As": "eve"}, "401 UNAUTHENTICATED"),
    "another user without a token": (
        {"Act-As": "eve", "Authorization": None}, "401 UNAUTHENTICATED",
    ),
    "another user by a session": ({**MY_PAGE, "Act-As": "eve"}, "401 UNAUTHENTICATED"),
    "another user by a watch token": (
        {"Authorization": "Bearer <watch>", "Act-As": "eve"}, "401 UNAUTHENTICATED",
    ),
    "another user without a name": (
        {"Authorization": "Bearer <actor>", "Act-As": ""}, "401 UNAUTHENTICATED",
    ),
    "another user of 256 characters": (
        {"Authorization": "Bearer <actor>", "Act-As": "a" * 256}, "401 UNAUTHENTICATED",
    ),
    "another user with a tab": (
        {"Authorization": "Bearer <actor>", "Act-As": "a\tb"}, "401 UNAUTHENTICATED",
    ),
    "a foreign host": ({"Host": "evil.example"}, "400 BAD_REQUEST"),
    "our host as a user": ({"Host": "127.0.0.1@evil.example"}, "400 BAD_REQUEST"),
    "a host with a path": ({"Host": "127.0.0.1/evil"}, "400 BAD_REQUEST"),
    "an empty host": ({"Host": ""}, "400 BAD_REQUEST"),
    "a host beyond ASCII": ({"Host": "127.0.0.1.é"}, "400 BAD_REQUEST"),
    "headers of 20,000 bytes": ({"X-A": "a" * 20_000}, TOO_MUCH),
    "2,000 headers": ({f"X-{n}": "abcdefgh" for n in range(2_000)}, TOO_MUCH),
    "headers of 200,000 bytes": ({"X-A": "a" * 200_000}, "cut"),
    "a name of a header of 20,000 bytes": ({"X" * 20_000: "a"}, TOO_MUCH),
    "a body that says it is gzip": ({"Content-Encoding": "gzip"}, "415 BAD_REQUEST, closed"),
    "a session without its proof": ({**SESSION}, "403 FORBIDDEN"),
    "a session with a false proof": ({**SESSION, "X-CSRFToken": "b" * 32}, "403 FORBIDDEN"),
    "a session's proof in another header": ({**SESSION, "X_CSRFToken": "<csrf>"}, "403 FORBIDDEN"),
    "a session from a foreign page": (
        {**MY_PAGE, "Origin": "https://evil.example"}, "403 FORBIDDEN",
    ),
    "a session from a sandboxed page": ({**MY_PAGE, "Origin": "null"}, "403 FORBIDDEN"),
    "a session from our host on another port": (
        {**MY_PAGE, "Origin": "http://127.0.0.1:1"}, "403 FORBIDDEN",
    ),
    "a session that is none": ({**SESSION, "Cookie": "sessionid=../../a"}, "200 null"),
    "cookies of 8,000 bytes": (
        {"Authorization": None, "Cookie": "a=b; " * 1_600}, "200 null",
    ),
    "another method by a header": ({"X-HTTP-Method-Override": "GET"}, "200 data"),
}  # fmt: skip
PATHS = {
    "an address with a slash too many": ("/graphql/", "404 plain"),
    "an address with two slashes": ("//graphql", "404 plain"),
    "an address with dots": ("/x/../graphql", "404 plain"),
    "an address with dots in percent": ("/%2e%2e/graphql", "404 plain"),
    "an address with a NUL": ("/graphql%00", "404 plain"),
    "an address beyond UTF-8": ("/graphql%ff", "404 plain"),
    "an address in capital letters": ("/GraphQL", "404 plain"),
    "an address of 30,000 characters": ("/" + "a" * 30_000, "404 plain"),
}
FILES = {
    "a static file above the others": "/static/../../backend/settings.py",
    "a static file in percent": "/static/%2e%2e/%2e%2e/db.sqlite3",
    "a static file by a full path": "/static//etc/passwd",
    "the settings": "/.env",
}
METHODS = {
    "GET": ("GET", "405 BAD_REQUEST"),
    "HEAD": ("HEAD", "405 plain"),
    "PUT": ("PUT", "405 BAD_REQUEST"),
    "PATCH": ("PATCH", "405 BAD_REQUEST"),
    "DELETE": ("DELETE", "405 BAD_REQUEST"),
    "OPTIONS": ("OPTIONS", "405 BAD_REQUEST"),
    "TRACE": ("TRACE", "405 BAD_REQUEST"),
    "CONNECT": ("CONNECT", "405 BAD_REQUEST, closed"),
    "a method of its own": ("EXECUTE", UNREAD),
    "a method in small letters": ("post", UNREAD),
}
IN_URL = "?query=mutation%7BcountWords(input:%7Btext:%22a%22%7D)%7Breplayed%7D%7D"
CHUNKED = {"Content-Length": None, "Transfer-Encoding": "chunked"}
INNER = http(START, {"Host": "127.0.0.1"})

CASES: dict[str, Case] = {
    **{f"body: {name}": Request(http(body), "400 BAD_REQUEST") for name, body in BODIES.items()},
    "body: one byte too many": Request(
        http(b'{"query": "' + b" " * 4_194_293 + b'"}'), TOO_LARGE
    ),
    "body: said to be 10 GB": Request(
        http(b"", {"Content-Length": "10000000000"}), TOO_LARGE
    ),
    "body: pieces without end": Request(
        http(b"", CHUNKED) + chunked(*[b" " * 64_000] * 70, end=b""), TOO_LARGE
    ),
    **{
        f"media type: {name}": Request(
            http(headers={"Content-Type": kind}), "415 BAD_REQUEST"
        )
        for name, kind in MEDIA_TYPES.items()
    },
    **{
        f"charset: {name}": Request(
            http(headers={"Content-Type": kind}), "415 BAD_REQUEST, closed"
        )
        for name, kind in CHARSETS.items()
    },
    "media type: the form of another page": Request(
        http(
            b"query=mutation%7BcountWords(input:%7Btext:%22a%22%7D)%7Breplayed%7D%7D",
            {**SESSION, "Content-Type": "application/x-www-form-urlencoded",
             "Origin": "https://evil.example"},
        ), "415 BAD_REQUEST",
    ),
    "media type: the text of another page": Request(
        http(START, {**SESSION, "Content-Type": "text/plain", "Origin": "null"}),
        "415 BAD_REQUEST",
    ),
    **{
        f"headers: {name}": Request(http(headers=headers), answer)
        for name, (headers, answer) in HEADERS.items()
    },
    **{
        f"path: {name}": Request(http(path=path), answer) for name, (path, answer) in PATHS.items()
    },
    **{
        f"path: {name}": Request(http(b"", {"Authorization": None}, "GET", path), "404 plain")
        for name, path in FILES.items()
    },
    **{
        f"method: {name}": Request(http(b"", method=method), answer)
        for name, (method, answer) in METHODS.items()
    },
    "method: a mutation by GET": Request(
        http(b"", {**SESSION}, "GET", f"/graphql{IN_URL}"), "405 BAD_REQUEST"
    ),
    "method: a mutation in the URL of a POST": Request(
        http(b"{}", path=f"/graphql{IN_URL}"), "400 BAD_REQUEST"
    ),
    "method: a mutation in the URL of a form": Request(
        http(b"", {**SESSION, "Content-Type": "application/x-www-form-urlencoded"},
             path=f"/graphql{IN_URL}"), "415 BAD_REQUEST",
    ),
    "token in the URL": Request(
        http(headers={"Authorization": None},
             path="/graphql?access_token=<token>&token=<token>"), "200 null",
    ),
    "preflight of a foreign page": Request(
        http(b"", {"Origin": "https://evil.example", "Authorization": None,
                   "Access-Control-Request-Method": "POST",
                   "Access-Control-Request-Headers": "authorization"}, "OPTIONS"),
        "200 plain",
    ),
    "smuggling: a length and pieces": Request(
        http(chunked(b"", end=b"") + INNER, {"Transfer-Encoding": "chunked"}), UNREAD
    ),
    "smuggling: two lengths": Request(
        http(INNER).replace(b"Content-Length", b"Content-Length: 0\r\nContent-Length"), UNREAD
    ),
    "smuggling: a length that is none": Request(
        http(INNER, {"Content-Length": "0x10"}), UNREAD
    ),
    "smuggling: a length with a sign": Request(http(INNER, {"Content-Length": "+0"}), UNREAD),
    "smuggling: a length of 5,000 digits": Request(
        http(INNER, {"Content-Length": "0" * 5_000 + "9" * 30}), UNREAD
    ),
    "smuggling: pieces, not quite": Request(
        http(INNER, {"Content-Length": None, "Transfer-Encoding": "xchunked"}), UNREAD
    ),
    "smuggling: pieces twice": Request(
        http(chunked(INNER), {"Content-Length": None, "Transfer-Encoding": "chunked, identity"}),
        UNREAD,
    ),
    "smuggling: a piece of -1 byte": Request(http(b"-1\r\n" + INNER, CHUNKED), UNREAD),
    "smuggling: a piece without bounds": Request(
        http(b"fffffffffffffffff\r\n" + INNER, CHUNKED), UNREAD
    ),
    "smuggling: a header on two lines": Request(
        http(headers={"X-A": "a\r\n Transfer-Encoding: chunked"}), UNREAD
    ),
    "smuggling: a blank before the colon": Request(
        http(INNER, {"Content-Length ": "0"}), UNREAD
    ),
    "smuggling: a bare line feed": Request(
        http(headers={"X-A": "a\nX-B: b"}), UNREAD
    ),
    "smuggling: a bare carriage return": Request(
        http(headers={"X-A": "a\rX-B: b"}), UNREAD
    ),
    "smuggling: a NUL in a header": Request(http(headers={"X-A": "a\0b"}), UNREAD),
    "smuggling: a header without a name": Request(http(headers={"": "a"}), UNREAD),
    "smuggling: two hosts": Request(
        http(headers={"Host": "127.0.0.1\r\nHost: evil.example"}), "400 BAD_REQUEST"
    ),
    "smuggling: HTTP/0.9": Request(b"GET /graphql\r\n\r\n", "405 BAD_REQUEST, closed"),
    "smuggling: HTTP/9.9": Request(http().replace(b"HTTP/1.1", b"HTTP/9.9"), UNREAD),
    "smuggling: HTTP/2 at once": Request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UNREAD),
    "smuggling: in the body of an upgrade": Request(
        http(INNER, {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}),
        "400 BAD_REQUEST, closed",
    ),
    "smuggling: in the body of a WebSocket": Request(
        http(INNER, {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                     "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}), "cut",
    ),
    "smuggling: TLS to a plain port": Request(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", UNREAD),
    "smuggling: noise": Request(bytes(range(256)) * 4, UNREAD),
}  # fmt: skip
