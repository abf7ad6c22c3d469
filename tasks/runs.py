"""The verbs of a run: submit, claim, heartbeat, finish, recover, start what is due, ring.

Every write by a worker is fenced by (RUNNING, attempt, token): who does not hold the run changes
nothing. The SQL is in tasks.statements.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from pydantic import ValidationError

from accounts.keys import uuid7
from accounts.viewer import RUNS_READ, TASKS_START, Viewer
from tasks import broker, context, files, statements
from tasks.context import Progress
from tasks.exceptions import Problem, RefusalCode, Refused
from tasks.models import Attempt, Run
from tasks.registry import Task
from tasks.shapes import flaws, leaves
from tasks.status import Outcome, Status
from tasks.text import is_text

KEY_LENGTH = 200
BATCH = 200
FILES = 100  # that one input may name
PROBLEMS = 20  # that one refusal tells


@dataclass(frozen=True)
class Hold:
    """What proves that one attempt holds a run."""

    run_id: UUID
    attempt: int
    token: UUID

    def as_params(self) -> dict[str, Any]:
        return {"id": self.run_id, "attempt": self.attempt, "token": self.token}


@dataclass(frozen=True)
class Submitted:
    """The run of a start, and whether an earlier start with the same key had made it."""

    run: Run
    replayed: bool


def submit(
    viewer: Viewer, task: Task, data: dict[str, Any], idempotency_key: str | None = None
) -> Submitted:
    """Write a queued run and knock; the same key and input give the first run again.

    Raises Refused, with nothing written: FORBIDDEN, NOT_FOUND and UPLOAD_INCOMPLETE (a file),
    BAD_USER_INPUT (a constraint), IDEMPOTENCY_KEY_REUSED (the same key with another input).
    """
    if not viewer.may(TASKS_START):
        raise Refused([Problem("This token may not start tasks.", RefusalCode.FORBIDDEN)])
    found = chain(_key_problems(idempotency_key), _text_problems(task, data))
    if problems := list(islice(found, PROBLEMS)):
        raise Refused(problems)
    given = _checked(task, data, _given_files(viewer, task, data))
    run_id, input_hash = uuid7(), _hash(given)
    while True:
        made = statements.perform(
            statements.SUBMIT,
            id=run_id,
            owner_id=viewer.user_id,
            task=task.name,
            input=given,
            input_hash=input_hash,
            idempotency_key=idempotency_key,
            on_lost=task.on_lost.value,
            max_failures=task.max_failures,
            # A knock that will not be sent makes the run due for the conductor at once.
            ring=settings.RING_SECONDS if broker.KNOCKER.has_room() else 0,
        )
        if made:
            transaction.on_commit(lambda: broker.KNOCKER.knock(task.name, run_id))
            return Submitted(made[0], replayed=False)
        first = Run.objects.filter(
            owner_id=viewer.user_id, task=task.name, idempotency_key=idempotency_key
        ).first()
        if first is not None:  # None: deleted in between, so the key is free again
            return _replay(viewer, first, input_hash)


def _replay(viewer: Viewer, first: Run, input_hash: str) -> Submitted:
    if first.input_hash != input_hash:
        message = "This idempotencyKey already started a run with another input: use a new key."
        code = RefusalCode.IDEMPOTENCY_KEY_REUSED
        raise Refused([Problem(message, code, ("options", "idempotency_key"))])
    return Submitted(first if viewer.may(RUNS_READ) else _outline(first), replayed=True)


def _outline(run: Run) -> Run:
    """What a viewer who may start but not read may know of the run: what a fresh start tells."""
    known = ("id", "owner_id", "task", "input", "idempotency_key", "created_at")
    return Run(status=Status.QUEUED.value, **{name: getattr(run, name) for name in known})


def _key_problems(key: str | None) -> Iterator[Problem]:
    if key is not None and not (1 <= len(key) <= KEY_LENGTH and is_text(key)):
        message = f"An idempotencyKey has 1 to {KEY_LENGTH} characters, none of them NUL."
        yield Problem(message, path=("options", "idempotency_key"))


def _text_problems(task: Task, data: dict[str, Any]) -> Iterator[Problem]:
    for path, reason in flaws(data, task.input):
        yield Problem(reason, path=("input", *path))


def _given_files(viewer: Viewer, task: Task, data: dict[str, Any]) -> dict[UUID, context.File]:
    """The files named in the input, each ready and the viewer's own, or Refused."""
    named = dict(leaves(data, task.input, "File"))
    if len(named) > FILES:
        raise Refused([Problem(f"An input may name at most {FILES} files.", path=("input",))])
    found = files.find(files.keys_in(data, task.input), viewer.user_id)
    problems = []
    for path, value in named.items():
        key = files.as_key(value)
        file = None if key is None else found.get(key)
        if file is None:
            problem = Problem("There is no such file.", RefusalCode.NOT_FOUND, ("input", *path))
            problems.append(problem)
        elif not file.is_ready:
            message = "This file is not uploaded yet: PUT its bytes to the upload's URL first."
            problems.append(Problem(message, RefusalCode.UPLOAD_INCOMPLETE, ("input", *path)))
    if problems:
        raise Refused(problems)
    return {key: files.as_input(file) for key, file in found.items()}


