"""The supervisor: restarts, stops in time and leaves nothing behind."""

import os
import signal
import subprocess
import sys

import pytest

from tests.backend.embedded.supervised import (
    HAS_CHILDREN,
    IGNORES_SIGTERM,
    ROOT,
    SLEEPS,
    supervised,
)
from tests.stacks.machine import wait_until

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_parts_and_the_exit_code_is_0(number: signal.Signals) -> None:
    with supervised(("one", SLEEPS), ("two", HAS_CHILDREN)) as running:
        running.wait_for_parts(5)
        running.send(number)
        assert running.wait() < 2
        assert running.process.returncode == 0
        assert running.is_all_gone()


def test_a_part_that_ignores_sigterm_is_killed_within_five_seconds() -> None:
    with supervised(("polite", SLEEPS), ("deaf", IGNORES_SIGTERM)) as running:
        running.wait_for_parts(2)
        running.send(signal.SIGTERM)
        assert running.wait() < 5
        assert running.is_all_gone()
        assert "deaf did not stop in time and was killed" in running.output()


def test_a_second_ctrl_c_kills_at_once() -> None:
    with supervised(("deaf", IGNORES_SIGTERM)) as running:
        running.wait_for_parts(1)
        running.send(signal.SIGINT)
        assert not wait_until(lambda: running.process.poll() is not None, 0.5)
        running.send(signal.SIGINT)
        assert running.wait() < 1
        assert running.is_all_gone()


def test_kill_9_of_the_supervisor_leaves_no_process() -> None:
    with supervised(("deaf", IGNORES_SIGTERM), ("family", HAS_CHILDREN)) as running:
        running.wait_for_parts(5)
        running.send(signal.SIGKILL)
        assert running.is_all_gone()


@on_linux
def test_kill_9_of_the_supervisor_and_its_guards_leaves_no_part() -> None:
    with supervised(("one", SLEEPS), ("deaf", IGNORES_SIGTERM)) as running:
        running.wait_for_parts(2)
        for row in running.alive():
            if "guard.py" in row.command or row.pid == running.process.pid:
                os.kill(row.pid, signal.SIGKILL)
        assert running.is_all_gone()


def test_a_killed_part_is_started_again_and_the_others_stay() -> None:
    with supervised(("one", SLEEPS), ("two", SLEEPS)) as running:
        before = {row.pid for row in running.wait_for_parts(2)}
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        assert wait_until(lambda: len({row.pid for row in running.parts()} - before) == 1, 5)
        assert before - {killed} <= {row.pid for row in running.parts()}
        running.send(signal.SIGTERM)
        assert "ended (SIGKILL), starts again in" in running.output()


def test_children_that_outlive_their_part_are_ended_with_it() -> None:
    with supervised(("family", HAS_CHILDREN)) as running:
        family = running.wait_for_parts(4)
        pids = {row.pid for row in family}
        parent = next(row.pid for row in family if row.parent not in pids)
        os.kill(parent, signal.SIGKILL)
        assert wait_until(lambda: not pids & {row.pid for row in running.parts()}, 2)
        running.wait_for_parts(4)


def test_a_part_whose_guard_is_killed_is_started_again_once() -> None:
    with supervised(("one", IGNORES_SIGTERM)) as running:
        (before,) = running.wait_for_parts(1)
        os.kill(before.parent, signal.SIGKILL)
        assert wait_until(lambda: [row.pid for row in running.parts()] not in ([before.pid], []), 5)
        running.wait_for_parts(1)


def test_a_part_that_keeps_failing_is_tried_with_growing_pauses() -> None:
    with supervised(("broken", "raise SystemExit(3)")) as running:
        assert wait_until(lambda: running.process.poll() is not None, 3.5) is False
        running.send(signal.SIGTERM)
        said = [line for line in running.output().splitlines() if "starts again" in line]
        assert [line.split()[-2] for line in said[:2]] == ["1", "2"]
        assert "broken ended (exit code 3)" in said[0]


def test_the_part_that_stops_last_still_runs_while_the_others_end() -> None:
    slow = f"import signal, time; signal.signal(15, lambda *_: (time.sleep(1), exit())); {SLEEPS}"
    says = f"import signal; signal.signal(15, lambda *_: exit('asked')); {SLEEPS}"
    told = slow.replace("exit()", "exit('over')")
    with supervised(("base", says, True), ("user", told)) as running:
        running.wait_for_parts(2)
        assert wait_until(lambda: running.process.poll() is not None, 0.3) is False
        running.send(signal.SIGTERM)
        lines = running.output().splitlines()
        over = next(i for i, line in enumerate(lines) if line.endswith("| over"))
        asked = next(i for i, line in enumerate(lines) if line.endswith("| asked"))
        assert over < asked


def test_lines_carry_the_name_of_who_said_them() -> None:
    with supervised(("web", SLEEPS)) as running:
        running.wait_for_parts(1)
        assert wait_until(lambda: running.process.poll() is not None, 0.3) is False
        running.send(signal.SIGTERM)
        assert "web       | here" in running.output()


def test_the_lifeline_survives_a_closed_standard_input() -> None:
    code = (
        "from backend.embedded import home; home.fill_standard_streams(); "
        "from backend.embedded.process import Process; "
        "p = Process('x', ['sleep', '600'], print); "
        "import time; time.sleep(0.5); assert p.exit_code() is None; p.kill()"
    )
    done = subprocess.run(
        ("sh", "-c", 'exec "$0" -c "$1" <&- >&-', sys.executable, code),
        cwd=ROOT,
        capture_output=True,
        timeout=10,
    )
    assert (done.returncode, done.stderr) == (0, b"")
