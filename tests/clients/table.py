"""The table: which clients over which transports, and how it is printed."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.clients.scenarios import TITLES


@dataclass(frozen=True)
class Pair:
    """A client over a transport; `program` is its remote in src/."""

    program: str
    client: str
    transport: str
    repeats: bool = False
    """Whether the library hands an unchanged item on twice."""

    @property
    def is_python(self) -> bool:
        return self.program.endswith(".py")

    @property
    def name(self) -> str:
        return self.program.removesuffix(".py").replace("_", "-")


PAIRS = {
    pair.name: pair
    for pair in (
        Pair("graphql-ws", "graphql-ws", "WebSocket"),
        Pair("graphql-sse", "graphql-sse", "SSE"),
        Pair("fetch-sse", "fetch", "SSE"),
        Pair("fetch-poll", "fetch", "long poll"),
        Pair("apollo-multipart", "Apollo Client", "multipart"),
        Pair("apollo-ws", "Apollo Client", "WebSocket"),
        Pair("urql-sse", "urql", "SSE", repeats=True),
        Pair("urql-ws", "urql", "WebSocket", repeats=True),
        Pair("relay-ws", "Relay", "WebSocket"),
        Pair("gql_ws.py", "gql (Python)", "WebSocket"),
        Pair("httpx_poll.py", "httpx (Python)", "long poll"),
    )
}

CACHES = ("cache-apollo", "cache-urql", "cache-relay")
"""The programs that try caches; each has a user of its own."""


def markdown(mark: Callable[[str, str], str]) -> str:
    """The table; `mark(pair, scenario)` is what stands in a cell."""
    rows = [["client", "over", *TITLES.values()], ["---"] * (2 + len(TITLES))]
    for name, pair in PAIRS.items():
        rows.append([pair.client, pair.transport, *(mark(name, each) for each in TITLES)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
