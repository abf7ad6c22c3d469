"""The database's clock decides: a worker whose own clock is wrong holds its runs like any other."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.matrix import Matrix
from tests.faults.scene import Scale
from tests.faults.stage import Stage
from tests.faults.workers import another_worker, worker_of
from tests.stacks.machine import absent

HOUR = 3_600
SOURCE = Path(__file__).with_name("clock.c")


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that sets the time of day off; a program that fakes all clocks breaks waiting."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        absent("No C compiler for Linux is installed (cc): no clock can be set off")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, SOURCE], check=True)
    return made


def test_clocks_that_are_off_by_an_hour_end_no_lease(
    stage: Stage, matrix: Matrix, scale: Scale, clock: Path
) -> None:
    if not stage.private.servers:
        pytest.skip("SQLite is for one host, whose clock is also the database's")
    scene = stage.scene
    with ExitStack() as stack:
        workers = []
        for seconds in (HOUR, -HOUR):
            off = {"LD_PRELOAD": str(clock), "CLOCK_OFF": str(seconds)}
            assert abs(time_of_day(off) - time.time() - seconds) < 60
            skewed = another_worker(scene.service, WORKER_PROCESSES="1", **off)
            workers.append(stack.enter_context(skewed))
        runs = scene.start_many("long_work", 6, tenths=round(10 * scale.seconds(45)))
        scene.settle(60 + scale.seconds(90))
        took_part = {worker_of(scene, run) for run in runs}
        for worker in workers:
            assert took_part & {process.pid for process in worker.family()}
    assert [scene.outcomes(run) for run in runs] == [["SUCCEEDED"]] * len(runs)
    expected = "runs longer than a lease are performed in one attempt"
    matrix.record("clocks of workers that are an hour ahead and behind", expected, None)


def time_of_day(env: dict[str, str]) -> float:
    """What a process of this environment thinks that it is."""
    command = (sys.executable, "-c", "import datetime; print(datetime.datetime.now().timestamp())")
    done = subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)
    return float(done.stdout)
