"""A stretch of a run's progress bar."""

from dataclasses import dataclass, field

from tasks import Context

HUNDRED = 100


@dataclass
class Meter:
    """Reports the share done of one stage as percent of the whole run; it never falls back."""

    ctx: Context
    start: int
    end: int
    message: str
    _reached: int = field(default=0, init=False)

    def __call__(self, share: float) -> None:
        """Report; raises Fenced when this attempt must stop."""
        done = self.start + int((self.end - self.start) * min(max(share, 0), 1))
        self._reached = max(done, self._reached)  # DuckDB's share of a query may fall
        self.ctx.progress(self._reached, HUNDRED, self.message)

    def at(self, position: int, count: int, message: str) -> "Meter":
        """A meter that stands at one of `count` steps, whatever is reported to it."""
        here = self.start + (self.end - self.start) * position // count
        return Meter(self.ctx, here, here, message)
