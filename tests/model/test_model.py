"""Whatever owners, workers and conductors do in whichever order: the rows are as the protocol says.

Hypothesis looks for an order of steps in which they are not, and makes it short.
"""

import os
from typing import Any

import hypothesis.strategies as st
import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tasks.status import Priority
from tests.model.expected import Hold
from tests.model.world import ENDINGS, World, forged

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "60"))
STEPS = 40
TASKS = ("free_again", "gated_again", "free_parked", "gated_parked", "only_one")
PLACES = st.integers(0, 11)


class Life(RuleBasedStateMachine):
    """One world, and every step in it."""

    def __init__(self) -> None:
        super().__init__()
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        self.world = World()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._transaction.__exit__(None, None, None)

    def run_at(self, place: int) -> Any:
        return list(self.world.runs)[place % len(self.world.runs)]

    def hold_at(self, place: int, forgery: int) -> Hold:
        """Mostly a hold that an attempt was given, perhaps long ago; sometimes a forged one."""
        hold = self.world.holds[-1 - place % len(self.world.holds)]
        forgeries = forged(hold, self.run_at(place))
        return forgeries[forgery] if forgery < len(forgeries) else hold

    has_runs = precondition(lambda self: self.world.runs)
    has_holds = precondition(lambda self: self.world.holds)

    @rule(
        task=st.sampled_from(TASKS),
        owner=st.integers(0, 1),
        number=st.integers(0, 1),
        key=st.sampled_from([None, None, "a", "b"]),
        run_in=st.sampled_from([None, None, None, 55.0]),
        expires_in=st.sampled_from([None, None, 95.0]),
        priority=st.sampled_from(Priority),
    )
    def submit(self, **given: Any) -> None:
        self.world.submit(**given)

    @has_runs
    @rule(place=PLACES, limit=st.sampled_from([None, None, 1]))
    def claim(self, place: int, limit: int | None) -> None:
        self.world.claim(self.run_at(place), limit)

    @rule(task=st.sampled_from(TASKS), limit=st.sampled_from([None, 1, 2]))
    def claim_next(self, task: str, limit: int | None) -> None:
        self.world.claim_next(task, limit)

    @has_holds
    @rule(
        place=PLACES,
        forgery=st.integers(0, 9),
        verb=st.sampled_from(["heartbeat", "log", "save", "once", "lose"]),
    )
    def work(self, place: int, forgery: int, verb: str) -> None:
        getattr(self.world, verb)(self.hold_at(place, forgery))

    @has_holds
    @rule(
        place=PLACES,
        forgery=st.integers(0, 9),
        key=st.sampled_from(["charge", "mail"]),
        then=st.sampled_from(["complete", "complete", "act and die", "withdraw", "die"]),
    )
    def effect(self, place: int, forgery: int, key: str, then: str) -> None:
        hold = self.hold_at(place, forgery)
        if not self.world.begin(hold, key):
            return
        if then in ("complete", "act and die"):
            self.world.act(hold, key)
        if then in ("complete", "withdraw"):
            getattr(self.world, then)(hold, key)

    @has_holds
    @rule(place=PLACES, forgery=st.integers(0, 9), how=st.sampled_from(sorted(ENDINGS)))
    def finish(self, place: int, forgery: int, how: str) -> None:
        self.world.finish(self.hold_at(place, forgery), how)

    @has_runs
    @rule(place=PLACES, owner=st.integers(0, 1), as_admin=st.booleans())
    def cancel(self, place: int, owner: int, as_admin: bool) -> None:
        self.world.cancel(self.run_at(place), owner, as_admin=as_admin)

    @rule(verb=st.sampled_from(["recover", "expire", "start_due", "make_due"]))
    def conduct(self, verb: str) -> None:
        getattr(self.world, verb)()

    @rule(priority=st.sampled_from(Priority))
    def ring(self, priority: Priority) -> None:
        self.world.ring(priority)

    @rule(task=st.sampled_from(TASKS), limit=st.integers(1, 2))
    def make_next_due(self, task: str, limit: int) -> None:
        self.world.make_next_due(task, limit)

    @rule(seconds=st.sampled_from([13.0, 13.0, 37.0, 101.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @has_runs
    @rule(place=PLACES)
    def set_clock_back(self, place: int) -> None:
        self.world.set_clock_back(self.run_at(place))


@pytest.mark.database
@pytest.mark.django_db
def test_the_rows_are_as_the_protocol_says() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Life,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
