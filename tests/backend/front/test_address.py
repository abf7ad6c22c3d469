"""Who the client is: whoever connected, or whom our own proxies name; never what anybody writes."""

from typing import Any

import pytest

from backend.front.address import as_sent, client_address
from tests.backend.front.conftest import MakeFront
from tests.backend.front.exchange import Exchange
from tests.backend.front.still import Still

PEER = "127.0.0.1"
CLIENT = "203.0.113.7"


def seen(proxies: int, *headers: tuple[str, str], scheme: str = "http") -> tuple[str, str]:
    """The address and the scheme that the service believes."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "headers": raw, "client": (PEER, 50_000), "scheme": scheme}
    told = as_sent(scope, proxies)
    assert scope["client"] == (PEER, 50_000)
    return client_address(told), told["scheme"]


@pytest.mark.parametrize(
    ("proxies", "header", "address"),
    [
        (0, CLIENT, PEER),
        (1, CLIENT, CLIENT),
        (1, f"6.6.6.6, {CLIENT}", CLIENT),
        (1, f"6.6.6.6,{CLIENT}:49152", CLIENT),
        (2, f"6.6.6.6, {CLIENT}, 10.0.0.1", CLIENT),
        (2, CLIENT, PEER),  # it came past a proxy
        (1, "", PEER),
        (1, "unknown", PEER),
        (1, f"{CLIENT}, ", PEER),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "[2001:DB8::1]:443", "2001:db8::1"),
        (1, "::ffff:203.0.113.7", CLIENT),
        (1, "\xff", PEER),
    ],
)
def test_the_entry_that_our_first_proxy_made_is_the_client(
    proxies: int, header: str, address: str
) -> None:
    assert seen(proxies, ("x-forwarded-for", header))[0] == address


def test_several_lines_are_one_list() -> None:
    lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", CLIENT)]
    assert seen(1, *lines)[0] == CLIENT
    assert seen(2, *lines)[0] == "6.6.6.6"


@pytest.mark.parametrize(
    ("proxies", "header", "before", "after"),
    [
        (0, "https", "http", "http"),
        (1, "https", "http", "https"),
        (1, "HTTPS", "ws", "wss"),
        (1, "http", "wss", "ws"),
        (1, "https, http", "http", "http"),
        (2, "https", "http", "https"),
        (2, "http, https, http", "http", "https"),
        (1, "gopher", "http", "http"),
    ],
)
def test_the_scheme_is_what_our_proxies_say(
    proxies: int, header: str, before: str, after: str
) -> None:
    assert seen(proxies, ("x-forwarded-proto", header), scheme=before)[1] == after


def test_without_a_peer_there_is_no_address() -> None:
    assert client_address({"client": None}) == ""


def tell(environ: dict[str, Any], start: Any) -> list[bytes]:
    start("200 OK", [])
    return [f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}".encode()]


@pytest.mark.parametrize(("proxies", "told"), [(0, f"{PEER} http"), (1, f"{CLIENT} https")])
async def test_django_is_told_the_same(make_front: MakeFront, proxies: int, told: str) -> None:
    headers = {"X-Forwarded-For": f"6.6.6.6, {CLIENT}", "X-Forwarded-Proto": "https"}
    exchange = await Exchange(headers=headers).run(make_front(tell, proxies=proxies))
    assert exchange.body.decode() == told


async def test_sockets_are_told_the_same(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    async def socket(_self: Still, scope: Any, _receive: Any, _send: Any) -> None:
        told.append((client_address(scope), scope["scheme"]))

    monkeypatch.setattr(Still, "socket", socket)
    headers = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https"}
    exchange = Exchange(headers=headers)
    exchange.scope |= {"type": "websocket", "scheme": "ws"}
    for proxies in (0, 1):
        await exchange.run(make_front(tell, proxies=proxies))
    assert told == [(PEER, "ws"), (CLIENT, "wss")]
