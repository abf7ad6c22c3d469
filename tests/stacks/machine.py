"""What the stacks need of this machine: binaries, users, folders, and patience."""

import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest


@dataclass
class Log:
    """What a process has printed; the end of it explains a failure."""

    lines: list[str] = field(default_factory=list)

    def say(self, name: str, line: str) -> None:
        self.lines.append(line)

    def tail(self) -> str:
        return "\n".join(self.lines[-40:])


def absent(reason: str) -> NoReturn:
    """Skip the test; in CI, where everything is installed, fail it."""
    if os.environ.get("REQUIRE_STACKS") == "1":
        pytest.fail(f"{reason} (REQUIRE_STACKS=1)", pytrace=False)
    pytest.skip(reason)


def find(name: str, folders: Sequence[str]) -> str | None:
    """A program by name: in the newest of these folders (patterns), else on PATH."""
    for pattern in folders:
        places = sorted(Path("/").glob(f"{pattern.lstrip('/')}/{name}"), key=_version)
        if places:
            return str(places[-1])
    return shutil.which(name)


def _version(path: Path) -> list[int]:
    digits = "".join(letter if letter.isdigit() else " " for letter in str(path))
    return [int(word) for word in digits.split()]


def plain_user(*names: str) -> str | None:
    """The first of these users that exists, for programs that refuse root; None when not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in (*names, "nobody") if name in known)


def as_user(user: str | None) -> tuple[str, ...]:
    """The start of a command line that runs the rest as this user."""
    if user is None:
        return ()
    group = str(pwd.getpwnam(user).pw_gid)
    return ("setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--")


@contextmanager
def folder(name: str, user: str | None = None, within: Path | None = None) -> Iterator[Path]:
    """A short-lived folder that belongs to this user."""
    with tempfile.TemporaryDirectory(
        prefix=f"downbeat-{name}-", dir=within, ignore_cleanup_errors=True
    ) as made:
        if user is not None:
            shutil.chown(made, user)
        yield Path(made)


def wait_until(check: Callable[[], bool], seconds: float, every: float = 0.05) -> bool:
    """Whether the check came to hold in time."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
