"""Any number of conductors may run: nothing is done twice."""

import sys

from backend.embedded.process import Process
from backend.embedded.service import MANAGE
from tests.faults.matrix import Matrix
from tests.faults.stage import Stage
from tests.stacks.machine import Log, wait_until


def test_two_conductors_do_nothing_twice(stage: Stage, matrix: Matrix) -> None:
    service, scene = stage.scene.service, stage.scene
    command = (sys.executable, *MANAGE[1:], "conductor")
    log = Log()
    second = Process("second", command, log.say, service.env, service.home)
    try:
        assert wait_until(lambda: any("ready, beside any others" in line for line in log.lines), 30)
        retried = [scene.start("retried_work", times=2) for _ in range(10)]
        short = scene.start_many("short_work", 20, number=7)
        took = scene.settle(60)
    finally:
        second.kill()
    assert {tuple(scene.outcomes(run)) for run in retried} == {("FAILED", "FAILED", "SUCCEEDED")}
    assert {tuple(scene.outcomes(run)) for run in short} == {("SUCCEEDED",)}
    matrix.record("a second conductor", "nothing is done twice", took)
