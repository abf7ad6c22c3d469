"""Effects: exactly once in this database, and never twice outside without a word of it."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from accounts.viewer import Viewer
from tasks import Context, Failure, effects, knocks, runs
from tasks.exceptions import Fenced
from tasks.models import Effect, Run
from tasks.registry import Task
from tasks.runs import Hold
from tests.tasks.holding import (
    FAILURE,
    RELEASE,
    RETRY,
    fresh,
    hold,
    let_lease_pass,
    make_due,
    outcomes,
    start,
)
from tests.tasks.performing import never, perform, take_over

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

POLICIES = [
    # on_lost, effects, the effect so far, what a lost attempt is followed by, may have repeated
    ("rerun", "free", "none", "SCHEDULED", True),
    ("rerun", "free", "begun", "SCHEDULED", True),
    ("rerun", "gated", "none", "SCHEDULED", False),
    ("rerun", "gated", "begun", "SCHEDULED", False),  # said when it is begun again
    ("park", "gated", "none", "SCHEDULED", False),
    ("park", "gated", "done", "SCHEDULED", False),
    ("park", "gated", "begun", "LOST", False),
    ("park", "free", "none", "LOST", False),
    ("park", "free", "done", "LOST", False),
]


def pay(ctx: Context) -> None:
    """Pay."""


def prepare(viewer: Viewer, task: Task, effect: str) -> tuple[Run, Hold]:
    run = start(viewer, task)
    held = hold(run)
    if effect != "none":
        effects.begin(held, "charge")
    if effect == "done":
        effects.complete(held, "charge", 7)
    return run, held


@pytest.mark.parametrize(("on_lost", "kind", "effect", "status", "repeated"), POLICIES)
def test_what_a_lost_attempt_is_followed_by(
    viewer: Viewer,
    declare: Callable[..., Task],
    on_lost: str,
    kind: str,
    effect: str,
    status: str,
    repeated: bool,
) -> None:
    run, _ = prepare(viewer, declare(pay, on_lost, effects=kind), effect)
    let_lease_pass(run)
    runs.recover()
    run = fresh(run)
    assert (run.status, run.may_have_repeated) == (status, repeated)
    assert outcomes(run) == ["LOST"]


@pytest.mark.parametrize(("on_lost", "kind", "effect", "status", "repeated"), POLICIES)
def test_a_released_attempt_is_judged_alike(
    viewer: Viewer,
    declare: Callable[..., Task],
    on_lost: str,
    kind: str,
    effect: str,
    status: str,
    repeated: bool,
) -> None:
    run, held = prepare(viewer, declare(pay, on_lost, effects=kind), effect)
    runs.finish(held, RELEASE)
    run = fresh(run)
    assert (run.status, run.may_have_repeated) == (
        "QUEUED" if status == "SCHEDULED" else status,
        repeated,
    )


def test_a_dead_childs_run_is_judged_alike(viewer: Viewer, declare: Callable[..., Task]) -> None:
    run, held = prepare(viewer, declare(pay, "park", effects="gated"), "begun")
    assert runs.lose(held, "It died.") is not None
    assert fresh(run).status == "LOST"
    assert runs.lose(held, "It died.") is None


@pytest.mark.parametrize(("on_lost", "status"), [("park", "FAILED"), ("rerun", "SCHEDULED")])
def test_an_exception_in_an_effect_leaves_it_unsure(
    viewer: Viewer, declare: Callable[..., Task], on_lost: str, status: str
) -> None:
    def charge(ctx: Context) -> None:
        """Charge."""

        def act(key: str) -> None:
            raise TimeoutError

        ctx.effect("charge", act)

    run = perform(viewer, declare(charge, on_lost))
    assert (run.status, Effect.objects.get().done_at) == (status, None)


def test_an_effect_is_done_once_over_all_attempts(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    keys: list[str] = []
    values: list[int] = []

    def charge(ctx: Context) -> None:
        """Charge."""

        def act(key: str) -> int:
            keys.append(key)
            return 7

        values.append(ctx.effect("charge", act))
        raise OSError

    task = declare(charge, backoff=0)
    run = perform(viewer, task)
    runs.start_due()
    knocks.answer(task, run.pk, "host:1", never)
    assert keys == [f"{run.pk}:charge"]
    assert values == [7, 7]
    assert fresh(run).may_have_repeated is False


def test_an_effect_begun_again_says_so(viewer: Viewer, declare: Callable[..., Task]) -> None:
    run, held = prepare(viewer, declare(pay, effects="gated"), "begun")
    runs.finish(held, RETRY)
    make_due(run)
    runs.start_due()
    before = fresh(run)
    effects.begin(hold(run), "charge")
    run = fresh(run)
    assert run.may_have_repeated is True
    assert run.revision == before.revision + 2  # the claim, and this word
    assert Effect.objects.get().attempt == 2


def test_a_parked_effect_that_is_unsure_is_not_begun_again_in_the_same_attempt(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    calls: list[str] = []

    def charge(ctx: Context) -> None:
        """Charge, stubbornly."""

        def act(key: str) -> None:
            calls.append(key)
            raise TimeoutError

        for _ in range(3):
            with contextlib.suppress(TimeoutError):
                ctx.effect("charge", act)

    run = perform(viewer, declare(charge, "park", effects="gated"))
    assert len(calls) == 1
    assert run.error is not None
    assert (run.status, run.error["code"]) == ("FAILED", "EFFECT_UNSURE")


def test_an_effect_that_a_zombie_completes_meanwhile_is_given_to_the_next_attempt(
    viewer: Viewer,
) -> None:
    run = start(viewer)
    zombie = hold(run)
    effects.begin(zombie, "charge")
    let_lease_pass(run)
    runs.recover()
    runs.start_due()
    second = hold(run)
    assert effects.done(second, "charge") is None
    effects.complete(zombie, "charge", 7)
    found = effects.begin(second, "charge")
    assert found is not None
    assert found.value == 7


@pytest.mark.parametrize("verb", ["release", "lose"])
def test_an_effect_that_begins_in_the_same_moment_is_not_missed(
    viewer: Viewer, declare: Callable[..., Task], verb: str
) -> None:
    """The run's row is locked by the beginning effect when its ending comes."""
    run = start(viewer, declare(pay, "park", effects="gated"))
    held = hold(run)
    begun, over = threading.Event(), threading.Event()

    def act() -> None:
        try:
            with transaction.atomic():
                effects.begin(held, "charge")
                begun.set()
                over.wait(0.5)
        finally:
            connection.close()

    thread = threading.Thread(target=act)
    thread.start()
    assert begun.wait(5)
    if verb == "release":
        runs.finish(held, RELEASE)
    else:
        runs.lose(held, "It died.")
    over.set()
    thread.join()
    assert fresh(run).status == "LOST"


