"""Short stories that go wrong as soon as one guard is missing; each in worlds of its own."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from tasks.models import Run
from tasks.status import Priority
from tests.model.expected import Hold
from tests.model.world import QUOTA, World, forged

HOLDING: dict[str, Callable[[World, Hold], object]] = {
    "HEARTBEAT": World.heartbeat,
    "LOG": World.log,
    "SAVE_FILE": World.save,
    "BEGIN_EFFECT": World.begin,
    "STILL_HELD": World.once,
    "FINISH": lambda world, hold: world.finish(hold, "success"),
    "HAND_BACK": lambda world, hold: world.finish(hold, "release"),
    "LOSE": World.lose,
}
TASKS = ("free_again", "gated_again", "free_parked", "gated_parked")


@contextlib.contextmanager
def apart() -> Iterator[World]:
    """A world that leaves nothing behind."""
    with transaction.atomic():
        world = World(is_thorough=False)
        yield world
        world.agree_on_all()
        transaction.set_rollback(True)


def held(world: World, run: UUID) -> Hold:
    hold = world.claim(run)
    assert hold is not None
    return hold


def only_the_holder_writes(verb: str) -> None:
    """Holds that are forged, over, or of an earlier attempt change nothing; the holder's does."""
    write = HOLDING[verb]
    with apart() as world:
        run, other = world.submit("gated_again"), world.submit("gated_again", number=1)
        hold, beside = held(world, run), held(world, other)
        for each in (*forged(hold, other), *forged(beside, run)):
            write(world, each)
        world.finish(hold, "retry")
        write(world, hold)  # nobody holds it
        world.pass_time(13)
        world.start_due()
        write(world, hold)
        later = held(world, run)
        write(world, hold)  # taken over
        write(world, later)
        write(world, beside)


def an_end_is_as_it_must_be() -> None:
    """Every way in which an attempt may end, whatever is known of its effects."""
    _the_budget_is_spent(lambda world, hold: world.finish(hold, "retry"))
    ways = ("retry", "time limit", "release")
    cases = itertools.product(TASKS, ways, ("none", "begun", "done"), (False, True))
    plain = itertools.product(TASKS, ("failure", "canceled", "success"), ("begun",), (False,))
    for task, way, effect, is_asked in (*cases, *plain):
        with apart() as world:
            hold = _with_effect(world, task, effect, is_asked)
            world.finish(hold, way)
            world.finish(hold, way)  # as if the answer had been lost


def a_loss_is_as_it_must_be() -> None:
    """So for an attempt whose worker is gone, known to be dead or silent."""
    _the_budget_is_spent(World.lose)
    with apart() as world:
        run = world.submit("gated_again")
        world.finish(held(world, run), "retry")
        world.pass_time(13)
        world.start_due()
        held(world, run)
        held(world, world.submit("gated_again", owner=1))
        world.set_clock_back(run)
        world.recover()
        world.start_due()
        held(world, run)
        world.pass_time(37)
        world.recover()
    for task, effect, is_asked, is_known in itertools.product(
        TASKS, ("none", "begun", "done"), (False, True), (False, True)
    ):
        with apart() as world:
            hold = _with_effect(world, task, effect, is_asked)
            if is_known:
                world.lose(hold)
            else:
                world.recover()  # it may still live
                world.pass_time(37)
                world.recover()
            world.heartbeat(hold)


def _with_effect(world: World, task: str, effect: str, is_asked: bool) -> Hold:
    """An attempt beside others: one with an effect in doubt, one that waits, one that is over."""
    beside = held(world, world.submit("gated_again", number=1, owner=1))
    world.begin(beside)
    over = held(world, world.submit(task, number=2, owner=1))
    world.finish(over, "success")
    hold = held(world, world.submit(task))
    if effect != "none":
        world.begin(hold)
        world.act(hold)
    if effect == "done":
        world.complete(hold)
    if is_asked:
        world.cancel(hold[0])
    return hold


