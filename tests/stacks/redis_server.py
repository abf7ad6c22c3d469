"""A private Redis-protocol server on TCP."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from backend.embedded import redis_server
from backend.embedded.home import StartError, spare_port
from tests.stacks.machine import absent, folder
from tests.stacks.server import Program, Server

DATABASES = 1_000
_numbers = itertools.count(1)


@contextmanager
def running() -> Iterator[Server]:
    """An installed server, else the packaged one; it keeps nothing: once stopped it comes empty."""
    try:
        program = redis_server.find()
    except StartError as error:
        absent(str(error))
    port = spare_port()
    options = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no")
    many = ("--databases", str(DATABASES))
    with folder("redis") as place:
        command = (program, *options, *many)
        server = Server(f"redis://127.0.0.1:{port}/", Program("redis", command, place), _answers)
        try:
            server.start()
            yield server
        finally:
            server.kill()


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def new_database(server: Server) -> str:
    """The URL of an unused database: keys and knocks of others stay out of it."""
    server.check()
    return f"{server.url}{next(_numbers)}"
