"""Tasks that misbehave: their runs end with a code, their worker lives, and its slots are free.

What the kernel does to a process when memory is short, it does by SIGKILL; here the process does so
itself, because a limit of the kernel for a group of processes is not to be had everywhere.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from bench.soak.__main__ import RATES
from tests.faults.matrix import Matrix
from tests.faults.scene import Scale, Scene, played
from tests.stacks.fixtures import NAMES, make_stack
from tests.stacks.machine import wait_until

CANCEL = "mutation($id: ID!) { cancelRun(id: $id) { errors { code } } }"
# What tests.faults.work.odd can raise; imported, it would declare its tasks to other tests here.
ODDITIES = (
    *("MemoryError", "RecursionError", "SystemExit", "KeyboardInterrupt"),
    *("Unpicklable", "Nothing"),
)
SLOTS = 2
TOLD_SECONDS = 2.5  # of a child's death, by its main process: less than any lease


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES],
)
def whole_scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scale: Scale
) -> Iterator[Scene]:
    """A service on this stack with one worker."""
    stack = make_stack(request, request.param)
    env = {**scale.times(), **RATES, "WORKER_PROCESSES": str(SLOTS)}
    with played(stack, tmp_path_factory.mktemp(request.param), **env) as scene:
        yield scene


@pytest.fixture
def scene(whole_scene: Scene) -> Iterator[Scene]:
    """The same; after each test its worker is the one it was, with all its slots."""
    worker = whole_scene.service.part("worker").pid
    yield whole_scene
    assert whole_scene.service.part("worker").pid == worker
    runs = [whole_scene.start("long_work", tenths=600) for _ in range(SLOTS)]
    assert wait_until(lambda: _are_running(whole_scene, runs), 20), whole_scene.service.log.tail()
    for run in runs:
        whole_scene.client.ask(CANCEL, id=run)
    whole_scene.settle(20)
    whole_scene.check()


def _are_running(scene: Scene, runs: list[str]) -> bool:
    return {scene.client.read(run)["status"] for run in runs} == {"RUNNING"}


def outcomes(run: dict[str, Any]) -> list[str]:
    return [attempt["outcome"] for attempt in run["attempts"]]


def ended(scene: Scene, task: str, **given: Any) -> tuple[str, str, list[str]]:
    """How such a run ended: status, code, and the outcomes of its attempts."""
    run = scene.client.finished(scene.start(task, **given))
    return run["status"], run["error"]["code"], outcomes(run)


@pytest.mark.parametrize("what", ODDITIES)
def test_whatever_a_task_raises_fails_its_run_alone(
    scene: Scene, matrix: Matrix, what: str
) -> None:
    assert ended(scene, "raising_work", what=what) == ("FAILED", "TASK_ERROR", ["FAILED"])
    kind = {"Nothing": "a BaseException", "Unpicklable": "an error that cannot be pickled"}
    matrix.record(f"a task raises {kind.get(what, what)}", "FAILED: TASK_ERROR", None)


def test_a_poison_pill_has_its_budget_and_no_other_suffers(scene: Scene, matrix: Matrix) -> None:
    other = scene.start("long_work", tenths=50)
    assert ended(scene, "poisonous_work", number=1) == ("LOST", "WORKER_LOST", ["LOST"] * 3)
    assert outcomes(scene.client.finished(other)) == ["SUCCEEDED"]
    query = "{ runs(first: 2) { nodes { task { name } attempts { startedAt finishedAt } } } }"
    nodes = scene.client.ask(query)["runs"]["nodes"]
    (run,) = [node for node in nodes if node["task"]["name"] == "poisonous_work"]
    took = [seconds_between(each["startedAt"], each["finishedAt"]) for each in run["attempts"]]
    assert max(took) < TOLD_SECONDS, f"{took}: by the lease, not by the main process"
    matrix.record(
        "a task kills its process each time", "LOST after its budget; no other suffers", max(took)
    )


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def test_a_task_that_ignores_its_soft_limit_ends_at_the_hard_one(
    scene: Scene, matrix: Matrix
) -> None:
    assert ended(scene, "stubborn_work", number=1) == ("FAILED", "TIME_LIMIT", ["FAILED"])
    matrix.record("a task ignores its soft time limit", "FAILED: TIME_LIMIT, at the hard one", None)


def test_a_task_that_holds_the_interpreter_is_ended_with_its_process(
    scene: Scene, matrix: Matrix
) -> None:
    """No thread of its process can say why, so it is the loss of that process."""
    assert ended(scene, "greedy_work", number=1) == ("LOST", "WORKER_LOST", ["LOST"])
    matrix.record(
        "a task holds the interpreter beyond its time limit", "LOST; its process is ended", None
    )
