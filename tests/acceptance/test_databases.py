"""The tests that hold on any database hold on PostgreSQL too."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

from tests.stacks.machine import Server
from tests.stacks.postgres import new_database

ROOT = Path(__file__).parents[2]


def test_the_verbs_hold_on_postgresql(postgres: Server, tmp_path: Path) -> None:
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
        "tests/tasks",
        "tests/schema",
        "tests/accounts",
        "tests/backend/people",
        "tests/hostile/test_leaks.py",
    ]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
