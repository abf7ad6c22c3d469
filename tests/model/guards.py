"""Every guard of the protocol, what it keeps out, and the story that goes wrong without it.

A guard is one condition of a statement, wherever it stands in it, or part of the trigger, or a
unique index. Two that each suffice where the other stands are one guard with two locks.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest
from django.db import connection

from tasks import guard, statements
from tasks.sql import Verb
from tests.model import scenarios

TRIGGER = "trigger"
INDEX = "unique index"
SQLITE = "sqlite"


@dataclass(frozen=True)
class Guard:
    """`place` is a verb of tasks.statements, the trigger, or the unique indexes."""

    place: str
    conditions: tuple[str, ...]
    keeps_out: str
    story: Callable[[], None]
    instead: str = "TRUE"
    vendor: str | None = None
    """The only database that has it."""

    @property
    def caught_by(self) -> str:
        return getattr(self.story, "func", self.story).__name__

    def __str__(self) -> str:
        return f"{self.place}: {self.keeps_out}"

    @contextmanager
    def missing(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Without this guard; to be used in a transaction that is undone."""
        with monkeypatch.context() as patch:
            if self.place == INDEX:
                with connection.cursor() as cursor:
                    cursor.execute(f"DROP INDEX {self.conditions[0]}")
            elif self.place == TRIGGER:
                self._weaken_trigger(patch)
            else:
                patch.setattr(statements, self.place, self._weakened())
                if self.place == "SUBMIT":  # which asks the same once more to say why not
                    patch.setattr(statements, "IS_FULL", self._without(single(statements.IS_FULL)))
            yield

    def _weakened(self) -> Verb:
        verb: Verb = getattr(statements, self.place)
        without = replace(
            verb,
            change=self._without(single(verb.change)),
            then=tuple(self._without(single(then)) for then in verb.then),
        )
        assert without != replace(
            verb, change=single(verb.change), then=tuple(map(single, verb.then))
        ), f"{self} does not stand there"
        return without

    def _weaken_trigger(self, patch: pytest.MonkeyPatch) -> None:
        statements_of = {"postgresql": "_postgresql", SQLITE: "_sqlite"}[connection.vendor]
        whole = getattr(guard, statements_of)()
        weak = [self._without(single(statement)) for statement in whole]
        assert weak != [single(statement) for statement in whole], f"{self} does not stand there"
        patch.setattr(guard, statements_of, lambda: weak)
        guard.install("default")

    def _without(self, text: str) -> str:
        for condition in self.conditions:
            # Not as the end of a longer name: `id = ...` is no part of `run_id = ...`.
            pattern = rf"(?<![\w.]){re.escape(condition)}(?!\w)"
            text = re.sub(pattern, lambda _: self.instead, text)
        return text


def single(text: str) -> str:
    """With single spaces."""
    return " ".join(text.split())


_UNSURE = single(statements._IS_UNSURE)
_MAY_REPEAT = single(statements._MAY_REPEAT)
_NOT_LATE = "NOT COALESCE(attempt = 0 AND expires_at <= {now}, FALSE)"
_LIMIT = "(%(limit)s IS NULL OR " + single(statements._MAY_START).partition(" IS NULL OR ")[2]
_OF_RUN_DUE = statements._OF_RUN_DUE
_WAITS = "status IN ('SCHEDULED', 'QUEUED')"
_KNOWN = "EXISTS (SELECT 1 FROM tasks_effect WHERE run_id = %(id)s AND key = %(key)s)"
_MOVES = single(guard._broken("")).partition(" OR NEW.id")[0]


def _of_holds() -> Iterator[Guard]:
    for verb in scenarios.HOLDING:
        story = partial(scenarios.only_the_holder_writes, verb)
        for condition, keeps_out in (
            ("id = %(id)s", "the holder of another run"),
            ("status = 'RUNNING'", "an attempt that is over"),
            ("attempt = %(attempt)s", "an attempt of another number"),
            ("token = %(token)s", "who knows the attempt's number, and does not hold the run"),
        ):
            yield Guard(verb, (condition,), keeps_out, story)


