"""Changes runs by the verbs of tasks.statements, and knocks for whoever watches them."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction

from tasks import notifier, sql
from tasks.models import Run
from tasks.notifier import Change


def perform(verb: sql.Verb, *, is_passing: bool = False, **params: Any) -> list[Run]:
    """Carry the verb out (see tasks.sql); once that is committed, tell of the changed runs.

    `is_passing`: another change may follow within milliseconds, and is then told in its place.
    """
    changed = sql.perform(verb, **params)
    if changed:
        tell((Change(run.pk, run.owner_id, run.revision) for run in changed), is_passing)
    return changed


def tell(changes: Iterable[Change], is_passing: bool = False) -> None:
    """Knock for the watchers of these runs once the transaction around this is committed."""
    transaction.on_commit(partial(_tell, list(changes), is_passing))


def _tell(changes: list[Change], is_passing: bool) -> None:
    # Looked up now: a fork makes a new one.
    notifier.HERALD.changed(changes, is_passing=is_passing)
