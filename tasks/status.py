"""The statuses of a run, the words every layer uses for them, and which are final."""

from enum import StrEnum


class Status(StrEnum):
    """Where a run stands; the stored word is the member's value."""

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


FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED, Status.LOST})


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    LOST = "LOST"
    RELEASED = "RELEASED"


class OnLost(StrEnum):
    """What to do with a run whose worker died: perform it again, or set it aside as LOST."""

    RERUN = "rerun"
    PARK = "park"
