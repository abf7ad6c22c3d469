"""A disk that is full is said so, leaves nothing half-written, and all goes on when it has room."""

import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import UPLOAD
from tests.faults import rows
from tests.faults.matrix import Matrix
from tests.faults.scene import Scale, Scene, played
from tests.faults.starts import codes
from tests.stacks import postgres, redis_server
from tests.stacks.disk import Disk, small_disk
from tests.stacks.machine import wait_until
from tests.stacks.postgres import PostgresServer
from tests.stacks.service import Stack

LIMIT_SECONDS = 60
RUNS = "SELECT COUNT(*) FROM tasks_run"
FILES = "SELECT COUNT(*) FROM tasks_file WHERE ready_at IS NOT NULL"
CONTENT = b"x" * 1_000_000


@contextmanager
def on_postgres(place: Path | None) -> Iterator[tuple[Stack, PostgresServer]]:
    """A stack whose database has its data in this place."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running(place=place))
        redis = stack.enter_context(redis_server.running())
        env = {
            "DATABASE_URL": postgres.new_database(server),
            "SECRET_KEY": secrets.token_urlsafe(40),
            "REDIS_URL": redis_server.new_database(redis),
        }
        yield Stack("postgres-redis", env), server


def until_refused(scene: Scene, disk: Disk) -> int:
    """Start runs until there is no room for one; how many were accepted before."""
    for accepted in range(5_000):
        disk.fill()
        if found := codes(scene, f"full {accepted}"):
            assert found == ["UNAVAILABLE"]
            return accepted
    raise AssertionError("the disk does not get full")


def fill_and_go_on(scene: Scene, disk: Disk, server: PostgresServer | None) -> float:
    """Fill the disk of the database under load; from the return of room until all is over."""
    running = scene.start("long_work", tenths=30)
    assert wait_until(lambda: scene.client.read(running)["status"] == "RUNNING", 30)
    before = rows.number(scene.service, RUNS)
    with disk.full():
        accepted = until_refused(scene, disk)
        time.sleep(3)  # what runs comes to its end meanwhile, and cannot say so
    freed = time.monotonic()
    if server is not None:
        server.start()  # without room for its log it ends itself
    assert wait_until(lambda: codes(scene, "room again") == [], 30), scene.service.log.tail()
    assert rows.number(scene.service, RUNS) == before + accepted + 1
    scene.settle(LIMIT_SECONDS)
    scene.check()
    *lost, last = scene.outcomes(running)
    assert last == "SUCCEEDED"
    # A server was away, and is waited for; on SQLite the one who finds room first may be the
    # conductor, and the lease has passed.
    assert lost == [] or (server is None and lost == ["LOST"])
    return time.monotonic() - freed


EXPECTED = "UNAVAILABLE and no row; what runs finishes; all is drained when there is room"


@pytest.mark.xdist_group("embedded")
def test_a_full_disk_under_sqlite(tmp_path: Path, matrix: Matrix, scale: Scale) -> None:
    with small_disk(48) as disk:
        home = {"DOWNBEAT_HOME": str(disk.place / "home"), **scale.times()}
        with played(Stack("embedded"), tmp_path, **home) as scene:
            took = fill_and_go_on(scene, disk, None)
    matrix.record("the database's disk is full", EXPECTED, took)


@pytest.mark.xdist_group("postgres-redis")
def test_a_full_disk_under_postgresql(tmp_path: Path, matrix: Matrix, scale: Scale) -> None:
    with (
        small_disk(160) as disk,
        on_postgres(disk.place) as (stack, server),
        played(stack, tmp_path, **scale.times()) as scene,
    ):
        took = fill_and_go_on(scene, disk, server)
    matrix.record("the database's disk is full", EXPECTED, took)


@pytest.mark.xdist_group("postgres-redis")
def test_a_full_disk_under_the_files(tmp_path: Path, matrix: Matrix, scale: Scale) -> None:
    """The database elsewhere has room."""
    with small_disk(16) as disk, on_postgres(None) as (stack, _):
        home = {"DOWNBEAT_HOME": str(disk.place / "home"), **scale.times()}
        with played(stack, tmp_path, **home) as scene:
            with disk.full():
                saving = scene.start("saved_work", number=1)
                refused = upload(scene)
                assert refused.status_code == 503, refused.text
                assert refused.json()["errors"][0]["code"] == "UNAVAILABLE"
                assert wait_until(lambda: scene.outcomes(saving)[:1] == ["FAILED"], 30)
                assert rows.number(scene.service, FILES) == 0
                assert [p for p in (disk.place / "home/files").rglob("*") if p.is_file()] == []
            freed = time.monotonic()
            assert upload(scene).is_success
            scene.settle(LIMIT_SECONDS)
            took = time.monotonic() - freed
            assert scene.client.read(saving)["status"] == "SUCCEEDED"
            scene.check()
    expected = "503, no row and no part of a file; runs that save are tried again"
    matrix.record("the files' disk is full", expected, took)


def upload(scene: Scene) -> httpx.Response:
    given = {
        "name": "a.txt",
        "size": len(CONTENT),
        "contentType": "text/plain",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    found = scene.client.ask(UPLOAD, input=given)["createUpload"]["upload"]
    headers = {header["name"]: header["value"] for header in found["headers"]}
    return httpx.request(found["method"], found["url"], content=CONTENT, headers=headers)