def _of_ends() -> Iterator[Guard]:
    end, loss = scenarios.an_end_is_as_it_must_be, scenarios.a_loss_is_as_it_must_be
    for verb, story in (("HAND_BACK", end), ("LOSE", loss), ("RECOVER", loss)):
        other = partial(scenarios.only_the_holder_writes, verb) if verb != "RECOVER" else loss
        for conditions, keeps_out, caught_by, instead in (
            ("tasks_effect.run_id = tasks_run.id", "doubts about another run", story, "TRUE"),
            ("tasks_effect.done_at IS NULL", "doubts about what is done", story, "TRUE"),
            ("tasks_attempt.run_id = u.id", "the end of another run's attempt", story, "TRUE"),
            ("tasks_attempt.number = u.attempt", "an earlier attempt's second end", other, "TRUE"),
            ("failures + 1 >= max_failures", "attempts beyond the budget", story, "FALSE"),
            ("cancel_requested_at IS NOT NULL", "another attempt after a cancel", story, "FALSE"),
            (
                f"is_gated AND NOT {_UNSURE}",
                "another attempt of a parked run of which nothing can be known",
                story,
                f"NOT {_UNSURE}",
            ),
            (
                f"is_gated AND NOT {_UNSURE}",
                "another attempt of a parked run whose effect is in doubt",
                story,
                "is_gated",
            ),
            ("NOT is_gated", "a doubt where every effect is known", story, "TRUE"),
        ):
            yield Guard(verb, (conditions,), keeps_out, caught_by, instead)
    for condition, keeps_out, caught_by in (
        ("tasks_attempt.run_id = u.id", "the end of another run's attempt", end),
        (
            "tasks_attempt.number = u.attempt",
            "an earlier attempt's second end",
            partial(scenarios.only_the_holder_writes, "FINISH"),
        ),
    ):
        yield Guard("FINISH", (condition,), keeps_out, caught_by)
    for condition, keeps_out in (
        (f"(on_lost = 'park' AND {_UNSURE})", "a retry of a parked run with an effect in doubt"),
        (f"(%(cut_off)s AND NOT {_MAY_REPEAT})", "a retry of a parked run that was cut off"),
        (f"%(status)s = 'QUEUED' AND NOT {_MAY_REPEAT}", "a release of the same"),
        ("%(cut_off)s AND NOT is_gated", "a repetition in silence"),
    ):
        yield Guard("HAND_BACK", (condition,), keeps_out, end, "FALSE")
    for verb in ("LOSE", "RECOVER"):
        yield Guard(verb, (f"NOT {_MAY_REPEAT}",), "a parked run's next attempt", loss, "FALSE")
        said = "= 'SCHEDULED' AND NOT is_gated"
        yield Guard(verb, (said,), "a repetition in silence", loss, "= 'NEVER'")


def _of_effects() -> Iterator[Guard]:
    for condition, keeps_out, instead in (
        ("run_id = %(id)s", "another run's effect of the same name", "TRUE"),
        ("key = %(key)s", "the run's other effects", "TRUE"),
        ("done_at IS NOT NULL", "an effect that is done", "FALSE"),
        ("tasks_run.on_lost = 'park'", "a second begin of what must not happen twice", "FALSE"),
        ("(done_at IS NOT NULL OR tasks_run.on_lost = 'park')", "no effect that may be", "TRUE"),
        (
            f"NOT {_KNOWN[:-1]} AND (done_at IS NOT NULL OR tasks_run.on_lost = 'park'))",
            "any effect that must not begin",
            "TRUE",
        ),
        (f"may_have_repeated OR {_KNOWN}", "a repetition in silence", "may_have_repeated"),
    ):
        story = scenarios.an_effect_is_begun_once
        yield Guard("BEGIN_EFFECT", (condition,), keeps_out, story, instead)


def _of_claims() -> Iterator[Guard]:
    for verb, which, keeps_out in (
        ("CLAIM", "id = %(id)s", "other runs than the one asked for"),
        ("CLAIM_NEXT", "task = %(task)s", "another task's runs"),
    ):
        for condition, what in (
            (which, keeps_out),
            ("status = 'QUEUED'", "a run that is held, over, or not yet due"),
            (_NOT_LATE, "a first start that comes too late"),
            (_LIMIT, "more running runs than the task allows"),
            ("other.task = tasks_run.task", "other tasks' runs in the count"),
            ("other.status = 'RUNNING'", "runs that do not run in the count"),
        ):
            yield Guard(verb, (condition,), what, scenarios.one_attempt_claims)


