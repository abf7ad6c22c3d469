"""While the broker is away starts are answered as ever, and their runs begin when it is back."""

import statistics
import time
from contextlib import AbstractContextManager

import pytest

from tests.faults import rows
from tests.faults.brokers import ServedBroker
from tests.faults.matrix import Matrix
from tests.faults.scene import Scale, Scene
from tests.faults.stage import Stage
from tests.stacks.fixtures import on
from tests.stacks.machine import wait_until
from tests.stacks.rabbitmq import RabbitServer

ANSWER_SECONDS = 1.0  # half of all answers are quicker: far more than they need, far less than
# any time limit of a broker's client
BEGIN_SECONDS = 5.0  # from the broker's return
ATTEMPTS = "SELECT COUNT(*) FROM tasks_attempt"
served = pytest.mark.parametrize("stage", on("postgres-redis", "postgres-rabbitmq"), indirect=True)
with_rabbitmq = pytest.mark.parametrize("stage", on("postgres-rabbitmq"), indirect=True)


def begun(scene: Scene) -> int:
    return rows.number(scene.service, ATTEMPTS)


def start_at_usual_speed(scene: Scene, count: int) -> float:
    """Start so many runs; the median of the seconds until their answers."""
    took = list[float]()
    for number in range(count):
        asked = time.monotonic()
        scene.start("short_work", number=number)
        took.append(time.monotonic() - asked)
    assert statistics.median(took) < ANSWER_SECONDS, took
    return statistics.median(took)


def go_without(
    stage: Stage, scale: Scale, away: AbstractContextManager[None]
) -> tuple[float, float]:
    """The median answer meanwhile, and the seconds from the return to the first of the runs."""
    scene, count = stage.scene, scale.count(200)
    with away:
        until, before = time.monotonic() + scale.outage(60), begun(scene)
        median = start_at_usual_speed(scene, count)
        time.sleep(max(0.0, until - time.monotonic()))
        assert begun(scene) == before
    back = time.monotonic()
    assert wait_until(lambda: begun(scene) > before, 60), scene.service.log.tail()
    took = time.monotonic() - back
    scene.settle(60 + count * 0.1)
    assert begun(scene) == before + count
    return median, took


def test_a_silent_broker_delays_no_answer(stage: Stage, matrix: Matrix, scale: Scale) -> None:
    median, took = go_without(stage, scale, stage.broker.silent())
    assert took < BEGIN_SECONDS
    fault = "the broker is silent for 60 s (takes words and answers none)"
    matrix.record(fault, "starts are answered as ever (the median)", median)
    matrix.record(fault, "runs begin within 5 s of its return", took)


@served
def test_a_stopped_broker_delays_no_answer(stage: Stage, matrix: Matrix, scale: Scale) -> None:
    assert isinstance(stage.broker, ServedBroker)
    median, took = go_without(stage, scale, stage.broker.away())
    assert took < BEGIN_SECONDS
    fault = "the broker is stopped for 60 s"
    matrix.record(fault, "starts are answered as ever (the median)", median)
    matrix.record(fault, "runs begin within 5 s of its return", took)


@with_rabbitmq
def test_a_killed_rabbitmq_loses_nothing_of_what_is_started_meanwhile(
    stage: Stage, matrix: Matrix, scale: Scale
) -> None:
    scene, before = stage.scene, begun(stage.scene)
    runs = scene.start_many("short_work", scale.count(200), number=5)
    stage.broker.die()
    back = time.monotonic()
    runs += scene.start_many("short_work", scale.count(200), number=6)
    scene.settle(90)
    assert begun(scene) == before + len(runs)
    took = time.monotonic() - back
    matrix.record("RabbitMQ is killed -9 with runs in its queue", "all are performed, once", took)


@with_rabbitmq
def test_no_knock_counts_as_published_that_an_alarmed_rabbitmq_did_not_confirm(
    stage: Stage, matrix: Matrix
) -> None:
    scene, server = stage.scene, stage.private.servers["broker"]
    assert isinstance(server, RabbitServer)
    left = "knocks left to the conductor"

    def times_left() -> int:
        return sum(left in line for line in scene.service.log.lines)

    with server.alarmed():
        before, said = begun(scene), times_left()
        start_at_usual_speed(scene, 20)
        assert wait_until(lambda: times_left() > said, 40), scene.service.log.tail()
        assert begun(scene) == before
    back = time.monotonic()
    scene.settle(90)
    assert begun(scene) == before + 20
    took = time.monotonic() - back
    fault = "RabbitMQ is out of memory and takes no messages"
    matrix.record(fault, "what it did not confirm is rung for: all are performed, once", took)
