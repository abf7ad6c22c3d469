"""The oracle is at rest with a work well done, and sees each way of breaking a promise."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tasks.models import Attempt, Effect, Event, File, Run
from tests.faults import promises
from tests.faults.ledger import Line
from tests.faults.promises import Story
from tests.faults.scene import played
from tests.stacks.service import Stack

NOW = datetime.fromisoformat("2026-11-25T12:00:00+00:00")
TOKENS = [uuid4(), uuid4(), uuid4()]


def told(task: str = "short_work", attempts: int = 1, **columns: Any) -> Story:
    """The story of a run that succeeded in its last attempt, and was LOST in those before."""
    token = TOKENS[attempts - 1]
    row = {
        "task": task,
        "status": "SUCCEEDED",
        "attempt": attempts,
        "token": token,
        "revision": 3 * attempts,
        "failures": attempts - 1,
        "max_failures": 10,
        "on_lost": "rerun",
        "may_have_repeated": attempts > 1,
        "result": {"attempt": attempts, "token": token.hex},
    }
    run = Run(**{**row, **columns})
    story = Story(run, events=[Event(number=1, kind="QUEUED")])
    for number in range(1, attempts + 1):
        is_last = number == attempts
        story.attempts.append(
            Attempt(
                number=number,
                token=TOKENS[number - 1],
                finished_at=NOW,
                outcome="SUCCEEDED" if is_last else "LOST",
            )
        )
        story.events.append(Event(number=3 * number - 1, kind="STARTED", attempt=number))
        kind = "SUCCEEDED" if is_last else "RETRIED"
        story.events.append(Event(number=3 * number, kind=kind, attempt=number))
        story.lines.append(Line(run.pk, number, TOKENS[number - 1], "began"))
    story.lines.append(Line(run.pk, attempts, token, "done"))
    return story


def breaches(story: Story) -> list[str]:
    """The names of the checks that find fault."""
    checks = (
        *promises.LOST, *promises.REPEATED, *promises.STALE, *promises.CONTRADICTING,
    )  # fmt: skip
    return [check.__name__ for check in checks if list(check(story))]


def did(story: Story, attempt: int = 1, phase: str = "effect") -> None:
    story.lines.append(Line(story.run.pk, attempt, TOKENS[attempt - 1], phase))


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_work_well_done_leaves_it_at_rest(attempts: int) -> None:
    assert breaches(told(attempts=attempts)) == []


def _open(story: Story) -> None:
    story.run.status = "QUEUED"


def _given_up(story: Story) -> None:
    story.run.status = "LOST"


def _given_up_before_its_effect(story: Story) -> None:
    story.run.status, story.run.on_lost, story.run.is_gated = "LOST", "park", True


def _unended(story: Story) -> None:
    story.attempts[0].outcome = None


def _missing(story: Story) -> None:
    del story.attempts[0], story.events[1]


def _ended_otherwise(story: Story) -> None:
    story.attempts[-1].outcome = "FAILED"


def _overspent(story: Story) -> None:
    story.run.failures = 5


def _went_on(story: Story) -> None:
    story.attempts[0].outcome = "SUCCEEDED"


def _beyond(story: Story) -> None:
    story.run.revision = 2


def _unstarted(story: Story) -> None:
    del story.events[1]


def _ended_twice(story: Story) -> None:
    story.events.append(Event(number=story.run.revision, kind="FAILED"))


def _canceled_in_vain(story: Story) -> None:
    story.events.insert(1, Event(number=1, kind="CANCEL_REQUESTED"))


def _canceled_and_lost(story: Story) -> None:
    story.run.status, story.run.cancel_requested_at = "LOST", NOW


def _leased(story: Story) -> None:
    story.run.lease_until = NOW


def _late_line(story: Story) -> None:
    late = Event(number=4, kind="LOGGED", attempt=1, at=NOW + timedelta(seconds=1))
    story.events.insert(-1, late)


def _result_of_another(story: Story) -> None:
    story.run.result = {"attempt": 1, "token": TOKENS[0].hex}


def _progress_of_another(story: Story) -> None:
    story.run.progress_message = "attempt 1"


def _unknown_token(story: Story) -> None:
    story.lines[0] = story.lines[0]._replace(token=uuid4())


def _began_twice(story: Story) -> None:
    did(story, 2, "began")


def _silent_repeat(story: Story) -> None:
    story.run.may_have_repeated = False


def _never_worked(story: Story) -> None:
    story.lines.pop()


@pytest.mark.parametrize(
    ("spoil", "finder"),
    [
        (_open, "it_is_over"),
        (_given_up, "it_was_not_given_up_early"),
        (_given_up_before_its_effect, "it_was_not_given_up_early"),
        (_unended, "its_attempts_add_up"),
        (_missing, "its_attempts_add_up"),
        (_ended_otherwise, "its_attempts_add_up"),
        (_overspent, "its_attempts_add_up"),
        (_went_on, "its_attempts_add_up"),
        (_beyond, "its_events_tell_the_same"),
        (_unstarted, "its_events_tell_the_same"),
        (_ended_twice, "its_events_tell_the_same"),
        (_canceled_in_vain, "its_cancel_held"),
        (_canceled_and_lost, "its_cancel_held"),
        (_leased, "nothing_was_written_after_its_end"),
        (_late_line, "nothing_was_written_after_its_end"),
        (_result_of_another, "only_the_holder_wrote"),
        (_progress_of_another, "only_the_holder_wrote"),
        (_unknown_token, "only_the_holder_wrote"),
        (_began_twice, "nothing_was_repeated_silently"),
        (_silent_repeat, "nothing_was_repeated_silently"),
        (_never_worked, "what_is_done_is_known"),
    ],
)
def test_each_breach_is_found(spoil: Callable[[Story], None], finder: str) -> None:
    story = told(attempts=2)
    spoil(story)
    assert finder in breaches(story)


def test_an_effect_that_was_to_be_parked_happens_once_at_most() -> None:
    story = told("parked_work", on_lost="park")
    assert breaches(story) == ["what_is_done_is_known"]
    did(story)
    assert breaches(story) == []
    did(story)
    assert breaches(story) == ["nothing_was_repeated_silently"]


def test_a_repeated_effect_is_excused_by_a_lost_attempt_and_the_run_s_own_word() -> None:
    story = told("mailed_work", attempts=2, is_gated=True)
    did(story, 1)
    did(story, 2)
    assert breaches(story) == []
    story.run.may_have_repeated = False
    assert breaches(story) == ["nothing_was_repeated_silently"]
    story.run.may_have_repeated = True
    story.attempts[0].outcome = "FAILED"
    assert breaches(story) == ["nothing_was_repeated_silently"]


def test_an_effect_in_the_database_happens_once() -> None:
    story = told("counted_work", is_gated=True)
    assert breaches(story) == ["what_is_done_is_known"]
    story.tallies = 1
    assert breaches(story) == []
    story.tallies = 2
    assert breaches(story) == ["what_is_done_is_known", "nothing_was_repeated_silently"]


def test_a_success_has_its_file_and_knows_its_effects() -> None:
    story = told("saved_work")
    assert breaches(story) == ["what_is_done_is_known"]
    story.files = [File(name="mark.txt")]
    assert breaches(story) == []
    story.effects = [Effect(key="charge")]
    assert breaches(story) == ["what_is_done_is_known"]


@pytest.mark.xdist_group("embedded")
def test_a_start_without_its_run_is_lost_and_work_without_one_is_stale(tmp_path: Path) -> None:
    """Over a whole service: all is well, until what is known is falsified."""
    with played(Stack("embedded"), tmp_path) as scene:
        for task, given in EVERY.items():
            scene.start(task, **given)
        scene.settle(30)
        scene.check()
        found = scene.verdict()
        assert (found["runs"], found["by_status"]) == (8, {"SUCCEEDED": 8})
        scene.acknowledge("start 1", str(uuid4()))
        with (tmp_path / "ledger").open("a") as ledger:
            ledger.write(f"{uuid4().hex},1,{uuid4().hex},began\n")
        found = scene.verdict()
        assert (len(found["lost"]), len(found["stale_writes"])) == (1, 1)


EVERY: dict[str, dict[str, Any]] = {
    "short_work": {"number": 1},
    "long_work": {"tenths": 3},
    "retried_work": {"times": 2},
    "parked_work": {"number": 1},
    "charged_work": {"number": 1},
    "mailed_work": {"number": 1},
    "counted_work": {"number": 1},
    "saved_work": {"number": 1},
}
