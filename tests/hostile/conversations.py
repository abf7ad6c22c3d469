"""Hostile talk on a WebSocket: before the greeting, after it, and below the subprotocol."""

import json

from tests.hostile.table import Case, Conversation, Hear, Raw, Step

INIT = '{"type": "connection_init", "payload": {"Authorization": "Bearer <token>"}}'
GREETED = (INIT, Hear("connection_ack"))
WATCH = "subscription { runChanged { id } }"


def _subscribe(operation: object = "1", query: object = "{ viewer { id } }") -> str:
    message = {"type": "subscribe", "id": operation, "payload": {"query": query}}
    return json.dumps(message)


def _payload(payload: object) -> str:
    return json.dumps({"type": "subscribe", "id": "1", "payload": payload})


def _frame(first: int, content: bytes, masked: int = 0x80) -> Raw:
    """A frame that begins with this byte (RFC 6455, section 5.2); its mask changes nothing."""
    size = len(content)
    length = bytes([masked | size]) if size < 126 else bytes([masked | 126, size >> 8, size & 255])
    return Raw(bytes([first]) + length + (b"\0" * 4 if masked else b"") + content)


TEXT, CONTINUED, CLOSE, PING = 0x81, 0x80, 0x88, 0x89
PIECE, MORE = 0x01, 0x00  # of a text, not the last one

UNGREETED: dict[str, tuple[Step, str]] = {
    "no JSON": ("hello", "closed 4400"),
    "an empty message": ("", "closed 4400"),
    "a list": ("[]", "closed 4400"),
    "a number": ("1", "closed 4400"),
    "NaN": ('{"type": "ping", "payload": {"a": NaN}}', "closed 4400"),
    "an object without a type": ("{}", "closed 4400"),
    "an unknown type": ('{"type": "start"}', "closed 4400"),
    "a type that is a list": ('{"type": ["ping"]}', "closed 4400"),
    "a type of the server's": ('{"type": "connection_ack"}', "closed 4400"),
    "50,000 lists within each other": ("[" * 50_000, "closed 4400"),
    "a number of 5,000 digits": ('{"type": "ping", "payload": ' + "9" * 5_000 + "}", "closed 4400"),
    "half a surrogate pair": ('{"type": "ping", "payload": {"a": "\\ud800"}}', "closed 4400"),
    "bytes": (b'{"type": "ping"}', "closed 4400"),
    "65 KB": ('{"type": "ping", "payload": {"a": "' + "a" * 66_000 + '"}}', "closed 1009"),
    "a subscription before the greeting": (_subscribe(), "closed 4401"),
    "a payload that is a list": ('{"type": "connection_init", "payload": []}', "closed 4400"),
    "a credential that is a number": (
        '{"type": "connection_init", "payload": {"authorization": 1}}', "closed 4400",
    ),
    "a credential of another scheme": (
        '{"type": "connection_init", "payload": {"authorization": "Basic YTpi"}}', "closed 4403",
    ),
    "invalid UTF-8": (_frame(TEXT, b"\xff\xfe"), "closed 1007"),
    "a frame without a mask": (_frame(TEXT, b"{}", masked=0), "closed 1002"),
    "a frame of a reserved kind": (_frame(0x83, b""), "closed 1002"),
    "a frame that says it is packed": (_frame(0xC1, b"a"), "closed 1002"),
    "the end of nothing": (_frame(CONTINUED, b"a"), "closed 1002"),
    "a ping in pieces": (_frame(0x09, b"a"), "closed 1002"),
    "a ping of 126 bytes": (_frame(PING, b"a" * 126), "closed 1002"),
    "a frame of 2^63 bytes": (Raw(b"\x81\xff\x80" + b"\0" * 11), "closed 1009"),
    "a frame of 2^40 bytes": (Raw(b"\x81\xff\0\0\x01" + b"\0" * 9), "closed 1009"),
    "a close with a number that is none": (_frame(CLOSE, b"\x03\xec"), "closed 1002"),
    "a close with half a number": (_frame(CLOSE, b"\x03"), "closed 1002"),
    "HTTP in the middle": (Raw(b"GET / HTTP/1.1\r\n\r\n"), "closed 1002"),
}  # fmt: skip
GREETED_CASES: dict[str, tuple[tuple[Step, ...], str]] = {
    "a second greeting": ((INIT,), "closed 4429"),
    "a subscription without an id": (('{"type": "subscribe"}',), "closed 4400"),
    "an id that is a number": ((_subscribe(1),), "closed 4400"),
    "an empty id": ((_subscribe(""),), "closed 4400"),
    "an id of 10,000 characters": ((_subscribe("a" * 10_000),), "closed 4400"),
    "the same id twice": ((_subscribe("1", WATCH),) * 2, "closed 4409"),
    "no payload": (('{"type": "subscribe", "id": "1"}',), "closed 4400"),
    "a payload that is a text": ((_payload("{ viewer { id } }"),), "closed 4400"),
    "a batch": ((_payload([{"query": "{ viewer { id } }"}] * 2),), "closed 4400"),
    "a query that is a number": ((_payload({"query": 1}),), "closed 4400"),
    "variables that are a list": (
        (_payload({"query": "{ viewer { id } }", "variables": []}),), "closed 4400",
    ),
    "21 operations": (tuple(_subscribe(str(n), WATCH) for n in range(21)), "error RATE_LIMITED"),
    "a complete without an id": (('{"type": "complete"}',), "closed 4400"),
    "1,000 completes of nothing": (
        (*['{"type": "complete", "id": "a"}'] * 1_000, _subscribe()), "next data",
    ),
    "1,000 pings": ((*['{"type": "ping"}'] * 1_000, _subscribe()), "next data"),
    "1,000 empty pieces": (
        (_frame(PIECE, b""), *[_frame(MORE, b"")] * 1_000,
         _frame(CONTINUED, b'{"type": "a"}')), "closed 4400",
    ),
    "1,000 pieces of a message": (
        (_frame(PIECE, b"{"), *[_frame(MORE, b" ")] * 1_000,
         _frame(CONTINUED, b"}")), "closed 4400",
    ),
    "a message within another": (
        (_frame(PIECE, b"{"), _frame(TEXT, b"}")), "closed 1002",
    ),
    "pieces of 65 KB together": (
        (_frame(PIECE, b"{"), *[_frame(MORE, b" " * 9_000)] * 8),
        "closed 1009",
    ),
}  # fmt: skip

