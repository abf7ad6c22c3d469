"""What a run must be after each verb: the protocol said again, without SQL, for one run at a time.

Times are seconds of the model's own clock, which stands still but for `World.pass_time`.
"""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from tasks.status import FINAL, OPEN, OnLost, Priority, Status

LEASE = 30.0
RING = 60.0
WAITING = (Status.SCHEDULED, Status.QUEUED)
LIVES = range(0, int(1.5 * LEASE) + 1)  # how far ahead a lease may end

Hold = tuple[UUID, int, UUID]
"""Run, attempt, token: what an attempt believes it has."""


@dataclass
class Effect:
    """One effect as the row of it says."""

    attempt: int
    is_done: bool = False


@dataclass
class Expected:
    """One run."""

    id: UUID
    owner: UUID
    task: str
    number: int
    key: str | None
    on_lost: OnLost
    is_gated: bool
    is_unique: bool
    max_failures: int
    priority: Priority
    expires: float | None
    status: Status
    ring: float | None
    attempt: int = 0
    token: UUID | None = None
    failures: int = 0
    rings: int = 0
    lease: float | None = None
    is_asked: bool = False
    """Whether a cancel was asked for."""
    has_repeated: bool = False
    effects: dict[str, Effect] = field(default_factory=dict)
    outcomes: list[str | None] = field(default_factory=list)
    logged: int = 0
    files: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    """What really happened outside, by effect."""
    ended_by: dict[Hold, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_unsure(self) -> bool:
        return any(not effect.is_done for effect in self.effects.values())

    @property
    def may_repeat(self) -> bool:
        return self.on_lost is OnLost.RERUN or (self.is_gated and not self.is_unsure)

    def has_expired(self, now: float) -> bool:
        return self.attempt == 0 and self.expires is not None and self.expires <= now

    def is_due(self, now: float) -> bool:
        return self.ring is not None and self.ring <= now

    def is_held_by(self, hold: Hold) -> bool:
        mine = (self.id, self.attempt, self.token)
        return self.status is Status.RUNNING and hold == mine

    def has_no_sign(self, now: float) -> bool:
        """Whether nobody can be thought to work on it."""
        left = (self.lease or 0.0) - now
        return self.status is Status.RUNNING and not 0 <= left <= LIVES[-1]

    def claim(self, token: UUID, now: float) -> None:
        self.status, self.ring = Status.RUNNING, None
        self.attempt += 1
        self.token, self.lease = token, now + LEASE
        self.outcomes.append(None)

    def begin(self, key: str, hold: Hold, now: float) -> bool:
        """Whether the effect may be done."""
        known = self.effects.get(key)
        if not self.is_held_by(hold):
            return False
        if known is not None and (known.is_done or self.on_lost is OnLost.PARK):
            return False
        self.has_repeated |= known is not None
        self.effects[key] = Effect(self.attempt)
        self.lease = now + LEASE
        return True

    def finish(self, asked: Status, outcome: str, hold: Hold, now: float, cut_off: bool) -> Status:
        """What it becomes when its holder asks for that."""
        becomes = asked
        if asked in WAITING and self.is_asked:
            becomes = Status.CANCELED
        elif asked is Status.SCHEDULED and not self._may_have_another(cut_off):
            becomes = Status.FAILED
        elif asked is Status.QUEUED and not self.may_repeat:
            becomes = Status.LOST
        self.failures += asked in (Status.FAILED, Status.SCHEDULED)
        self.has_repeated |= cut_off and not self.is_gated and becomes in WAITING
        self.ended_by[hold] = outcome
        self._end(becomes, outcome, now)
        return becomes

    def _may_have_another(self, cut_off: bool) -> bool:
        if self.failures + 1 >= self.max_failures:
            return False
        if self.on_lost is OnLost.PARK and self.is_unsure:
            return False
        return not cut_off or self.may_repeat

    def lose(self, now: float) -> None:
        """Its worker is gone."""
        becomes = Status.SCHEDULED
        if self.is_asked:
            becomes = Status.CANCELED
        elif self.failures + 1 >= self.max_failures or not self.may_repeat:
            becomes = Status.LOST
        self.failures += 1
        self.has_repeated |= becomes is Status.SCHEDULED and not self.is_gated
        self._end(becomes, "LOST", now)

    def _end(self, becomes: Status, outcome: str, now: float) -> None:
        """Of an attempt."""
        self.status, self.lease, self.rings = becomes, None, 0
        self.ring = now if becomes in WAITING else None
        self.outcomes[-1] = outcome

    def cancel(self) -> None:
        self.is_asked = True
        if self.status in WAITING:
            self.status, self.ring = Status.CANCELED, None

    def expire(self) -> None:
        self.status, self.ring = Status.EXPIRED, None

    def start_due(self, now: float) -> None:
        self.status, self.rings, self.ring = Status.QUEUED, 0, now

    def rung(self, now: float) -> None:
        pause = min(RING * 2 ** min(self.rings, 3), 5 * RING)
        is_dated = self.attempt == 0 and self.expires is not None and self.expires > now
        self.ring = min(now + pause, self.expires if is_dated and self.expires else float("inf"))
        self.rings += 1

    @property
    def is_final(self) -> bool:
        return self.status in FINAL