def _the_budget_is_spent(end: Callable[[World, Hold], None]) -> None:
    with apart() as world:
        run = world.submit("gated_again")  # three attempts
        for _ in range(3):
            hold = held(world, run)
            end(world, hold)
            world.pass_time(13)
            world.start_due()


def one_attempt_claims() -> None:
    """A run is claimed once, in time, when its time has come, and within its task's limit."""
    for claim in (World.claim, lambda world, run: world.claim_next("free_again")):
        with apart() as world:
            run = world.submit("free_again", key="a")
            world.submit("free_again", number=1)
            world.submit("gated_again", priority=Priority.HIGH)
            world.submit("free_again", owner=1, run_in=55)
            claim(world, run)
            claim(world, run)
            claim(world, run)
        with apart() as world:
            claim(world, world.submit("free_again", number=1))
            late = world.submit("free_again", expires_in=95)
            world.pass_time(101)
            claim(world, late)
        with apart() as world:
            run = world.submit("free_again", expires_in=95)  # the latest first start
            world.finish(held(world, run), "release")
            world.pass_time(101)
            claim(world, run)
    with apart() as world:
        run, second = world.submit("free_again"), world.submit("free_again", number=1)
        held(world, world.submit("gated_again"))
        for limit in (1, 1, 2):
            world.claim(run, limit)
            world.claim(second, limit)
    with apart() as world:
        world.submit("free_again")
        world.submit("free_again", number=1)
        held(world, world.submit("gated_again"))
        for limit in (1, 1, 2):
            world.claim_next("free_again", limit)


def a_start_is_one_run() -> None:
    """The same key, or the same input of a unique task, finds the run; a queue has its limit."""
    for task in ("free_again", "only_one"):
        with apart() as world:
            run = world.submit(task, key="a")
            for owner, number, key in ((0, 0, "a"), (0, 1, "a"), (0, 0, None), (1, 0, "a")):
                world.submit(task, owner=owner, number=number, key=key)
            world.submit("gated_again", key="a")
            world.finish(held(world, run), "success")
            world.submit(task, key="a")
            world.submit(task)
    with apart() as world:
        runs = [world.submit("free_again", number=number) for number in range(QUOTA + 1)]
        world.submit("free_again", owner=1)
        world.finish(held(world, runs[0]), "success")
        world.submit("free_again", number=QUOTA)
        world.submit("free_again", number=QUOTA)
        world.submit("free_again", run_in=55)


def a_cancel_is_the_owners() -> None:
    """It stops what waits, asks what runs, once, and leaves what is over and what is another's."""
    with apart() as world:
        waiting, planned = world.submit("free_again"), world.submit("free_again", run_in=55)
        running, over = world.submit("free_again"), world.submit("free_again")
        hold = held(world, running)
        world.finish(held(world, over), "success")
        for run in (waiting, planned, running, over):
            world.cancel(run, owner=1)
        for run in (waiting, planned, running, over):
            world.cancel(run)
            world.cancel(run)
        world.heartbeat(hold)
        world.finish(hold, "retry")
        world.cancel(world.submit("free_again", owner=1), as_admin=True)


def what_is_late_expires() -> None:
    """A run that never started and is too late; none that started, is over, or has time."""
    with apart() as world:
        started = world.submit("free_again", expires_in=95)
        running = world.submit("free_again", number=1, expires_in=95)
        canceled = world.submit("free_again", number=2, expires_in=0.1)
        world.submit("free_again", number=3, expires_in=95)
        world.submit("free_again", number=4, expires_in=95, run_in=55)
        world.submit("free_again", owner=1)
        world.finish(held(world, started), "release")
        held(world, running)
        world.cancel(canceled)
        time.sleep(0.1)  # time does not pass for what is over, but by itself
        world.expire()
        world.pass_time(101)
        world.expire()


