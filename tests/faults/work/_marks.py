"""How an attempt makes itself known: to the ledger, and in its result and progress."""

from pydantic import BaseModel

from tasks import Context
from tasks.live import LiveRun
from tasks.runs import Hold
from tests.faults import ledger


class Mark(BaseModel):
    """Which attempt wrote a result: a stale one would give itself away."""

    attempt: int
    token: str


def hold_of(ctx: Context) -> Hold:
    backing = ctx._backing
    if not isinstance(backing, LiveRun):
        raise TypeError("These tasks run in a worker: they tell of their attempt and token.")
    return backing.hold


def mark(ctx: Context, phase: str) -> Mark:
    """Tell the ledger that this attempt came so far; the mark for a result."""
    hold = hold_of(ctx)
    ledger.write(ledger.Line(hold.run_id, hold.attempt, hold.token, phase))
    return Mark(attempt=hold.attempt, token=hold.token.hex)