def _of_rounds() -> Iterator[Guard]:
    late, due = scenarios.what_is_late_expires, scenarios.what_is_due_is_rung
    soon = scenarios.the_next_ones_are_made_due
    queued, planned = "status = 'QUEUED'", "status = 'SCHEDULED'"
    for verb, conditions, keeps_out, story in (
        ("EXPIRE", (_WAITS, _OF_RUN_DUE, "ring_at <= {now}"), "a run that waits for nothing", late),
        ("EXPIRE", ("attempt = 0",), "a run that did start", late),
        ("EXPIRE", ("expires_at <= {now}",), "a run that has time", late),
        ("START_DUE", (planned, "status <> 'QUEUED'"), "a second start", due),
        ("START_DUE", ("ring_at <= {now}",), "a start before its time", due),
        ("MAKE_DUE", (queued,), "a plan or retry before its time", due),
        ("MAKE_DUE", ("ring_at > {now}",), "a batch that never gets smaller", due),
        ("MAKE_DUE", ("(%(tasks)s IS NULL OR task IN ({texts}))",), "other tasks", due),
        ("MAKE_NEXT_DUE", (queued,), "what cannot be claimed", soon),
        ("MAKE_NEXT_DUE", ("task = %(task)s",), "other tasks", soon),
        ("MAKE_NEXT_DUE", (_NOT_LATE,), "what is too late to start", soon),
        ("MAKE_NEXT_DUE", ("other.task = %(task)s",), "other tasks in the count", soon),
        ("MAKE_NEXT_DUE", ("other.status = 'RUNNING'",), "waiting runs in the count", soon),
        ("RING", (queued,), "knocks for what cannot be claimed", due),
        ("RING", ("priority = %(priority)s",), "less urgent runs in the batch", due),
        ("RING", ("ring_at <= {now}",), "knocks without end", due),
    ):
        yield Guard(verb, conditions, keeps_out, story)
    lease = "{now} AND {after}1.5 * %(lease)s{seconds}"
    loss = scenarios.a_loss_is_as_it_must_be
    yield Guard("RECOVER", (f"NOT lease_until BETWEEN {lease}",), "a living worker's run", loss)
    far = "a lease that ends later than any can"
    yield Guard("RECOVER", (f"BETWEEN {lease}",), far, loss, "BETWEEN {now} AND {never}")


def _of_clients() -> Iterator[Guard]:
    start, cancel = scenarios.a_start_is_one_run, scenarios.a_cancel_is_the_owners
    room = single(f"{statements._WAITING} + place < %(most)s")
    anybody = "(%(owner_id)s{key} IS NULL OR owner_id = %(owner_id)s{key})"
    for place, condition, keeps_out, story in (
        ("SUBMIT", room, "more waiting runs than one owner may have", start),
        ("SUBMIT", "owner_id = %(owner_id)s", "other owners' runs in the count", start),
        ("SUBMIT", _WAITS, "runs that do not wait in the count", start),
        (INDEX, "run_idempotency_key", "a second run of the same key", start),
        (INDEX, "run_unique_input", "a second open run of a unique task", start),
        ("CANCEL", "id {in}%(ids)s{in_end}", "runs that nobody named", cancel),
        ("CANCEL", anybody, "other owners' runs", cancel),
        ("CANCEL", "status IN ('SCHEDULED', 'QUEUED', 'RUNNING')", "what is over", cancel),
        ("CANCEL", "cancel_requested_at IS NULL", "a second cancel", cancel),
    ):
        yield Guard(place, (condition,), keeps_out, story)


def _of_trigger() -> Iterator[Guard]:
    for condition, keeps_out, instead in (
        (_MOVES, "a move that is none, and every change of a final row", "FALSE"),
        ("NEW.id <> OLD.id", "another id", "FALSE"),
        ("NEW.revision < OLD.revision", "a revision that falls", "FALSE"),
        ("OLD.status = 'RUNNING' AND NEW.status = 'RUNNING'", "another token", "FALSE"),
        ("NEW.attempt <> OLD.attempt", "another attempt without a claim", "FALSE"),
        ("NEW.attempt = OLD.attempt + 1", "an attempt that is left out", "TRUE"),
        ("OLD.status = 'QUEUED' AND NEW.status = 'RUNNING'", "an attempt without a claim", "TRUE"),
    ):
        yield Guard(TRIGGER, (condition,), keeps_out, scenarios.no_statement_breaks_a_life, instead)
    yield Guard(
        TRIGGER,
        ("EXISTS (SELECT 1 FROM tasks_run WHERE id = NEW.id)",),
        "a row in the place of another",
        scenarios.no_statement_breaks_a_life,
        "FALSE",
        SQLITE,
    )


GUARDS = (
    *_of_clients(),
    *_of_claims(),
    *_of_holds(),
    *_of_effects(),
    *_of_ends(),
    *_of_rounds(),
    *_of_trigger(),
)

# Conditions that keep nothing out.
FOR_THE_INDEX = {
    ("EXPIRE", "priority IN (0, 1, 2)"): "every run has one of these",
    ("START_DUE", "priority IN (0, 1, 2)"): "every run has one of these",
    ("START_DUE", _OF_RUN_DUE): "what is over or held has no time to ring at",
    ("RING", _OF_RUN_DUE): "said once more by `status = 'QUEUED'`",
    ("RECOVER", "status = 'RUNNING'"): "a run that is not RUNNING has no lease",
}
