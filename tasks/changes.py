"""Changes runs by the verbs of tasks.statements, and knocks for whoever watches them."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction

from tasks import notifier, sql
from tasks.models import Run
from tasks.notifier import Change


def perform(verb: sql.Verb, **params: Any) -> list[Run]:
    """Carry the verb out (see tasks.sql); once that is committed, tell of the changed runs."""
    changed = sql.perform(verb, **params)
    if changed:
        tell(Change(run.pk, run.owner_id, run.revision) for run in changed)
    return changed


def tell(changes: Iterable[Change]) -> None:
    """Knock for the watchers of these runs once the transaction around this is committed."""
    transaction.on_commit(partial(_tell, list(changes)))


def _tell(changes: list[Change]) -> None:
    notifier.HERALD.changed(changes)  # looked up now: a fork makes a new one
