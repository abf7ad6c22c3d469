"""The argument `waitSeconds`: an answer that comes when a run has moved on."""

import graphene

from accounts.viewer import RUNS_READ, Viewer
from schema.errors import bad_user_input
from schema.limits import WAIT_SECONDS
from tasks.exceptions import Problem, RefusalCode, Refused


def wait_argument(until: str) -> graphene.Float:
    return graphene.Float(
        description=f"Answer {until}, at the latest after so many seconds, 0 to {WAIT_SECONDS}, "
        "with the run as it then is. An operation has one deadline: the latest of its fields."
    )


def read_wait(seconds: float | None) -> float:
    """The seconds to wait; BAD_USER_INPUT for what nobody may ask for."""
    if seconds is None:
        return 0.0
    if not 0 <= seconds <= WAIT_SECONDS:
        raise bad_user_input(f"waitSeconds is a number from 0 to {WAIT_SECONDS}.")
    return seconds


def check_may_wait(viewer: Viewer, seconds: float) -> None:
    """Refused with FORBIDDEN when the credential could not read what it would wait for."""
    if seconds and not viewer.may(RUNS_READ):
        message = f"This token may not wait for runs: that takes {RUNS_READ}."
        raise Refused([Problem(message, RefusalCode.FORBIDDEN, ("wait_seconds",))])
