"""Whatever becomes visible of a run is told to its watchers, once it is committed."""

from collections.abc import Callable, Iterable

import pytest
from django.db import transaction

from accounts.viewer import Viewer
from tasks import deletion, effects, notifier, runs, saving
from tasks.context import LogLine, Progress
from tasks.models import Run
from tasks.notifier import GONE, Change
from tasks.status import Level
from tests.tasks.holding import (
    RELEASE,
    RETRY,
    SUCCESS,
    fresh,
    hold,
    let_lease_pass,
    make_due,
    start,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def passing() -> list[bool]:
    """Whether each of them was told as one that passes."""
    return []


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch, passing: list[bool]) -> list[Change]:
    """Every change that was told."""
    heard: list[Change] = []

    def changed(changes: Iterable[Change], *, is_passing: bool) -> None:
        heard.extend(changes)
        passing.append(is_passing)

    monkeypatch.setattr(notifier.HERALD, "changed", changed)
    return heard


def _cancel(run: Run) -> None:
    viewer = Viewer(run.owner_id, frozenset())
    assert runs.cancel(viewer, [run.pk])


def _save(run: Run) -> None:
    held = hold(run)
    with saving.staging() as path:
        path.write_text("a")
        saving.keep(held, saving.store(held, path, "a.txt", "text/plain"))


def _begin_effect(run: Run) -> None:
    effects.begin(hold(run), "mail")


def _recover(run: Run) -> None:
    hold(run)
    let_lease_pass(run)
    assert runs.recover()


def _expire(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(expires_at=run.created_at)
    make_due(run)
    assert runs.expire()


def _start_due(run: Run) -> None:
    runs.finish(hold(run), RETRY)
    make_due(run)
    assert runs.start_due()


VERBS: dict[str, Callable[[Run], object]] = {
    "claim": hold,
    "heartbeat": lambda run: runs.heartbeat(hold(run), Progress(1, 2, None)),
    "log": lambda run: runs.log(hold(run), [LogLine("a", Level.INFO)]),
    "finish": lambda run: runs.finish(hold(run), SUCCESS),
    "retry": lambda run: runs.finish(hold(run), RETRY),
    "release": lambda run: runs.finish(hold(run), RELEASE),
    "cancel": _cancel,
    "lose": lambda run: runs.lose(hold(run), "gone"),
    "recover": _recover,
    "expire": _expire,
    "start due": _start_due,
    "save a file": _save,
    "begin an effect": _begin_effect,
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_change_is_told(verb: str, viewer: Viewer, told: list[Change]) -> None:
    run = start(viewer)
    assert told == [Change(run.pk, viewer.user_id, 1)]
    VERBS[verb](run)
    assert told[-1] == Change(run.pk, viewer.user_id, fresh(run).revision)
    assert told[-1].revision > 1
    assert [change.revision for change in told] == sorted(change.revision for change in told)


def test_a_start_and_a_claim_pass_and_an_ending_does_not(
    viewer: Viewer, passing: list[bool]
) -> None:
    runs.finish(hold(start(viewer)), SUCCESS)
    assert passing == [True, True, False]


def test_a_run_that_is_deleted_is_told_to_be_gone(viewer: Viewer, told: list[Change]) -> None:
    run = start(viewer)
    deletion.remove_runs([run.pk])
    assert told[-1] == Change(run.pk, viewer.user_id, GONE)


def test_nothing_is_told_before_it_is_committed_or_when_it_is_undone(
    viewer: Viewer, told: list[Change]
) -> None:
    with transaction.atomic():
        start(viewer)
        assert told == []
    assert len(told) == 1
    with transaction.atomic():
        start(viewer)
        transaction.set_rollback(True)
    assert len(told) == 1


def test_who_changes_nothing_tells_nothing(viewer: Viewer, told: list[Change]) -> None:
    run = start(viewer)
    held = hold(run)
    runs.finish(held, SUCCESS)
    del told[:]
    runs.finish(held, RETRY)
    runs.heartbeat(held, Progress(1, 2, None))
    assert runs.recover() == []
    assert told == []
