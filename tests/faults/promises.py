"""What must hold of each run once all is over, as checks on everything that is known about it.

Each check yields one sentence for each breach. What is excused, and why, is said in
docs/reliability.md.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.models import Attempt, Effect, Event, File, Run
from tasks.status import FINAL, Outcome, Status
from tests.faults.ledger import Line

# How an attempt can end so that nobody knows how far it came.
CUT_OFF = frozenset({Outcome.LOST, Outcome.RELEASED})
# Phases that stand for something done to the world.
ONCE_AT_MOST = "effect"
FINAL_KINDS = frozenset(status.value for status in FINAL)


@dataclass
class Story:
    """One run: its rows, what the ledger saw of it, and how often it counted in the database."""

    run: Run
    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    tallies: int = 0

    @property
    def was_cut_off(self) -> bool:
        """Whether some attempt before the last one may have come any far."""
        return any(attempt.outcome in CUT_OFF for attempt in self.attempts)


def it_is_over(story: Story) -> Iterator[str]:
    if story.run.status not in FINAL:
        yield f"is {story.run.status}"


def it_was_not_given_up_early(story: Story) -> Iterator[str]:
    """LOST is for what must not be repeated, and for a budget that is spent."""
    run = story.run
    is_spent = run.failures >= run.max_failures
    # An attempt that was given up on may still tell of its effect, after the end.
    known = [
        e.done_at
        for e in story.effects
        if e.done_at and e.done_at <= (run.finished_at or e.done_at)
    ]
    is_unsure = len(known) < len(story.effects)
    may_repeat = run.on_lost == "rerun" or (run.is_gated and not is_unsure)
    if run.status == Status.LOST and may_repeat and not is_spent:
        yield f"is LOST after {run.failures} of {run.max_failures} failures"


def its_attempts_add_up(story: Story) -> Iterator[str]:
    run, attempts = story.run, story.attempts
    if [a.number for a in attempts] != list(range(1, run.attempt + 1)):
        yield f"has attempt {run.attempt} and the attempts {[a.number for a in attempts]}"
    for attempt in attempts:
        if attempt.outcome is None or attempt.finished_at is None:
            yield f"attempt {attempt.number} has no end"
    if run.status in (Status.SUCCEEDED, Status.FAILED) and attempts[-1].outcome != run.status:
        yield f"is {run.status} but its last attempt {attempts[-1].outcome}"
    if any(a.outcome == Outcome.SUCCEEDED for a in attempts[:-1]):
        yield "went on after an attempt that had succeeded"
    spent = sum(a.outcome in (Outcome.FAILED, Outcome.LOST) for a in attempts)
    if not run.failures <= spent or run.failures > run.max_failures:
        yield f"spent {run.failures} of {run.max_failures}, by {spent} failed or lost attempts"


def its_events_tell_the_same(story: Story) -> Iterator[str]:
    numbers = [event.number for event in story.events]
    kinds = Counter(event.kind for event in story.events)
    if numbers and numbers[-1] > story.run.revision:
        yield f"has event {numbers[-1]} beyond its revision {story.run.revision}"
    if kinds["STARTED"] != len(story.attempts):
        yield f"started {kinds['STARTED']} times for {len(story.attempts)} attempts"
    finals = [event.kind for event in story.events if event.kind in FINAL_KINDS]
    if story.run.status in FINAL and finals != [story.run.status]:
        yield f"is {story.run.status} and its last words are {finals}"


def its_cancel_held(story: Story) -> Iterator[str]:
    """What was asked to stop may finish first, and never begins again."""
    kinds = [event.kind for event in story.events]
    if "CANCEL_REQUESTED" in kinds and "STARTED" in kinds[kinds.index("CANCEL_REQUESTED") :]:
        yield "began again after its cancel"
    asked = story.run.cancel_requested_at is not None
    if asked and story.run.status not in (Status.CANCELED, Status.SUCCEEDED, Status.FAILED):
        yield f"was canceled and is {story.run.status}"


def nothing_was_written_after_its_end(story: Story) -> Iterator[str]:
    """Else somebody wrote who held it no more."""
    ends = [event.number for event in story.events if event.kind in FINAL_KINDS]
    if ends and story.events[-1].number > ends[0]:
        yield f"went on with {story.events[-1].kind} after its end"
    if story.run.status in FINAL and story.run.lease_until is not None:
        yield "is over and has a lease"
    ended = {a.number: a.finished_at for a in story.attempts if a.finished_at is not None}
    for event in story.events:
        end = ended.get(event.attempt or 0)
        if event.kind == "LOGGED" and end is not None and event.at > end:
            yield f"attempt {event.attempt} logged after its end"


def only_the_holder_wrote(story: Story) -> Iterator[str]:
    """The tasks sign what they write; see tests.faults.work."""
    run, tokens = story.run, {a.number: a.token for a in story.attempts}
    if run.status == Status.SUCCEEDED:
        signed = run.result or {}
        if signed.get("attempt") != run.attempt:
            yield f"attempt {run.attempt} succeeded with the result of {signed.get('attempt')}"
        elif run.token is None or signed.get("token") != run.token.hex:
            yield "has a result with another token than its own"
        if run.progress_message not in (None, f"attempt {run.attempt}"):
            yield f"attempt {run.attempt} succeeded with the progress of {run.progress_message}"
    for line in story.lines:
        if tokens.get(line.attempt) != line.token:
            yield f"attempt {line.attempt} worked with a token that no attempt had"


def nothing_was_repeated_silently(story: Story) -> Iterator[str]:
    run = story.run
    worked = Counter(line.phase for line in story.lines)
    starts = Counter(line.attempt for line in story.lines if line.phase == "began")
    for attempt, times in starts.items():
        if times > 1:
            yield f"attempt {attempt} began {times} times"
    done = worked[ONCE_AT_MOST]
    if run.on_lost == "park" and done > 1:
        yield f"was to be parked, and its effect happened {done} times"
    if done > 1 and not (run.may_have_repeated and story.was_cut_off):
        yield f"its effect happened {done} times and it does not say so"
    before = {a.number for a in story.attempts[:-1] if a.outcome in CUT_OFF}
    if not run.is_gated and before & set(starts) and not run.may_have_repeated:
        yield f"was done again after attempts {sorted(before)} were cut off, and does not say so"
    if story.tallies > 1:
        yield f"counted {story.tallies} times in the database"


def what_is_done_is_known(story: Story) -> Iterator[str]:
    """A success without its effect would be lost work."""
    run = story.run
    if run.status != Status.SUCCEEDED:
        return
    phases = {line.phase for line in story.lines if line.attempt == run.attempt}
    if "done" not in phases:
        yield "succeeded, and the ledger saw no end of it"
    if run.task in EFFECTIVE and not any(line.phase == ONCE_AT_MOST for line in story.lines):
        yield "succeeded without its effect"
    if run.task == "counted_work" and story.tallies != 1:
        yield f"succeeded and counted {story.tallies} times in the database"
    if run.task == "saved_work" and len(story.files) != 1:
        yield f"succeeded with {len(story.files)} files"
    for effect in story.effects:
        if effect.done_at is None:
            yield f"succeeded and its effect {effect.key} is not known to be done"


EFFECTIVE = frozenset({"parked_work", "charged_work", "mailed_work"})

LOST = (it_is_over, it_was_not_given_up_early, what_is_done_is_known)
REPEATED = (nothing_was_repeated_silently,)
STALE = (nothing_was_written_after_its_end, only_the_holder_wrote)
CONTRADICTING = (its_attempts_add_up, its_events_tell_the_same, its_cancel_held)
