"""The kinds of work that a soak mixes, one task for each promise."""

import time

from tasks import Context, Retry, task
from tests.faults.tally.models import Tally
from tests.faults.work._marks import Mark, hold_of, mark


@task(on_lost="rerun", retries=9)
def short_work(ctx: Context, *, number: int) -> Mark:
    """Over at once; may be done again."""
    mark(ctx, "began")
    return mark(ctx, "done")


@task(on_lost="rerun", retries=9)
def long_work(ctx: Context, *, tenths: int) -> Mark:
    """Takes so many tenths of a second, with progress and log lines."""
    began = mark(ctx, "began")
    ctx.log(f"attempt {began.attempt}")
    for _ in ctx.track(range(tenths), f"attempt {began.attempt}"):
        time.sleep(0.1)
    return mark(ctx, "done")


@task(on_lost="rerun", retries=9, backoff=0.5)
def retried_work(ctx: Context, *, times: int) -> Mark:
    """Asks for another attempt so many times before it succeeds."""
    began = mark(ctx, "began")
    if began.attempt <= times:
        raise Retry("not yet", in_seconds=0.5)
    return mark(ctx, "done")


@task(on_lost="park", retries=9)
def parked_work(ctx: Context, *, number: int) -> Mark:
    """Does something that must not be done twice, anywhere: set aside if it is cut off."""
    mark(ctx, "began")
    mark(ctx, "effect")
    return mark(ctx, "done")


@task(on_lost="park", effects="gated", retries=9)
def charged_work(ctx: Context, *, number: int) -> Mark:
    """Does something that must not be done twice, inside ctx.effect: again if it had not begun."""
    mark(ctx, "began")
    time.sleep(0.02)
    ctx.effect("charge", lambda key: mark(ctx, "effect").attempt)
    time.sleep(0.02)
    return mark(ctx, "done")


@task(on_lost="rerun", effects="gated", retries=9)
def mailed_work(ctx: Context, *, number: int) -> Mark:
    """Does something inside ctx.effect that may be done twice if that is said."""
    mark(ctx, "began")
    ctx.effect("mail", lambda key: mark(ctx, "effect").attempt)
    time.sleep(0.02)
    return mark(ctx, "done")


@task(on_lost="rerun", effects="gated", retries=9)
def counted_work(ctx: Context, *, number: int) -> Mark:
    """Changes the database exactly once."""
    mark(ctx, "began")
    hold = hold_of(ctx)

    def count() -> int:
        Tally.objects.create(run_id=hold.run_id, attempt=hold.attempt)
        return hold.attempt

    ctx.once("count", count)
    return mark(ctx, "done")


@task(on_lost="rerun", retries=9)
def saved_work(ctx: Context, *, number: int) -> Mark:
    """Saves a file whose bytes name the attempt."""
    began = mark(ctx, "began")
    with ctx.save("mark.txt", content_type="text/plain") as file:
        file.write(f"{began.attempt},{began.token}".encode())
    return mark(ctx, "done")
