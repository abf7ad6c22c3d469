"""A private Redis-protocol server on TCP."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from backend.embedded import redis_server
from backend.embedded.home import StartError, spare_port
from backend.embedded.process import Process
from tests.stacks.machine import Log, Server, absent, folder, wait_for_server

DATABASES = 1_000
_numbers = itertools.count(1)


@contextmanager
def running() -> Iterator[Server]:
    """An installed server, else the packaged one; it keeps nothing on disk."""
    try:
        program = redis_server.find()
    except StartError as error:
        absent(str(error))
    port, log = spare_port(), Log()
    options = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no")
    many = ("--databases", str(DATABASES))
    with folder("redis") as place:
        process = Process("redis", (program, *options, *many), log.say, cwd=place)
        server = Server(f"redis://127.0.0.1:{port}/", process)
        try:
            wait_for_server(server, log, _answers)
            yield server
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def new_database(server: Server) -> str:
    """The URL of an unused database: keys and knocks of others stay out of it."""
    return f"{server.url}{next(_numbers)}"
