"""A worker cut off from its database is given up on; cut off from its broker it works on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.faults.matrix import Matrix
from tests.faults.scene import Scale
from tests.faults.stage import Stage
from tests.faults.workers import (
    SLACK_SECONDS,
    TAKEN_OVER,
    Worker,
    another_worker,
    held_by,
    is_done_elsewhere,
    start_on,
    until_fenced,
    worker_of,
)
from tests.stacks.fixtures import on
from tests.stacks.link import Link, linked
from tests.stacks.machine import wait_until

pytestmark = pytest.mark.parametrize(
    "stage", on("postgres-redis", "postgres-rabbitmq"), indirect=True
)


@contextmanager
def remote_worker(stage: Stage, key: str) -> Iterator[tuple[Worker, Link]]:
    """A worker that reaches the server of this setting over a link of its own."""
    url = stage.scene.service.env[key]
    with linked(url) as link:
        settings = {key: link.through(url), "WORKER_PROCESSES": "2"}
        with another_worker(stage.scene.service, **settings) as worker:
            yield worker, link


@pytest.mark.parametrize(("words", "part"), [("reset", Link.cut), ("stand still", Link.black_hole)])
def test_a_worker_without_its_database_is_given_up_on_and_fenced(
    stage: Stage, matrix: Matrix, scale: Scale, words: str, part: Callable[[Link], None]
) -> None:
    scene = stage.scene
    with remote_worker(stage, "DATABASE_URL") as (worker, link):
        family = worker.family()
        runs = start_on(scene, family, 4, scale)
        part(link)
        cut = time.monotonic()
        mine = held_by(scene, runs, family)
        assert mine
        assert wait_until(lambda: is_done_elsewhere(scene, mine), scale.recovery + 60), mine
        took = time.monotonic() - cut
        time.sleep(max(0.0, scale.seconds(90) - (time.monotonic() - cut)))
        link.restore()
        until_fenced(worker.log, mine)
        scene.settle(60)
    for run in runs:
        assert scene.outcomes(run) == (["LOST", "SUCCEEDED"] if run in mine else ["SUCCEEDED"])
    # It is still there for RabbitMQ, which may have handed it the next knock, too: silence tells.
    late = 20.0 if "BROKER_URL" in scene.service.env else 0.0
    assert took < scale.recovery + late + SLACK_SECONDS
    fault = f"a worker's connections to PostgreSQL {words} for 90 s"
    expected = f"{TAKEN_OVER} (RabbitMQ: 20 s more); the old one is fenced"
    matrix.record(fault, expected, took)


def test_a_worker_without_its_broker_works_on_and_comes_back(
    stage: Stage, matrix: Matrix, scale: Scale
) -> None:
    scene = stage.scene
    key = "BROKER_URL" if "BROKER_URL" in scene.service.env else "REDIS_URL"
    with remote_worker(stage, key) as (worker, link):
        runs = start_on(scene, worker.family(), 4, scale)
        link.cut()
        time.sleep(scale.outage(300))
        runs += scene.start_many("short_work", 10, number=8)
        scene.settle(60)
        link.restore()
        restored = time.monotonic()

        def takes_part() -> bool:
            more = scene.start_many("short_work", 10, number=9)
            runs.extend(more)
            scene.settle(30)
            pids = {process.pid for process in worker.family()}
            return any(worker_of(scene, run) in pids for run in more)

        assert wait_until(takes_part, 60), worker.log.tail()
        took = time.monotonic() - restored
    assert {tuple(scene.outcomes(run)) for run in runs} == {("SUCCEEDED",)}
    fault = "a worker's connections to the broker are cut for 5 min"
    matrix.record(fault, "its runs finish once; it takes part again", took)
