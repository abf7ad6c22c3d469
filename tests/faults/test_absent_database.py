"""While the database is away nothing is promised, and what runs goes on: no run is done again."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import psycopg
import pytest

from tests.faults import rows
from tests.faults.matrix import Matrix
from tests.faults.scene import Scale, Scene
from tests.faults.stage import Stage
from tests.faults.starts import codes
from tests.stacks.fixtures import on
from tests.stacks.machine import wait_until
from tests.stacks.server import Server

RETURN_SECONDS = 15  # until the service serves again
OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> ALL(%s)"""
PHANTOMS = "SELECT COUNT(*) FROM tasks_run WHERE idempotency_key LIKE 'refused %'"
pytestmark = pytest.mark.parametrize(
    "stage", on("postgres-redis", "postgres-rabbitmq"), indirect=True
)


@contextmanager
def killed(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def exhausted(server: Server) -> Iterator[None]:
    """Every connection that the server allows is taken, also those that others had."""
    url = f"{server.url}/postgres"
    with ExitStack() as stack:
        taken = [stack.enter_context(psycopg.connect(url, autocommit=True))]

        def is_all_ours() -> bool:
            with suppress(psycopg.OperationalError):
                while True:
                    taken.append(stack.enter_context(psycopg.connect(url, autocommit=True)))
            ours = [connection.info.backend_pid for connection in taken]
            return not taken[0].execute(OTHERS, [ours]).fetchall()

        assert wait_until(is_all_ours, 30)
        yield


def are_running(scene: Scene, *runs: str) -> bool:
    return {scene.client.read(run)["status"] for run in runs} == {"RUNNING"}


@pytest.mark.parametrize(
    ("words", "away", "published"),
    [
        ("stopped for 10 s", Server.stopped, 10),
        ("stopped for 5 min", Server.stopped, 300),
        ("killed -9, away for 10 s", killed, 10),
        ("out of connections for 10 s", exhausted, 10),
    ],
)
def test_what_runs_goes_on_and_what_is_refused_leaves_no_row(
    stage: Stage,
    matrix: Matrix,
    scale: Scale,
    words: str,
    away: Callable[[Server], AbstractContextManager[None]],
    published: float,
) -> None:
    scene, seconds = stage.scene, scale.outage(published)
    meanwhile = scene.start("long_work", tenths=10 + round(5 * seconds))
    after = scene.start("long_work", tenths=30 + round(10 * seconds))
    assert wait_until(lambda: are_running(scene, meanwhile, after), 30)
    until, refused = time.monotonic() + seconds, 0
    with away(stage.private.servers["database"]):
        while time.monotonic() < until or refused < 3:
            assert codes(scene, f"refused {words} {refused}") == ["UNAVAILABLE"]
            refused += 1
            time.sleep(0.1)
    back = time.monotonic()
    again = f"back from {words}"
    assert wait_until(lambda: codes(scene, again) == [], RETURN_SECONDS)
    took = time.monotonic() - back
    assert rows.number(scene.service, PHANTOMS) == 0
    scene.settle(60 + seconds)
    assert [scene.outcomes(run) for run in (meanwhile, after)] == [["SUCCEEDED"]] * 2
    expected = "UNAVAILABLE and no row meanwhile; what runs finishes in its one attempt"
    matrix.record(f"PostgreSQL is {words}", expected, took)
