"""What a process need not have, it does not load: seconds of its start, and megabytes after it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = "from django.core.management import execute_from_command_line as run; "
CONDUCTOR = (
    "import django; django.setup(); from tasks.conductor import Conductor;"
    " Conductor.work = lambda _: None; run(['', 'conductor'])"
)
WORKER = "import celery; celery.Celery.worker_main = lambda *_: None; run(['', 'worker'])"
TOKEN = "run(['', 'migrate', '-v', '0', '--skip-checks']); run(['', 'api_token', 'ada'])"
OF_THE_WEB = ("graphene", "graphql", "schema.build", "uvicorn", "backend.urls")
ANYBODY = ("duckdb", "django.test", "pytest")


@pytest.mark.parametrize(
    ("start", "strangers"),
    [
        ("import backend.web, backend.asgi", ("duckdb", "celery.worker", "pytest")),
        (COMMAND + WORKER, (*OF_THE_WEB, *ANYBODY, "django.contrib.postgres")),
        (COMMAND + CONDUCTOR, (*OF_THE_WEB, *ANYBODY, "django.contrib.postgres")),
        (COMMAND + TOKEN, (*OF_THE_WEB, *ANYBODY)),
    ],
)
def test_a_process_loads_no_stranger(
    tmp_path: Path, start: str, strangers: tuple[str, ...]
) -> None:
    """Each command to its end, but for its work itself."""
    code = f"import sys; {start}; print(*sys.modules)"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "backend.settings"}
    env["DOWNBEAT_HOME"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert not set(strangers) & set(done.stdout.split())
