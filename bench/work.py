"""Tasks that only measurements start."""

import time

from pydantic import BaseModel

from tasks import Context, task


class Spun(BaseModel):
    """How long it took."""

    seconds: float


@task(on_lost="rerun")
def spin(ctx: Context, *, steps: int, is_tracked: bool) -> Spun:
    """So many steps of next to nothing, with or without progress."""
    total, began = 0, time.perf_counter()
    for step in ctx.track(range(steps), "spinning") if is_tracked else range(steps):
        total += step & 1
    return Spun(seconds=time.perf_counter() - began)
