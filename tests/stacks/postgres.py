"""A private PostgreSQL server."""

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from backend.embedded.home import spare_port
from backend.embedded.process import Process
from tests.stacks.machine import (
    Log,
    Server,
    absent,
    as_user,
    find,
    folder,
    plain_user,
    wait_for_server,
)

PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
OWNER = "downbeat"
_numbers = itertools.count(1)


@contextmanager
def running() -> Iterator[Server]:
    """A server without fsync: a crash of the machine would spoil it, a crash of its own not."""
    initdb, postgres, control = (find(name, PLACES) for name in ("initdb", "postgres", "pg_ctl"))
    if initdb is None or postgres is None or control is None:
        absent("PostgreSQL's server is not installed (initdb, postgres)")
    user = plain_user("postgres")
    with folder("postgres", user) as place:
        data = str(place / "data")
        _run(user, place, initdb, "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        port, log = spare_port(), Log()
        command = (postgres, "-D", data, "-h", "127.0.0.1", "-p", str(port), *_options())
        process = Process("postgres", (*as_user(user), *command), log.say, cwd=place)
        server = Server(f"postgres://{OWNER}@127.0.0.1:{port}", process)
        try:
            wait_for_server(server, log, _answers)
            yield server
            _run(user, place, control, "-D", data, "stop", "-m", "fast", "-t", "5")
        finally:
            process.kill()


def _options() -> Iterator[str]:
    for option in ("fsync=off", "full_page_writes=off", "unix_socket_directories="):
        yield from ("-c", option)


def _run(user: str | None, place: Path, *command: str) -> None:
    subprocess.run(
        (*as_user(user), *command), cwd=place, check=True, capture_output=True, timeout=60
    )


def _answers(url: str) -> bool:
    try:
        psycopg.connect(f"{url}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def new_database(server: Server) -> str:
    """The URL of a new, empty database."""
    name = f"downbeat_{next(_numbers)}"
    with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server.url}/{name}"
