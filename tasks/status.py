"""The words that every layer uses for a run: its statuses and moves, outcomes, kinds, policies."""

from enum import IntEnum, StrEnum


class Status(StrEnum):
    """Where a run stands; the stored word is the member's value.

    CANCELING is never stored: it is a RUNNING row whose cancel was asked for, so that one guard
    serves both.
    """

    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    CANCELING = "CANCELING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    LOST = "LOST"

    @property
    def is_final(self) -> bool:
        return self in FINAL


OPEN = frozenset({Status.SCHEDULED, Status.QUEUED, Status.RUNNING})
FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED, Status.LOST})

# Every move that a stored status may make; the database's trigger is made from this table.
MOVES: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset({Status.QUEUED, Status.CANCELED, Status.EXPIRED}),
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELED, Status.EXPIRED}),
    Status.RUNNING: frozenset(
        {
            Status.SUCCEEDED,
            Status.FAILED,
            Status.CANCELED,
            Status.LOST,
            Status.SCHEDULED,  # a retry, or another attempt after a lost one
            Status.QUEUED,  # released by a worker that shuts down
        }
    ),
    **{final: frozenset() for final in FINAL},
}


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    LOST = "LOST"
    RELEASED = "RELEASED"


class Kind(StrEnum):
    """What an event tells."""

    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    STARTED = "STARTED"
    LOGGED = "LOGGED"
    RETRIED = "RETRIED"
    RELEASED = "RELEASED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    LOST = "LOST"


class Level(IntEnum):
    """How serious a log line is; the numbers are those of Python's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class Priority(IntEnum):
    """Which of two waiting runs goes first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


class OnLost(StrEnum):
    """What to do with a run whose worker died: perform it again, or set it aside as LOST."""

    RERUN = "rerun"
    PARK = "park"


class Effects(StrEnum):
    """Where a task touches the world: only inside ctx.effect and ctx.once, or anywhere."""

    GATED = "gated"
    FREE = "free"
