"""Each failpoint met with each fault, on each stack: every promise is kept.

At the published times all is played; at less, every point is met with a kill and with a lost
answer, and those around a claim, a heartbeat and an effect with a sleep and a stop, too.
"""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from bench.soak.__main__ import RATES, others_beside
from tasks.failpoints import Point
from tests.faults.matrix import Matrix
from tests.faults.playing import SLACK_SECONDS, Play, play
from tests.faults.scene import Scale, Scene, played
from tests.faults.trials import TRIALS, WAVES, Action, By, Trial
from tests.stacks.fixtures import NAMES, make_stack

SLOTS = 4
LONG = Trial(Point.CLAIM_COMMITTED, By.CHILD, "long_work")
SHORT = {
    Action.KILL: tuple(WAVES),
    Action.RAISE: tuple(WAVES),
    Action.SLEEP: ("start",),
    Action.STOP: ("start",),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES],
)
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scale: Scale
) -> Iterator[Scene]:
    """A service on this stack with two workers and two conductors: each has a colleague."""
    stack = make_stack(request, request.param)
    env = {**scale.times(), **RATES, "WORKER_PROCESSES": str(SLOTS)}
    folder = tmp_path_factory.mktemp(request.param)
    with played(stack, folder, **env) as scene, others_beside(scene.service, workers=1):
        yield scene


def test_each_point_is_tried_with_each_action_and_in_one_wave() -> None:
    for action in Action:
        assert {trial.point for trial in TRIALS if action in trial.actions} == set(Point)
    waved = [point for waves in WAVES.values() for wave in waves for point in wave]
    assert sorted(waved) == sorted(Point)


def test_what_other_runs_may_meet_is_begun_while_all_is_quiet() -> None:
    shared = {trial.point for trial in TRIALS if trial.is_shared}
    assert not shared & {p for waves in WAVES.values() for wave in waves for p in wave[1:]}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "about" in metafunc.fixturenames:
        is_all = metafunc.config.getoption("faults_scale", 0.1) >= 1
        pairs = [
            pytest.param(action, about, id=f"{action}-{about}")
            for action in Action
            for about in (WAVES if is_all else SHORT.get(action, ()))
        ]
        metafunc.parametrize(("action", "about"), pairs)


def test_every_promise_is_kept(
    scene: Scene, scale: Scale, matrix: Matrix, action: Action, about: str
) -> None:
    is_sqlite = "DATABASE_URL" not in scene.service.env
    for wave in WAVES[about]:
        trials = [
            trial
            for point in wave
            if is_sqlite or point is not Point.VERB_UNCOMMITTED
            for trial in TRIALS
            if trial.point is point and action in trial.actions
        ]
        play(scene, scale, trials, action, matrix)
    scene.check()


def test_the_runs_of_a_killed_worker_are_claimed_again(
    scene: Scene, scale: Scale, matrix: Matrix
) -> None:
    """Both workers are full, so that the one that is killed has as many runs as it can."""
    plays = [
        Play(scene, scale, LONG, Action.KILL, f"killed worker {number}")
        for number in range(2 * SLOTS)
    ]
    for each in plays:
        each.start()
    pids = {each.child(): each for each in plays}
    worker = scene.service.part("worker").pid
    cut_off = [
        pids[p.pid] for p in scene.service.processes() if p.parent == worker and p.pid in pids
    ]
    assert len(cut_off) == SLOTS
    os.kill(worker, signal.SIGKILL)
    killed_at = time.time()
    scene.settle(scale.recovery + 60)
    for each in cut_off:
        each.met_at = killed_at
        seconds = each.went_on()
        assert seconds is not None
        assert seconds < scale.recovery + SLACK_SECONDS, each.read()
        matrix.record(
            "kill -9 of a worker with 4 running runs", "all are claimed again; 37 s", seconds
        )
    scene.check()
