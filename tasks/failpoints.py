"""Failpoints: named places where a fault can be made to happen, so that its outcome can be shown.

FAILPOINTS in the environment names a folder. A file in it, named like a point, says what befalls
the next process that comes by: `kill`, `stop` (as SIGSTOP does), `sleep SECONDS`, or `raise` (as if
the database's answer were lost). The file is then renamed to `POINT.met`, so each is met once, and
names the process that met it. Without FAILPOINTS a point is the call of an empty function.
"""

import logging
import os
import signal
import threading
import time
from enum import StrEnum
from pathlib import Path

from django.db import OperationalError

log = logging.getLogger("downbeat.failpoints")


class Point(StrEnum):
    """Where a fault may happen; `committed` is between the commit and whatever follows it."""

    START_BEFORE = "start.before"
    START_COMMITTED = "start.committed"
    START_KNOCKED = "start.knocked"
    KNOCK_TAKEN = "knock.taken"
    KNOCK_PUBLISHED = "knock.published"
    VERB_UNCOMMITTED = "verb.uncommitted"  # SQLite alone: elsewhere a verb is one statement
    CLAIM_BEFORE = "claim.before"
    CLAIM_COMMITTED = "claim.committed"
    HEARTBEAT_BEFORE = "heartbeat.before"
    HEARTBEAT_COMMITTED = "heartbeat.committed"
    EFFECT_BEGUN = "effect.begun"
    EFFECT_ACTED = "effect.acted"
    EFFECT_COMPLETED = "effect.completed"
    ONCE_ACTED = "once.acted"
    ONCE_UNCOMMITTED = "once.uncommitted"
    ONCE_COMMITTED = "once.committed"
    SAVE_STORED = "save.stored"
    SAVE_KEPT = "save.kept"
    FINISH_BEFORE = "finish.before"
    FINISH_COMMITTED = "finish.committed"
    LOSS_BEFORE = "loss.before"
    LOSS_COMMITTED = "loss.committed"
    RING_COMMITTED = "ring.committed"
    DUE_COMMITTED = "due.committed"
    RECOVER_BEFORE = "recover.before"
    RECOVER_COMMITTED = "recover.committed"
    CANCEL_COMMITTED = "cancel.committed"


def _pass(point: Point) -> None:
    """Unarmed."""


def _look(point: Point) -> None:
    """Meet what is armed here, if this process is the first to come by."""
    met = Path(_FOLDER, f"{point}.met")
    try:
        Path(_FOLDER, point).rename(met)
    except FileNotFoundError:
        return
    action, _, seconds = met.read_text(encoding="ascii").partition(" ")
    met.write_text(str(os.getpid()), encoding="ascii")
    log.warning("failpoint %s: %s", point, action)
    if action == "raise":
        raise OperationalError(f"failpoint {point}: the answer is lost")
    if action == "sleep":
        time.sleep(float(seconds))
    else:
        # To this thread: were another one to take the signal, this one might get on a little.
        number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[action]
        signal.pthread_kill(threading.get_ident(), number)


_FOLDER = os.environ.get("FAILPOINTS", "")
hit = _look if _FOLDER else _pass
