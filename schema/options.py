"""How a run is started, beside its input."""

from typing import Any

import graphene

from schema.enums import RunPriority
from schema.scalars import DateTime
from tasks import submission
from tasks.submission import KEY_LENGTH, TAG_LENGTH, TAGS


class RunOptions(graphene.InputObjectType):
    """How to start a run; no part of its input."""

    idempotency_key = graphene.String(
        description=f"At most {KEY_LENGTH} characters. A repeated start with the same key and "
        "input gives the first run again, so a client may repeat a start whose answer was lost."
    )
    run_at = DateTime(description="Do not start before this time, at most a year ahead.")
    expires_at = DateTime(
        description="Do not start after this time: what has not started by then is EXPIRED."
    )
    tags = graphene.List(
        graphene.NonNull(graphene.String),
        description=f"At most {TAGS} words of at most {TAG_LENGTH} characters, for filters. A "
        "rerun without them has those of its first run.",
    )
    priority = graphene.Field(
        RunPriority,
        description="Whether it goes before others that wait: NORMAL when left out, and for a "
        "rerun that of its first run.",
    )


def read_options(given: Any) -> submission.RunOptions:
    """The options; an explicit null is as good as nothing."""
    given = {name: value for name, value in (given or {}).items() if value is not None}
    if "tags" in given:
        given["tags"] = tuple(given["tags"])
    return submission.RunOptions(**given)
