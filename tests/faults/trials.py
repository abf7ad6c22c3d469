"""The trials of all failpoints, as data: what brings a process there, and what must follow."""

from dataclasses import dataclass, field
from enum import StrEnum

from tasks.failpoints import Point


class Action(StrEnum):
    """What befalls the process that comes by."""

    KILL = "kill"
    RAISE = "raise"
    NAP = "nap"  # for a third of a lease
    SLEEP = "sleep"  # for one and a half
    STOP = "stop"  # all of the process, until its run was taken over


class By(StrEnum):
    """Which process comes by."""

    WEB = "web"
    CONDUCTOR = "conductor"
    WORKER = "worker"  # its main process
    CHILD = "child"  # one of those in which it performs runs
    ANY = "any"


class Cause(StrEnum):
    """What brings it there."""

    START = "a start"
    CANCEL = "a cancel of the run"
    DEATH = "the death of the child that has the run"
    SILENCE = "such a death that nobody tells of"


class Onward(StrEnum):
    """When the run goes on after a kill."""

    AT_ONCE = "at once"
    AT_RING = "at the next ring"
    AFTER_LEASE = "when its lease has passed"


class Repeat(StrEnum):
    """When a run says that it may have repeated."""

    NEVER = "never"  # all it does is inside ctx.effect, done or not begun, or ctx.once
    CUT_OFF = "cut off"  # nobody knows what an attempt did that was cut off
    AGAIN = "again"  # its effect had begun, and was begun again


@dataclass(frozen=True)
class Trial:
    """One point, met in the life of one run."""

    point: Point
    by: By
    work: str = "short_work"
    cause: Cause = Cause.START
    onward: Onward = Onward.AT_ONCE
    """After a kill."""
    is_cut_off: bool = False
    """Whether a kill or a long stop costs the run an attempt."""
    is_silenced: bool = False
    """Whether a sleep does so too: nothing prolongs the lease meanwhile."""
    repeat: Repeat = Repeat.CUT_OFF
    ends: dict[Action, str] = field(default_factory=dict)
    """How the run ends where that is not by success."""
    is_shared: bool = False
    """Whether runs of other trials come by: it is begun while all is quiet."""
    locks: str = ""
    """What others wait for meanwhile: the `run`, or on SQLite the `database`."""
    actions: frozenset[Action] = frozenset(Action)


def _parked(point: Point) -> Trial:
    """What is cut off here may have happened, and is not done again."""
    ends = {Action.KILL: "LOST", Action.STOP: "LOST", Action.RAISE: "FAILED"}
    return Trial(point, By.CHILD, "charged_work", is_cut_off=True, repeat=Repeat.NEVER, ends=ends)


