"""One thread looks after all runs of a process, whatever one of them does."""

import os
import threading
import time
from collections.abc import Callable

import pytest

from tasks import pulse
from tasks.pulse import Pulse


class Watched:
    """Counts the looks at it; `look` is what happens at each."""

    def __init__(self, look: Callable[[], object] = lambda: None) -> None:
        self.beats = 0
        self._look = look

    def beat(self) -> None:
        self.beats += 1
        self._look()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 10 seconds"
        time.sleep(0.005)


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> Pulse:
    monkeypatch.setattr(pulse, "TICK_SECONDS", 0.01)
    return Pulse()


def test_it_looks_again_and_again_until_it_is_left(beating: Pulse) -> None:
    watched = Watched()
    beating.follow(watched)
    until(lambda: watched.beats >= 3)
    beating.leave(watched)
    beats = watched.beats
    time.sleep(0.1)
    assert watched.beats == beats


def test_who_leaves_waits_for_the_look_that_is_under_way(beating: Pulse) -> None:
    seen, go_on, left = threading.Event(), threading.Event(), threading.Event()

    def look() -> None:
        seen.set()
        go_on.wait(10)

    watched = Watched(look)
    beating.follow(watched)
    assert seen.wait(10)

    def leave() -> None:
        beating.leave(watched)
        left.set()

    leaving = threading.Thread(target=leave)
    leaving.start()
    assert not left.wait(0.2)
    go_on.set()
    assert left.wait(10)
    leaving.join()


def test_a_look_that_fails_disturbs_no_other(beating: Pulse) -> None:
    bad, good = Watched(lambda: 1 / 0), Watched()
    beating.follow(bad)
    beating.follow(good)
    until(lambda: bad.beats >= 2 and good.beats >= 2)
    beating.leave(bad)
    beating.leave(good)


def test_it_rests_without_a_run_and_wakes_with_the_next(beating: Pulse) -> None:
    first, second = Watched(), Watched()
    beating.follow(first)
    until(lambda: first.beats > 0)
    beating.leave(first)
    until(lambda: not beating._is_wanted.is_set())
    beating.follow(second)
    until(lambda: second.beats > 0)
    beating.leave(second)


def test_a_thread_that_is_gone_is_replaced(beating: Pulse) -> None:
    beating._thread = gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    watched = Watched()
    beating.follow(watched)
    until(lambda: watched.beats > 0)
    beating.leave(watched)


def test_a_forked_child_has_a_pulse_of_its_own() -> None:
    watched, before = Watched(), pulse.PULSE
    before.follow(watched)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if pulse.PULSE is not before and pulse.PULSE._thread is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert pulse.PULSE is before
    before.leave(watched)
