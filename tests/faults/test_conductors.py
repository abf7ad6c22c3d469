"""Any number of conductors may run: nothing is done twice."""

import sys

from backend.embedded.process import Process
from backend.embedded.service import MANAGE
from tests.faults.matrix import Matrix
from tests.faults.stage import Stage


def test_two_conductors_do_nothing_twice(stage: Stage, matrix: Matrix) -> None:
    service, scene = stage.scene.service, stage.scene
    command = (sys.executable, *MANAGE[1:], "conductor")
    second = Process("second", command, service.log.say, service.env, service.home)
    try:
        retried = [scene.start("retried_work", times=2) for _ in range(10)]
        short = scene.start_many("short_work", 20, number=7)
        took = scene.settle(60)
    finally:
        second.kill()
    assert {tuple(scene.outcomes(run)) for run in retried} == {("FAILED", "FAILED", "SUCCEEDED")}
    assert {tuple(scene.outcomes(run)) for run in short} == {("SUCCEEDED",)}
    matrix.record("a second conductor", "nothing is done twice", took)
