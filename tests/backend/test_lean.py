"""What a process need not have, it does not load: seconds of its start, and megabytes after it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = "import django; django.setup(); import tasks.management.commands."
OF_THE_WEB = ("graphene", "graphql", "schema.build", "uvicorn", "allauth.headless.urls")
ANYBODY = ("duckdb", "django.test", "django.contrib.postgres", "pytest")


@pytest.mark.parametrize(
    ("start", "strangers"),
    [
        ("import backend.web, backend.asgi", ("duckdb", "celery.worker", "pytest")),
        (f"{SETUP}worker", (*OF_THE_WEB, *ANYBODY)),
        (f"{SETUP}conductor", (*OF_THE_WEB, *ANYBODY, "celery.worker")),
    ],
)
def test_a_process_loads_no_stranger(
    tmp_path: Path, start: str, strangers: tuple[str, ...]
) -> None:
    code = f"import sys; {start}; print(*sys.modules)"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "backend.settings"}
    env["DOWNBEAT_HOME"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert not set(strangers) & set(done.stdout.split())
