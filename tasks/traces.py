"""What each log line about a run says of it, so that all of them are found together."""

from contextlib import AbstractContextManager
from uuid import UUID

from structlog.contextvars import bound_contextvars


def of_run(run_id: UUID, attempt: int) -> AbstractContextManager[None]:
    """Bound meanwhile: the run, the attempt, and the run's key as the trace id of both."""
    return bound_contextvars(trace_id=run_id.hex, run=str(run_id), attempt=attempt)
