"""What the broker forgets or repeats, the rows make up for: no run is lost, none is done twice."""

import time

import amqp
import pytest

from tests.faults import rows
from tests.faults.brokers import EmbeddedRedis, ServedRedis
from tests.faults.matrix import Matrix
from tests.faults.scene import Scale, row_of
from tests.faults.stage import Stage
from tests.faults.workers import own_worker, standing_still
from tests.stacks.fixtures import on
from tests.stacks.machine import wait_until

RUNG_SECONDS = 30  # after a purge; each would be rung for after 60 anyway
NOTICED_SECONDS = 5  # from the broker's return until the last run is due again
WAITING = "SELECT COUNT(*) FROM tasks_run WHERE status = 'QUEUED'"
NOT_DUE = f"{WAITING} AND rings = 0 AND ring_at > {{now}}"
ATTEMPTS = "SELECT COUNT(*) FROM tasks_attempt"
with_redis = pytest.mark.parametrize("stage", on("embedded", "postgres-redis"), indirect=True)
with_rabbitmq = pytest.mark.parametrize("stage", on("postgres-rabbitmq"), indirect=True)


def until_due(stage: Stage, since: float) -> float:
    """Wait until every queued run is due or has been rung for; the seconds since then."""
    service = stage.scene.service
    assert wait_until(lambda: rows.number(service, NOT_DUE) == 0, 60), service.log.tail()
    return time.monotonic() - since


@with_redis
def test_what_a_flush_took_is_due_again_at_once(stage: Stage, matrix: Matrix, scale: Scale) -> None:
    scene, count = stage.scene, scale.count(5_000)
    before = rows.number(scene.service, ATTEMPTS)
    assert isinstance(stage.broker, EmbeddedRedis | ServedRedis)
    with standing_still(scene.service, own_worker(scene.service)):
        scene.start_many("short_work", count, number=1)
        assert rows.number(scene.service, NOT_DUE) == count
        stage.broker.client.flushall()
        took = until_due(stage, time.monotonic())
        assert rows.number(scene.service, WAITING) == count
    scene.settle(60 + count * 0.1)
    assert rows.number(scene.service, ATTEMPTS) - before == count
    assert took < NOTICED_SECONDS
    matrix.record("Redis is flushed with 5,000 queued", "all due again within 5 s", took)


@with_redis
def test_a_redis_that_comes_back_empty_again_and_again_loses_nothing(
    stage: Stage, matrix: Matrix, scale: Scale
) -> None:
    scene, count = stage.scene, 20
    for _ in range(scale.count(10, least=2)):
        before = rows.number(scene.service, ATTEMPTS)
        with standing_still(scene.service, own_worker(scene.service)):
            scene.start_many("short_work", count, number=2)
            stage.broker.die()
            took = until_due(stage, time.monotonic())
            assert rows.number(scene.service, WAITING) == count
        scene.settle(60)
        assert rows.number(scene.service, ATTEMPTS) - before == count
        assert took < NOTICED_SECONDS
        matrix.record("Redis is killed and comes back empty", "all due again within 5 s", took)


@with_rabbitmq
def test_what_was_purged_from_rabbitmq_is_rung_for_again(stage: Stage, matrix: Matrix) -> None:
    """RabbitMQ tells nobody; the silence does."""
    scene, count = stage.scene, 60
    with standing_still(scene.service, own_worker(scene.service)):
        scene.start_many("short_work", count, number=3)
        assert wait_until(lambda: purge(stage) == 0, 10)
        purged = time.monotonic()
    scene.settle(60)
    took = time.monotonic() - purged
    assert took < RUNG_SECONDS
    matrix.record("RabbitMQ's queue is purged", "all performed within 30 s", took)


def test_a_hundred_messages_for_one_run_are_one_attempt(stage: Stage, matrix: Matrix) -> None:
    scene = stage.scene
    run = scene.start("long_work", tenths=10)
    began = time.monotonic()
    scene.service.manage("shell", "-c", KNOCK_AGAIN.format(run=row_of(run), times=99))
    words = f"{row_of(run)}: nothing to do for this knock"

    def counted() -> int:
        return sum(words in line for line in scene.service.log.lines)

    assert wait_until(lambda: counted() == 99, 30), counted()
    scene.settle(30)
    assert counted() == 99
    assert scene.outcomes(run) == ["SUCCEEDED"]
    took = time.monotonic() - began
    matrix.record("100 messages for one run", "1 claim, 99 counted as nothing to do", took)


KNOCK_AGAIN = """
from tasks.broker import Knock, publish
from tasks.models import Run
knock = Knock.of(Run.objects.get(pk="{run}"))
publish([knock] * {times})
"""


def purge(stage: Stage) -> int:
    """How many messages it took out of the queue."""
    url = stage.scene.service.env["BROKER_URL"]
    host, _, vhost = url.partition("@")[2].partition("/")
    with amqp.Connection(host, virtual_host=vhost) as connection:
        return int(connection.channel().queue_purge("downbeat.default") or 0)
