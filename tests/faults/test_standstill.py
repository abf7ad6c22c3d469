"""A worker that stands still is given up on; when it goes on, nothing that it writes counts."""

import time

from tests.faults.matrix import Matrix
from tests.faults.scene import Scale
from tests.faults.stage import Stage
from tests.faults.workers import (
    SLACK_SECONDS,
    TAKEN_OVER,
    another_worker,
    held_by,
    is_done_elsewhere,
    own_worker,
    standing_still,
    start_on,
    until_fenced,
)
from tests.stacks.machine import wait_until


def test_a_worker_that_stood_still_finds_its_runs_taken_over(
    stage: Stage, matrix: Matrix, scale: Scale
) -> None:
    scene = stage.scene
    with another_worker(scene.service, WORKER_PROCESSES="4"):
        family = own_worker(scene.service)
        runs = start_on(scene, family, 6, scale)
        with standing_still(scene.service, family):
            frozen = time.monotonic()
            mine = held_by(scene, runs, family)
            assert mine
            assert wait_until(lambda: is_done_elsewhere(scene, mine), scale.recovery + 60), mine
            took = time.monotonic() - frozen
            scene.settle(60)
            ended = {run: scene.client.read(run) for run in runs}
            time.sleep(max(0.0, scale.seconds(120) - (time.monotonic() - frozen)))
        until_fenced(scene.service.log, mine)
        assert {run: scene.client.read(run) for run in runs} == ended
    for run in runs:
        assert scene.outcomes(run) == (["LOST", "SUCCEEDED"] if run in mine else ["SUCCEEDED"])
    assert took < scale.recovery + SLACK_SECONDS
    expected = f"{TAKEN_OVER}; what the woken one writes changes nothing"
    matrix.record("SIGSTOP of a worker for 120 s, then SIGCONT", expected, took)
