"""A stack whose servers are its own, so that they may be killed."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.stacks import postgres, rabbitmq, redis_server
from tests.stacks.link import Link, linked
from tests.stacks.server import Server
from tests.stacks.service import Stack


@dataclass(frozen=True)
class Private:
    """The stack, and what of it is no part of the service: `database` and `broker`, by name.

    With links, the service reaches its servers over those alone.
    """

    stack: Stack
    servers: dict[str, Server] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)


@contextmanager
def private_stack(name: str, *, durable: bool = False, links: bool = False) -> Iterator[Private]:
    """One of the three stacks; the embedded one has no servers but the service's own."""
    if name == "embedded":
        yield Private(Stack(name))
        return
    with ExitStack() as stack:
        database = stack.enter_context(postgres.running(durable=durable))
        redis = stack.enter_context(redis_server.running())
        servers: dict[str, Server] = {"database": database, "broker": redis}
        urls = {
            "DATABASE_URL": postgres.new_database(database),
            "REDIS_URL": redis_server.new_database(redis),
        }
        if name == "postgres-rabbitmq":
            rabbit = stack.enter_context(rabbitmq.running())
            servers["broker"] = rabbit
            urls["BROKER_URL"] = rabbit.new_vhost()
        through: dict[str, Link] = {}
        if links:
            through = {kind: stack.enter_context(linked(s.url)) for kind, s in servers.items()}
            urls = {key: _over(through.values(), url) for key, url in urls.items()}
        env = {**urls, "SECRET_KEY": secrets.token_urlsafe(40)}
        yield Private(Stack(name, env), servers, through)


def _over(links: Iterable[Link], url: str) -> str:
    for link in links:
        url = link.through(url)
    return url
