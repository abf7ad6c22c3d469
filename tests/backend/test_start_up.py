"""What stops a start says why in one sentence; what is configured takes part."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TASK = '''"""Wave."""
from pydantic import BaseModel
from tasks import Context, task

class {model}(BaseModel):
    times: int

@task({options})
def {name}(ctx: Context) -> {model}:
    return {model}(times=1)
'''

Manage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    """Runs manage.py with a package `acme` of these files and these settings."""

    def run(*words: str, files: dict[str, str], **env: str) -> "subprocess.CompletedProcess[str]":
        package = tmp_path / "acme"
        for name, text in {"__init__.py": "", **files}.items():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(text)
        settings = {"TASK_PACKAGES": "tasks.definitions,acme.jobs", **env}
        path = os.pathsep.join((str(tmp_path), str(ROOT)))
        home = str(tmp_path / "home")
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *words],
            env={**os.environ, **settings, "PYTHONPATH": path, "DOWNBEAT_HOME": home},
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return run


def definition(
    name: str = "wave_hands", model: str = "Waves", options: str = "on_lost='rerun'"
) -> dict[str, str]:
    return {
        "jobs/__init__.py": "",
        "jobs/wave.py": TASK.format(name=name, model=model, options=options),
    }


def test_a_good_declaration_is_in_the_schema(manage: Manage) -> None:
    done = manage("schema", files=definition())
    assert done.returncode == 0, done.stderr
    assert "waveHands(" in done.stdout
    assert "type Waves {" in done.stdout


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (definition(options=""), "wave.py: wave_hands: say what happens when its worker dies"),
        (definition(name="start_waving"), "kept for Downbeat's own verbs"),
        (definition(model="Run"), "acme.jobs.wave.Run: Run is one of Downbeat's own types"),
        (definition(model="WordCount"), "is called WordCount too"),
        ({"jobs/__init__.py": "", "jobs/bad.py": "1/0"}, "acme.jobs.bad (from TASK_PACKAGES)"),
    ],
)
@pytest.mark.parametrize("command", ["check", "migrate"])
def test_a_wrong_declaration_stops_with_its_sentence(
    manage: Manage, files: dict[str, str], words: str, command: str
) -> None:
    done = manage(command, files=files)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_is_renamed_by_the_setting(manage: Manage) -> None:
    names = '{"acme.jobs.wave.WordCount": "WaveCount"}'
    done = manage("schema", files=definition(model="WordCount"), TYPE_NAMES=names)
    assert done.returncode == 0, done.stderr
    assert "type WaveCount {" in done.stdout


def test_an_extra_app_brings_its_models(manage: Manage) -> None:
    model = (
        "from django.db import models\n"
        "class Parcel(models.Model):\n"
        "    name = models.TextField()\n"
        "    class Meta:\n"
        "        app_label = 'acme'\n"
    )
    files = {**definition(), "models.py": model}
    files["jobs/wave.py"] += "\nfrom acme.models import Parcel\n"
    done = manage("makemigrations", "acme", "--dry-run", files=files, EXTRA_APPS="acme")
    assert done.returncode == 0, done.stderr
    assert "Create model Parcel" in done.stdout


def test_production_settings_leave_django_nothing_to_warn_of(manage: Manage) -> None:
    production = {
        "DATABASE_URL": "postgres://downbeat:secret@db.example/downbeat",
        "REDIS_URL": "redis://redis.example/0",
        "PUBLIC_URL": "https://downbeat.example",
        "ALLOWED_HOSTS": "downbeat.example",
        "SECRET_KEY": secrets.token_urlsafe(50),
    }
    words = ("check", "--deploy", "--fail-level", "WARNING")
    done = manage(*words, files=definition(), **production)
    assert done.returncode == 0, done.stderr
    without_tls = {**production, "PUBLIC_URL": "http://downbeat.example"}
    done = manage(*words, files=definition(), **without_tls)
    assert (done.returncode, "security.W004" in done.stderr) == (1, True)


def test_wrong_settings_are_listed_without_a_traceback(manage: Manage) -> None:
    done = manage("check", files=definition(), PORT="http", LOG_LEVEL="LOUD")
    assert done.returncode != 0
    assert "PORT: " in done.stderr
    assert "LOG_LEVEL: " in done.stderr
    assert "Traceback" not in done.stderr
