"""The home: the one folder that holds the embedded state, used by one supervisor at a time."""

import errno
import fcntl
import os
import shutil
import socket
from pathlib import Path


class StartError(Exception):
    """The service cannot start; the message is one plain sentence for the person who tried."""


def prepare(home: Path) -> int:
    """Make the home and lock it; the lock's descriptor, held until this process ends."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(
            f"The home {home} cannot be used ({error.strerror}): set DOWNBEAT_HOME to a folder "
            "that you may write to."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 20).decode() or "unknown"
        os.close(descriptor)
        raise StartError(
            f"Downbeat already runs in {home} (process {holder}): stop it, or set DOWNBEAT_HOME "
            "and PORT to others."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def empty_scratch(home: Path) -> Path:
    """The folder of temporary files, without what a killed part left there."""
    scratch = home / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, exist_ok=True)
    return scratch


def prepare_socket_folder(folder: Path) -> None:
    """Make the folder of the Redis socket; in a shared place it must be nobody else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise StartError(f"{folder} belongs to somebody else: set DOWNBEAT_HOME to a shorter path.")


def check_port(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything starts."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror as error:
        raise StartError(
            f"The address {host} is unknown: set HOST to one of this machine."
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} is in use: stop the program that uses it, or set PORT."
        else:
            reason = f"Cannot listen on {host} port {port} ({error.strerror}): set HOST or PORT."
        raise StartError(reason) from error


def spare_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fill_standard_streams() -> None:
    """Open the null device in place of closed standard streams, so that no pipe takes their number.

    A lifeline with the number 0 would be lost when a child gets its own standard input.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
