"""A private PostgreSQL server."""

import itertools
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from backend.embedded.home import spare_port
from tests.stacks.machine import absent, as_user, find, folder, plain_user
from tests.stacks.server import Program, Server

PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
OWNER = "downbeat"
_numbers = itertools.count(1)


class PostgresServer(Server):
    """A PostgreSQL server; its way to stop waits for no client."""

    def __init__(self, url: str, program: Program, stop: Sequence[str]) -> None:
        super().__init__(url, program, _answers)
        self._stop = stop

    def _ask_to_stop(self) -> None:
        _run(self._program.cwd, *self._stop)


@contextmanager
def running(
    durable: bool = False, place: Path | None = None, options: Sequence[str] = ()
) -> Iterator[PostgresServer]:
    """A server that survives its own crash, and if `durable` a crash of the machine too.

    Its data are in `place` if one is given; `options` are settings of its own, `name=value`.
    """
    initdb, postgres, control = (find(name, PLACES) for name in ("initdb", "postgres", "pg_ctl"))
    if initdb is None or postgres is None or control is None:
        absent("PostgreSQL's server is not installed (initdb, postgres)")
    user = plain_user("postgres")
    with folder("postgres", user, place) as home:
        data, be = str(home / "data"), as_user(user)
        _run(home, *be, initdb, "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        port = spare_port()
        command = (postgres, "-D", data, "-h", "127.0.0.1", "-p", str(port))
        settings = tuple(_options(durable, options))
        server = PostgresServer(
            f"postgres://{OWNER}@127.0.0.1:{port}",
            Program("postgres", (*be, *command, *settings), home),
            (*be, control, "-D", data, "stop", "-m", "fast", "-t", "30"),
        )
        try:
            server.start()
            yield server
            server.stop()
        finally:
            server.kill()


def _options(durable: bool, more: Sequence[str]) -> Iterator[str]:
    quick = () if durable else ("fsync=off", "full_page_writes=off")
    for option in (*quick, "unix_socket_directories=", *more):
        yield from ("-c", option)


def _run(place: Path, *command: str) -> None:
    subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=60)


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
