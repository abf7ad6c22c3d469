"""A failpoint does what it was armed for, once; unarmed it is nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks import failpoints
from tasks.failpoints import Point

ROOT = Path(__file__).parents[2]
HIT_TWICE = """
from tasks.failpoints import Point, hit
hit(Point.CLAIM_BEFORE)
print("past", flush=True)
hit(Point.FINISH_BEFORE)
hit(Point.FINISH_BEFORE)
print("over", flush=True)
"""


def hitting(folder: Path) -> "subprocess.Popen[str]":
    """A process that comes by three times, twice at finish.before."""
    return subprocess.Popen(
        [sys.executable, "-c", HIT_TWICE],
        env={**os.environ, "FAILPOINTS": str(folder)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def arm(folder: Path, action: str) -> None:
    (folder / Point.FINISH_BEFORE).write_text(action)


def met(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_armed_and_nothing_happens(tmp_path: Path) -> None:
    out, _ = hitting(tmp_path).communicate(timeout=30)
    assert out.split() == ["past", "over"]
    assert failpoints.hit is failpoints._pass, "a test's own process has no FAILPOINTS"


def test_kill(tmp_path: Path) -> None:
    arm(tmp_path, "kill")
    process = hitting(tmp_path)
    out, _ = process.communicate(timeout=30)
    assert (out.split(), process.returncode) == (["past"], -signal.SIGKILL)
    assert met(tmp_path) == ["finish.before.met"]
    assert (tmp_path / "finish.before.met").read_text() == str(process.pid)


def test_raise_once_as_if_the_database_did_not_answer(tmp_path: Path) -> None:
    arm(tmp_path, "raise")
    out, errors = hitting(tmp_path).communicate(timeout=30)
    assert out.split() == ["past"]
    assert "OperationalError: failpoint finish.before" in errors
    out, _ = hitting(tmp_path).communicate(timeout=30)
    assert out.split() == ["past", "over"], "met once, it is gone"


def test_sleep(tmp_path: Path) -> None:
    arm(tmp_path, "sleep 1")
    began = time.monotonic()
    out, _ = hitting(tmp_path).communicate(timeout=30)
    assert out.split() == ["past", "over"]
    assert time.monotonic() - began > 1


def test_stop_until_it_is_continued(tmp_path: Path) -> None:
    arm(tmp_path, "stop")
    process = hitting(tmp_path)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(process.pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=30)
    assert out.split() == ["past", "over"]


@pytest.mark.parametrize("point", list(Point))
def test_each_point_is_in_exactly_one_place(point: Point) -> None:
    code = "".join(path.read_text() for path in (ROOT / "tasks").glob("*.py"))
    assert len(re.findall(rf"failpoints\.hit\(Point\.{point.name}\)", code)) == 1
