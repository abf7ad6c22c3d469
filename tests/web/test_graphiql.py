"""GraphiQL in a real browser that reaches no other host: build, sign in, start, watch, complete."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.machine import absent
from tests.stacks.service import Service, Stack, running
from tests.web.conftest import ROOT, make
from tests.web.test_tabs import LATER

pytestmark = pytest.mark.xdist_group("browser")
PASSWORD = "a-password-for-one-test"
UNAUTHORIZED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"


@pytest.fixture(scope="module")
def _built(chromium: str) -> None:
    """GraphiQL, built; without what that needs, the test is skipped."""
    for needed in ("node", "web/node_modules/.installed"):
        is_there, words = make(needed)
        if not is_there:
            absent(words)
    is_built, words = make("web")
    assert is_built, words


@pytest.fixture(scope="module")
def service(_built: None) -> Iterator[Service]:
    """A service that started after the build, as assets are listed at its start."""
    with running(Stack("embedded")) as service:
        yield service


def play(scene: str, chromium: str, service: Service, folder: Path) -> dict[str, Any]:
    """What the browser saw in this scene of web/browser/graphiql.mjs."""
    words = (scene, chromium, f"{service.url}/graphql", service.token(), str(folder))
    done = subprocess.run(
        ("node", "web/browser/graphiql.mjs", *words),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout}\nscreenshots: {folder}"
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["foreign"] == []
    return seen


@pytest.fixture(scope="module")
def tour(
    chromium: str, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return play("tour", chromium, service, tmp_path_factory.mktemp("tour"))


def test_nothing_goes_wrong_in_the_console(tour: dict[str, Any]) -> None:
    assert tour["faults"] == [{"step": "wrong token", "text": UNAUTHORIZED}]


def test_who_is_not_signed_in_is_told_how(tour: dict[str, Any]) -> None:
    assert "Not signed in." in tour["bar"]["signedOut"]
    assert ".venv/bin/python manage.py api_token you" in tour["bar"]["signedOut"]
    assert "/admin/" in tour["bar"]["signedOut"]


def test_a_wrong_token_is_said_in_words(tour: dict[str, Any]) -> None:
    assert "This token is unknown, has expired, or was revoked." in tour["bar"]["wrong"]


def test_a_token_signs_in_and_is_forgotten_on_demand(tour: dict[str, Any]) -> None:
    assert tour["bar"]["signedIn"] == "Signed in as ada"
    assert "dbt_" not in tour["kept"]


def test_the_tabs_start_list_cancel_and_upload_as_they_stand(tour: dict[str, Any]) -> None:
    assert tour["tabs"] == ["Start", "Watch", "List", "Cancel", "Upload"]
    answers = {tab: answer["data"] for tab, answer in tour["answers"].items()}
    assert answers["Start"]["countWords"]["errors"] == []
    started = answers["Start"]["countWords"]["run"]["id"]
    assert [node["id"] for node in answers["List"]["runs"]["nodes"]] == [started]
    assert answers["Cancel"]["cancelRuns"]["errors"] == []
    assert answers["Upload"]["createUpload"]["upload"]["url"].startswith("http")


def test_fields_are_completed_from_the_schema(tour: dict[str, Any]) -> None:
    assert {"countWords", "profileDataset", "cancelRun"} <= set(tour["completion"]["Start"])
    assert {"run", "runs", "viewer"} <= set(tour["completion"]["List"])


def test_it_is_dark_and_light_as_the_system_is_or_as_chosen(
    chromium: str, service: Service, tmp_path: Path
) -> None:
    seen = play("looks", chromium, service, tmp_path)
    assert seen["faults"] == []
    colors = seen["colors"]
    assert colors["desktop-light"] == colors["narrow-light"] == "rgb(255, 255, 255)"
    assert colors["desktop-dark"] == colors["narrow-dark"] == colors["switched"]
    assert colors["switched"] != colors["desktop-light"]


@LATER
def test_a_run_is_watched_until_it_is_final(
    chromium: str, service: Service, tmp_path: Path
) -> None:
    seen = play("watch", chromium, service, tmp_path)
    assert seen["faults"] == []
    assert seen["sockets"] == [f"{service.url.replace('http', 'ws')}/graphql"]
    runs = [answer["data"]["run"] for answer in seen["watched"]]
    assert [runs[0]["status"], runs[-1]["status"]] == ["SCHEDULED", "SUCCEEDED"]
    assert runs[-1]["result"] == {"words": 2, "longest": "a"}


@pytest.mark.usefixtures("_built")
def test_without_introspection_it_is_for_staff(
    chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAFF_PASSWORD", PASSWORD)
    env = {"INTROSPECTION": "false", "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    with running(Stack("embedded"), **env) as service:
        service.manage(
            *("createsuperuser", "--noinput", "--username", "root", "--email", "a@b.example")
        )
        seen = play("closed", chromium, service, tmp_path)
    assert "GraphiQL and the schema are for staff here" in seen["lines"]
    assert "No docs and no completion: Introspection is off" in seen["bar"]["closed"]
    assert seen["answers"]["Start"]["data"]["countWords"]["errors"] == []
