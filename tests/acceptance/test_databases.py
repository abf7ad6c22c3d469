"""The tests that hold on any database hold on PostgreSQL too."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks.postgres import new_database
from tests.stacks.server import Server

ROOT = Path(__file__).parents[2]


PLACES = {
    "rooms": (
        *("tests/tasks", "tests/schema", "tests/accounts", "tests/backend/people"),
        "tests/hostile/test_leaks.py",
    ),
    "model": ("tests/model",),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_holds_on_postgresql_too(place: str, postgres: Server, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "DATABASE_URL": new_database(postgres),
        "SECRET_KEY": secrets.token_urlsafe(40),
        "DOWNBEAT_HOME": str(tmp_path),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "database",
        *PLACES[place],
    ]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=1_200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
