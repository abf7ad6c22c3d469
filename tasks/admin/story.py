"""What happened to one run: pages of its attempts and of its events, the newest first.

Their keys are composite, which Django's admin cannot register: so they are tables of our own, on
the run's page and by themselves.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import BadRequest

from tasks.models import Attempt, Event

ROWS = 100  # of one page


@dataclass(frozen=True)
class Story:
    """One page: its rows, and the number before which the next one begins; None after the last."""

    rows: Sequence[Any]
    earlier: int | None


def attempts(run_id: UUID, before: int | None = None) -> Story:
    """The run's attempts, without what proves that a worker holds it."""
    return _page(Attempt.objects.filter(run_id=run_id).defer("token"), before)


def events(run_id: UUID, before: int | None = None) -> Story:
    """The run's events."""
    return _page(Event.objects.filter(run_id=run_id), before)


KINDS = {"attempts": attempts, "events": events}


def _page(rows: Any, before: int | None) -> Story:
    if before is not None:
        rows = rows.filter(number__lt=before)
    found = list(rows.order_by("-number")[: ROWS + 1])
    return Story(found[:ROWS], found[ROWS - 1].number if len(found) > ROWS else None)


def read_before(text: str | None) -> int | None:
    """The number in the query string; BadRequest for what is none."""
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII):
        raise BadRequest("`before` is a number.")
    return int(text)
