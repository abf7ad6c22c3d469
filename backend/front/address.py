"""Who the client is, when requests come through proxies of ours: its address and its scheme."""

from ipaddress import IPv6Address, ip_address

from backend.front.asgi import Scope

_SECURE = {"http": "https", "ws": "wss"}
_PLAIN = {secure: plain for plain, secure in _SECURE.items()}


def as_sent(scope: Scope, proxies: int) -> Scope:
    """The scope as the client has sent it to the first of so many proxies, each of them ours.

    Each proxy appends its peer to `X-Forwarded-For`, so that the entry which the first of them made
    is that many from the right; what stands before it, anybody can write. Without proxies, or
    without a whole list, the client is who has connected, whatever the headers say.
    """
    if not proxies:
        return scope
    client, scheme = scope.get("client"), scope["scheme"]
    told = _entries(scope, b"x-forwarded-for")
    if len(told) >= proxies and (address := _address(told[-proxies])) is not None:
        client = (address, 0)
    told = _entries(scope, b"x-forwarded-proto")[-proxies:]  # many proxies pass on a single one
    if told and told[0].lower() == "https":
        scheme = _SECURE.get(scheme, scheme)
    elif told and told[0].lower() == "http":
        scheme = _PLAIN.get(scheme, scheme)
    return {**scope, "client": client, "scheme": scheme}


def client_address(scope: Scope) -> str:
    """The client's IP address; empty when there is none. Django has it as `REMOTE_ADDR`."""
    return (scope.get("client") or ("",))[0]


def _entries(scope: Scope, name: bytes) -> list[str]:
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [entry.strip() for line in lines for entry in line.split(",")]


def _address(entry: str) -> str | None:
    """The IP address in an entry, which may have a port; None when it holds none."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ip_address(entry)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)