CANCELED = dict.fromkeys(Action, "CANCELED")
TRIALS = (
    Trial(Point.START_BEFORE, By.WEB),
    Trial(Point.START_COMMITTED, By.WEB, onward=Onward.AT_RING),
    Trial(Point.START_KNOCKED, By.WEB, onward=Onward.AT_RING),
    Trial(Point.KNOCK_TAKEN, By.WEB, onward=Onward.AT_RING),
    Trial(Point.KNOCK_PUBLISHED, By.WEB),
    Trial(Point.VERB_UNCOMMITTED, By.ANY, is_shared=True, locks="database"),
    Trial(Point.CLAIM_BEFORE, By.CHILD, onward=Onward.AT_RING, is_shared=True),
    Trial(Point.CLAIM_COMMITTED, By.CHILD, is_cut_off=True, is_silenced=True, is_shared=True),
    Trial(Point.HEARTBEAT_BEFORE, By.CHILD, "long_work", is_cut_off=True, is_silenced=True),
    Trial(Point.HEARTBEAT_COMMITTED, By.CHILD, "long_work", is_cut_off=True, is_silenced=True),
    _parked(Point.EFFECT_BEGUN),
    _parked(Point.EFFECT_ACTED),
    Trial(
        Point.EFFECT_ACTED,
        By.CHILD,
        "mailed_work",
        is_cut_off=True,
        repeat=Repeat.AGAIN,
        actions=frozenset({Action.KILL, Action.STOP}),
    ),
    Trial(Point.EFFECT_COMPLETED, By.CHILD, "charged_work", is_cut_off=True, repeat=Repeat.NEVER),
    Trial(
        Point.ONCE_ACTED,
        By.CHILD,
        "counted_work",
        is_cut_off=True,
        repeat=Repeat.NEVER,
        locks="database",
    ),
    Trial(
        Point.ONCE_UNCOMMITTED,
        By.CHILD,
        "counted_work",
        is_cut_off=True,
        repeat=Repeat.NEVER,
        locks="run",
    ),
    Trial(Point.ONCE_COMMITTED, By.CHILD, "counted_work", is_cut_off=True, repeat=Repeat.NEVER),
    Trial(Point.SAVE_STORED, By.CHILD, "saved_work", is_cut_off=True),
    Trial(Point.SAVE_KEPT, By.CHILD, "saved_work", is_cut_off=True),
    Trial(Point.FINISH_BEFORE, By.CHILD, is_cut_off=True, is_shared=True),
    Trial(Point.FINISH_COMMITTED, By.CHILD, is_shared=True),
    Trial(
        Point.LOSS_BEFORE,
        By.WORKER,
        "long_work",
        Cause.DEATH,
        Onward.AFTER_LEASE,
        is_cut_off=True,
        is_shared=True,
    ),
    Trial(
        Point.LOSS_COMMITTED, By.WORKER, "long_work", Cause.DEATH, is_cut_off=True, is_shared=True
    ),
    Trial(
        Point.RING_COMMITTED, By.CONDUCTOR, "retried_work", onward=Onward.AT_RING, is_shared=True
    ),
    Trial(Point.DUE_COMMITTED, By.CONDUCTOR, "retried_work", is_shared=True),
    Trial(
        Point.RECOVER_BEFORE,
        By.CONDUCTOR,
        "long_work",
        Cause.SILENCE,
        Onward.AFTER_LEASE,
        is_cut_off=True,
        is_shared=True,
    ),
    Trial(
        Point.RECOVER_COMMITTED,
        By.CONDUCTOR,
        "long_work",
        Cause.SILENCE,
        Onward.AFTER_LEASE,
        is_cut_off=True,
        is_shared=True,
    ),
    Trial(Point.CANCEL_COMMITTED, By.WEB, "long_work", Cause.CANCEL, ends=CANCELED),
)

# What is tried together: begun in this order, each at its point before the next is begun, while the
# runs of the earlier ones go their way. The supervisor waits longer each time before it starts what
# lived less than ten seconds, so the ends of the web come in pairs, apart from each other.
WAVES: dict[str, tuple[tuple[Point, ...], ...]] = {
    "start": (
        (Point.CLAIM_BEFORE, Point.START_BEFORE, Point.START_COMMITTED, Point.EFFECT_BEGUN),
        (Point.CLAIM_COMMITTED, Point.EFFECT_ACTED, Point.HEARTBEAT_BEFORE),
    ),
    "finish": (
        (Point.FINISH_BEFORE, Point.SAVE_STORED, Point.ONCE_COMMITTED),
        (Point.FINISH_COMMITTED, Point.SAVE_KEPT, Point.EFFECT_COMPLETED),
        (Point.VERB_UNCOMMITTED, Point.ONCE_ACTED),
    ),
    "ring": (
        (Point.RING_COMMITTED, Point.START_KNOCKED, Point.KNOCK_TAKEN, Point.HEARTBEAT_COMMITTED),
        (Point.DUE_COMMITTED, Point.ONCE_UNCOMMITTED),
    ),
    "loss": (
        (Point.LOSS_BEFORE,),
        (Point.LOSS_COMMITTED, Point.KNOCK_PUBLISHED, Point.CANCEL_COMMITTED),
        (Point.RECOVER_BEFORE,),
        (Point.RECOVER_COMMITTED,),
    ),
}