def _checked(
    task: Task, data: dict[str, Any], given_files: dict[UUID, context.File]
) -> dict[str, Any]:
    try:
        return task.check_input(data, given_files).model_dump(mode="json")
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
        problems = [Problem(m["msg"], path=("input", *m["loc"])) for m in mistakes[:PROBLEMS]]
        if len(mistakes) > PROBLEMS:
            more = f"And {len(mistakes) - PROBLEMS} more mistakes."
            problems.append(Problem(more, path=("input",)))
        raise Refused(problems) from None


def _hash(given: dict[str, Any]) -> str:
    canonical = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def claim(run_id: UUID, worker: str, token: UUID | None = None) -> Run | None:
    """Take a queued run for this worker; None when somebody else has it or it is over."""
    claimed = statements.perform(
        statements.CLAIM,
        id=run_id,
        token=token or uuid4(),
        worker=worker[:200],
        lease=settings.LEASE_SECONDS,
    )
    return claimed[0] if claimed else None


def claimed_earlier(run_id: UUID, token: UUID) -> Run | None:
    """The run if a claim whose answer was lost did take it (locked: a commit may be in flight)."""
    with transaction.atomic():
        rows = Run.objects.filter(pk=run_id)
        if connection.features.has_select_for_no_key_update:
            rows = rows.select_for_update(no_key=True)
        run = rows.first()
    if run is None or run.token != token or run.status != Status.RUNNING:
        return None
    return run


def heartbeat(hold: Hold, progress: Progress | None) -> bool:
    """Prolong the lease and write the progress; False when the run is no longer held."""
    done = statements.perform(
        statements.HEARTBEAT, lease=settings.LEASE_SECONDS, **hold.as_params(), **_spread(progress)
    )
    return bool(done)


def finish(
    hold: Hold,
    status: Status,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> bool:
    """End the run as SUCCEEDED or FAILED; False when it is no longer held and nothing was written.

    A finish whose answer was lost may be repeated: the attempt's own row tells that it was ours.
    """
    done = statements.perform(
        statements.FINISH,
        status=status.value,
        result=result,
        error=error,
        message=error["message"] if error else "",
        progress=progress is not None,
        **hold.as_params(),
        **_spread(progress),
    )
    return bool(done) or _ended_by(hold, status)


def _ended_by(hold: Hold, status: Status) -> bool:
    return Attempt.objects.filter(
        run_id=hold.run_id, number=hold.attempt, token=hold.token, outcome=Outcome(status.value)
    ).exists()


def _spread(progress: Progress | None) -> dict[str, Any]:
    done, total, message = progress or (None, None, None)
    return {"progress_done": done, "progress_total": total, "progress_message": message}


def recover() -> list[Run]:
    """Take runs away from workers without a sign of life: again while budget is left, else LOST."""
    return statements.perform(
        statements.RECOVER,
        lease=settings.LEASE_SECONDS,
        batch=BATCH,
        error={"code": "WORKER_LOST", "message": "The worker died; the outcome is unknown."},
        message="The worker gave no sign of life.",
    )


def make_all_due() -> None:
    """Let the next ring knock for every queued run: the broker may have forgotten them."""
    Run.objects.filter(status=Status.QUEUED).update(ring_at=Now())


def start_due() -> int:
    """Queue the runs whose time has come; how many."""
    return len(statements.perform(statements.START_DUE, batch=BATCH))


def ring() -> int:
    """Knock again for queued runs that nobody claimed; how many. Raises the broker's error."""
    due = statements.perform(statements.RING, ring=settings.RING_SECONDS, batch=BATCH)
    for position, run in enumerate(due):
        try:
            broker.publish(run.task, run.pk)
        except Exception:
            broker.make_due(late.pk for late in due[position:])
            raise
    return len(due)