def what_is_due_is_rung() -> None:
    """Each kind of looking round finds what it is for, in its time, and nothing else."""
    with apart() as world:
        for priority in Priority:
            world.submit("free_again", priority=priority)
        planned = world.submit("gated_again", run_in=55)
        held(world, world.submit("gated_again", owner=1))
        for seconds in (13.0, 37.0, 13.0, 101.0, 101.0):
            for priority in Priority:
                world.ring(priority)
            world.pass_time(seconds)
        world.start_due()
        world.start_due()
        world.ring()
        world.make_due(["gated_again"])
        world.make_due()
        world.make_due()
        world.finish(held(world, planned), "retry")
        world.make_due()
        world.start_due()
        world.pass_time(13)
        world.ring()
        world.start_due()


def the_next_ones_are_made_due() -> None:
    """Of a task with a limit, as many as may start, the most urgent first."""
    with apart() as world:
        world.submit("free_again", priority=Priority.HIGH, expires_in=95)
        world.submit("free_again", priority=Priority.HIGH, owner=1, run_in=555)
        held(world, world.submit("gated_again", owner=1))
        world.submit("gated_again")
        world.pass_time(101)
        for number in range(3):
            world.submit("free_again", number=number)
        for limit in (1, 2):
            world.make_next_due("free_again", limit)
        with_one = world.submit("free_again", owner=1, number=7, priority=Priority.HIGH)
        held(world, with_one)
        world.make_next_due("free_again", 2)
        world.make_next_due("free_again", 1)


def an_effect_is_begun_once() -> None:
    """Under its own name, in its own run, and not again once it is done or must not be."""
    for task in TASKS:
        with apart() as world:
            beside = held(world, world.submit("gated_again", owner=1))
            world.begin(beside)
            hold = held(world, world.submit(task))
            for key in ("charge", "mail"):
                if world.begin(hold, key):
                    world.act(hold, key)
            if world.begin(hold, "mail"):
                world.act(hold, "mail")
            world.complete(hold, "charge")
            world.begin(hold, "charge")
            world.begin(hold, "post")
            world.withdraw(hold, "post")
            world.begin(hold, "post")


def what_is_once_is_once() -> None:
    """A change of the database that is fenced is undone, and one that was done is not repeated."""
    with apart() as world:
        run = world.submit("gated_again")
        first = held(world, run)
        world.once(first)
        world.once(first)
        world.finish(first, "retry")
        world.pass_time(13)
        world.start_due()
        world.once(held(world, run))


def no_statement_breaks_a_life() -> None:
    """What no verb does, the database itself refuses."""
    with apart() as world:
        over, running = world.submit("free_again"), world.submit("free_again", number=1)
        waiting = world.submit("free_again", number=2)
        world.finish(held(world, over), "success")
        held(world, running)
        other = "f" * 32
        for run, change in (
            (over, "progress_done = 1"),
            (over, "status = 'QUEUED'"),
            (running, "status = 'EXPIRED'"),
            (waiting, "status = 'SUCCEEDED'"),
            (waiting, "revision = revision - 1"),
            (waiting, f"id = '{other}'"),
            (running, f"token = '{other}'"),
            (running, "token = NULL"),
            (running, "attempt = attempt + 1"),
            (waiting, "attempt = attempt + 1"),
            (waiting, "status = 'RUNNING', attempt = attempt + 2"),
        ):
            _is_refused(f"UPDATE tasks_run SET {change} WHERE id = %s", run)
        if connection.vendor == "sqlite":
            columns = ", ".join(field.attname for field in Run._meta.concrete_fields)
            text = f"INSERT OR REPLACE INTO tasks_run ({columns}) SELECT {columns} FROM tasks_run"
            _is_refused(f"{text} WHERE id = %s", over)
        world.agree()


def _is_refused(statement: str, run: UUID) -> None:
    key = Run._meta.pk.get_db_prep_value(run, connection)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [key])
