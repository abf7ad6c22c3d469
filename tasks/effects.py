"""Effects: what a run does to the world, done once where that can be had, and marked where not."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from tasks import changes, failpoints, sql, statements
from tasks.exceptions import Failure, Fenced
from tasks.failpoints import Point
from tasks.models import Effect
from tasks.runs import Hold

T = TypeVar("T")


def done(hold: Hold, key: str) -> Effect | None:
    """The effect if it is known to be done, in whichever attempt."""
    return Effect.objects.filter(run_id=hold.run_id, key=key, done_at__isnull=False).first()


def begin(hold: Hold, key: str) -> Effect | None:
    """Mark an effect on the outside world as begun; the effect itself if it is done by now.

    If it had been begun before, the run says from now on that it may have repeated; a run that is
    to be parked refuses with Failure. Raises Fenced when the run is no longer held.
    """
    begun = changes.perform(
        statements.BEGIN_EFFECT, key=key, lease=settings.LEASE_SECONDS, **hold.as_params()
    )
    if begun:
        return None
    if (finished := done(hold, key)) is not None:  # by an earlier attempt that was not dead yet
        return finished
    if Effect.objects.filter(run_id=hold.run_id, key=key, attempt=hold.attempt).exists():
        message = f"Whether {key} was done cannot be known, and it must not be done twice."
        raise Failure(message, code="EFFECT_UNSURE")
    raise Fenced("This attempt no longer holds the run: the effect was not begun.")


def complete(hold: Hold, key: str, value: Any) -> None:
    """Mark it as done. Not fenced: that it happened is true, whoever holds the run by now."""
    Effect.objects.filter(run_id=hold.run_id, key=key, done_at=None).update(
        done_at=Now(), value=value
    )


def withdraw(hold: Hold, key: str) -> None:
    """It is known not to have happened: as if it had not been begun."""
    Effect.objects.filter(run_id=hold.run_id, key=key, attempt=hold.attempt, done_at=None).delete()


def once(hold: Hold, key: str, act: Callable[[], T]) -> T | Any:
    """Do something in this database exactly once: it, its mark and the fence commit together.

    The fence comes last, so that neither heartbeat nor cancel waits for the effect meanwhile.
    """
    with transaction.atomic():
        mark = Effect(run_id=hold.run_id, key=key, attempt=hold.attempt, begun_at=Now())
        Effect.objects.bulk_create([mark], ignore_conflicts=True)
        row = Effect.objects.get(run_id=hold.run_id, key=key)
        if row.done_at is not None:
            return row.value
        value = act()
        failpoints.hit(Point.ONCE_ACTED)
        Effect.objects.filter(run_id=hold.run_id, key=key).update(done_at=Now(), value=value)
        held = sql.perform(statements.STILL_HELD, lease=settings.LEASE_SECONDS, **hold.as_params())
        if not held:
            raise Fenced("This attempt no longer holds the run: the effect was undone.")
        failpoints.hit(Point.ONCE_UNCOMMITTED)
    failpoints.hit(Point.ONCE_COMMITTED)
    return value
