"""The whole service under its supervisor: starts, refuses, stops in time, leaves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from backend import config
from backend.embedded import home
from backend.embedded import service as module
from tests.stacks.machine import wait_until
from tests.stacks.processes import process_table
from tests.stacks.service import Service, Stack, running

pytestmark = pytest.mark.xdist_group("embedded")  # one worker process, so that it starts once


@pytest.fixture(scope="module")
def shared() -> Iterator[Service]:
    """One service for the tests that leave it as they found it."""
    with running(Stack("embedded")) as service:
        yield service


@pytest.fixture
def own() -> Iterator[Service]:
    """A service that the test may end."""
    with running(Stack("embedded")) as service:
        yield service


def _try_another(service: Service, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "backend.embedded"),
        env={**service.env, **env},
        cwd=service.home,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_it_says_where_it_is_and_how_to_get_a_token(shared: Service) -> None:
    assert wait_until(lambda: "stop     Ctrl-C" in shared.log.tail(), 5)
    said = shared.log.tail()
    assert f"{shared.url}/graphql" in said
    assert "manage.py api_token" in said


def test_a_second_one_on_the_same_home_is_refused(shared: Service) -> None:
    done = _try_another(shared)
    assert done.returncode == 1
    assert done.stderr.startswith("Downbeat already runs in ")
    assert done.stderr.count("\n") == 1


def test_one_on_a_used_port_is_refused_before_anything_starts(
    shared: Service, tmp_path: os.PathLike[str]
) -> None:
    done = _try_another(shared, DOWNBEAT_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Port {shared.port} is in use")
    assert done.stdout == ""


def test_all_state_lies_in_the_home(shared: Service) -> None:
    assert shared.token().strip()
    there = {path.name for path in shared.home.iterdir()}
    assert {"db.sqlite3", "lock", "redis.sock", "secret_key"} <= there


def test_a_killed_worker_is_replaced(shared: Service) -> None:
    killed = shared.kill_worker()

    def is_replaced() -> bool:
        found = shared.find_part("worker")
        return found is not None and found.pid != killed

    assert wait_until(is_replaced, 10), shared.log.tail()


def test_a_stop_takes_less_than_five_seconds_and_leaves_nothing(own: Service) -> None:
    pids = {process.pid for process in own.processes()}
    code, seconds = own.stop()
    assert (code, seconds < 5) == (0, True), own.log.tail()
    assert not pids & {process.pid for process in process_table()}


def test_kill_9_leaves_nothing_and_the_next_start_goes_on(own: Service) -> None:
    token = own.token()
    pids = {process.pid for process in own.processes()}
    os.kill(own.supervisor, signal.SIGKILL)
    assert wait_until(lambda: not pids & {process.pid for process in process_table()}, 3)
    own.start()
    answer = own.graphql("{ viewer { displayName } }", token=token)
    assert answer["data"]["viewer"]["displayName"] == "ada"


def test_a_database_that_cannot_be_prepared_ends_the_start(shared: Service) -> None:
    no_folder = f"sqlite:///{shared.home}/no/such/folder/db.sqlite3"
    done = _try_another(
        shared,
        DOWNBEAT_HOME=f"{shared.home}/other",
        PORT=str(home.spare_port()),
        DATABASE_URL=no_folder,
    )
    assert done.returncode == 1
    assert "the service cannot start" in done.stdout


def test_no_redis_of_its_own_is_started_when_one_is_named() -> None:
    named = config.Config(redis_url="redis://127.0.0.1:1/0")
    assert [part.name for part in module.parts(named)] == ["web", "worker", "conductor"]


def test_a_private_environment_has_no_settings_of_the_outer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/db")
    monkeypatch.setenv("OTHER", "kept")
    made = module.private_environment(module.ROOT, 8123)
    assert "DATABASE_URL" not in made
    assert (made["OTHER"], made["PORT"]) == ("kept", "8123")