def test_an_effect_that_surely_did_not_happen_is_withdrawn(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def charge(ctx: Context) -> None:
        """Charge."""

        def act(key: str) -> None:
            raise Failure("Card declined.", code="DECLINED")

        ctx.effect("charge", act)

    run = perform(viewer, declare(charge, "park"))
    assert run.status == "FAILED"
    assert not Effect.objects.exists()


def test_an_effect_whose_value_is_no_json_is_done_all_the_same(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def charge(ctx: Context) -> None:
        """Charge."""
        ctx.effect("charge", lambda key: object())

    run = perform(viewer, declare(charge, retries=0))
    assert run.error is not None
    assert run.error["message"].startswith("TypeError")
    assert Effect.objects.get().done_at is not None


def test_who_does_not_hold_the_run_begins_no_effect(viewer: Viewer) -> None:
    run = start(viewer)
    zombie = hold(run)
    take_over(run.pk)
    with pytest.raises(Fenced):
        effects.begin(zombie, "charge")
    assert not Effect.objects.exists()


def test_a_zombies_word_that_it_was_done_is_believed(viewer: Viewer) -> None:
    run = start(viewer)
    zombie = hold(run)
    effects.begin(zombie, "charge")
    take_over(run.pk)
    effects.complete(zombie, "charge", "receipt")
    done = effects.done(zombie, "charge")
    assert done is not None
    assert done.value == "receipt"


def greet(name: str) -> Callable[[], str]:
    def act() -> str:
        User.objects.create(username=name)
        return name

    return act


def test_once_does_it_and_its_mark_together(viewer: Viewer) -> None:
    held = hold(start(viewer))
    assert effects.once(held, "user", greet("eve")) == "eve"
    assert effects.once(held, "user", greet("mallory")) == "eve"
    assert not User.objects.filter(username="mallory").exists()


def test_once_that_fails_leaves_nothing(viewer: Viewer) -> None:
    held = hold(start(viewer))

    def act() -> None:
        User.objects.create(username="eve")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        effects.once(held, "user", act)
    assert not User.objects.filter(username="eve").exists()
    assert not Effect.objects.exists()


@pytest.mark.parametrize("ended", [False, True])
def test_once_is_undone_for_who_no_longer_holds_the_run(viewer: Viewer, ended: bool) -> None:
    run = start(viewer)
    zombie = hold(run)
    if ended:
        runs.finish(zombie, FAILURE)
    else:
        take_over(run.pk)
    with pytest.raises(Fenced):
        effects.once(zombie, "user", greet("eve"))
    assert not User.objects.filter(username="eve").exists()


def test_two_attempts_at_once_do_it_once(viewer: Viewer) -> None:
    """The zombie is in the middle of its transaction when the next attempt does the same."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: the zombie's transaction holds all others")
    run = start(viewer)
    zombie = hold(run)
    inside, taken = threading.Event(), threading.Event()
    fenced: list[bool] = []

    def slowly() -> str:
        User.objects.create(username="zombie")
        inside.set()
        assert taken.wait(5)
        return "zombie"

    def haunt() -> None:
        try:
            effects.once(zombie, "user", slowly)
        except Fenced:
            fenced.append(True)
        finally:
            connection.close()

    thread = threading.Thread(target=haunt)
    thread.start()
    assert inside.wait(5)
    let_lease_pass(run)
    runs.recover()
    runs.start_due()
    second = hold(run, "host:2")
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(effects.once(second, "user", greet("second")))
        finally:
            connection.close()

    other = threading.Thread(target=work)
    other.start()
    taken.set()
    thread.join()
    other.join()
    assert fenced == [True]
    assert found == ["second"]
    assert set(User.objects.values_list("username", flat=True)) >= {"second"}
    assert not User.objects.filter(username="zombie").exists()


def test_a_bare_context_does_effects_in_memory() -> None:
    ctx, seen = Context(), []

    def act(key: str) -> int:
        seen.append(key)
        return 1

    assert [ctx.effect("charge", act) for _ in range(2)] == [1, 1]
    assert [ctx.once("book", lambda: 2) for _ in range(2)] == [2, 2]
    assert seen == ["run:charge"]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\0b", 7])
def test_a_key_that_is_none_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match="key of an effect"):
        Context().effect(key, lambda given: given)
    assert not transaction.get_connection().in_atomic_block