CASES: dict[str, Case] = {
    **{
        f"message: {name}": Conversation((step,), answer)
        for name, (step, answer) in UNGREETED.items()
    },
    **{
        f"greeted: {name}": Conversation((*GREETED, *steps), answer)
        for name, (steps, answer) in GREETED_CASES.items()
    },
    "greeting: none in 10 seconds": Conversation((), "closed 4408", seconds=10),
    "handshake: a foreign page": Conversation(
        (), "403 FORBIDDEN", {"Origin": "https://evil.example", "Cookie": "sessionid=<session>"}
    ),
    "handshake: a sandboxed page": Conversation((), "403 FORBIDDEN", {"Origin": "null"}),
    "handshake: our host on another port": Conversation(
        (), "403 FORBIDDEN", {"Origin": "http://127.0.0.1:1"}
    ),
    "handshake: another address": Conversation((), "404 NOT_FOUND", path="/admin/"),
    "handshake: an upload's address": Conversation((), "404 NOT_FOUND", path="/uploads/a"),
    "handshake: headers of 20,000 bytes": Conversation(
        (), "431 BAD_REQUEST", {"X-A": "a" * 8_000, "X-B": "b" * 8_000, "X-C": "c" * 8_000}
    ),
    "handshake: two hosts": Conversation((), "400 BAD_REQUEST", {"Host": "evil.example"}),
    "handshake: no subprotocol": Conversation((), "closed 4406", subprotocols=()),
    "handshake: an old subprotocol": Conversation((), "closed 4406", subprotocols=("graphql-ws",)),
    "handshake: a false token": Conversation(
        ('{"type": "connection_init"}',), "closed 4403", {"Authorization": "Bearer dbt_x"}
    ),
    "handshake: a token in the URL": Conversation(
        ('{"type": "connection_init"}', Hear("connection_ack"), _subscribe()),
        "next null",
        path="/graphql?token=<token>&authorization=Bearer%20<token>",
    ),
}
