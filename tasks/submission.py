"""Asking for a run: what is checked before the row is written, and the row itself."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, ValidationError

from accounts.keys import uuid7
from accounts.viewer import RUNS_READ, TASKS_START, Viewer
from tasks import broker, changes, context, files, permission, sql, statements
from tasks.exceptions import Problem, RefusalCode, Refused
from tasks.models import Run
from tasks.registry import Task
from tasks.shapes import flaws, leaves
from tasks.status import OPEN, Priority, Status
from tasks.text import is_text

KEY_LENGTH = 200
TAGS = 20  # of one run
TAG_LENGTH = 50
FILES = 100  # that one input may name
PROBLEMS = 20  # that one refusal tells
FURTHEST = timedelta(days=366)  # that a run may be asked for ahead


@dataclass(frozen=True)
class RunOptions:
    """How to start a run; no part of its input. Times have an offset.

    Without tags and priority: none and NORMAL, or those of the run that is asked for again.
    """

    idempotency_key: str | None = None
    run_at: datetime | None = None
    expires_at: datetime | None = None
    tags: tuple[str, ...] | None = None
    priority: Priority | None = None


@dataclass(frozen=True)
class Submitted:
    """The run of a start, and whether an earlier start had made it (same key, or unique)."""

    run: Run
    replayed: bool


def submit(
    viewer: Viewer,
    task: Task,
    data: dict[str, Any],
    options: RunOptions | None = None,
    *,
    rerun_of: Run | None = None,
) -> Submitted:
    """Write a run that waits, and knock; the same key and input give the first run again.

    It belongs to the viewer, or to the owner of the run that it repeats. Raises Refused, with
    nothing written: FORBIDDEN, NOT_FOUND and UPLOAD_INCOMPLETE (a file), BAD_USER_INPUT (a
    constraint), IDEMPOTENCY_KEY_REUSED (the same key with another input), QUOTA_EXCEEDED.
    """
    check_may_start(viewer, task)
    options = options or RunOptions()
    found = chain(_option_problems(options), _text_problems(task, data))
    if problems := list(islice(found, PROBLEMS)):
        raise Refused(problems)
    owner_id = viewer.user_id if rerun_of is None else rerun_of.owner_id
    given_files = _given_files(owner_id, task, data)
    checked = _checked(task, data, given_files)
    if not permission.allows(task.options.permission, viewer, checked):
        raise Refused([_not_permitted(task)])
    files.will_be_used(given_files, options.run_at)
    return _insert(viewer, task, checked.model_dump(mode="json"), options, owner_id, rerun_of)


def check_may_start(viewer: Viewer, task: Task) -> None:
    """Refused with FORBIDDEN unless the credential and its user may start the task."""
    if not viewer.may_start(task.name):
        message = f"This token may not start {task.name}: that takes {TASKS_START}:{task.name}."
        raise Refused([Problem(message, RefusalCode.FORBIDDEN)])
    if not permission.allows(task.options.permission, viewer, None):
        raise Refused([_not_permitted(task)])


def _not_permitted(task: Task) -> Problem:
    return Problem(f"You are not permitted to start {task.name}.", RefusalCode.FORBIDDEN)


def _insert(
    viewer: Viewer,
    task: Task,
    given: dict[str, Any],
    options: RunOptions,
    owner_id: UUID,
    rerun_of: Run | None,
) -> Submitted:
    run_id, input_hash = uuid7(), _hash(given)
    while True:
        made = changes.perform(
            statements.SUBMIT,
            id=run_id,
            owner_id=owner_id,
            most=settings.QUEUED_RUNS,
            task=task.name,
            input=given,
            input_hash=input_hash,
            idempotency_key=options.idempotency_key,
            on_lost=task.options.on_lost.value,
            max_failures=task.options.max_failures,
            is_gated=task.options.is_gated,
            is_unique=task.options.unique,
            priority=(Priority.NORMAL if options.priority is None else options.priority).value,
            tags=list(options.tags or ()),
            run_at=options.run_at,
            expires_at=options.expires_at,
            rerun_of=rerun_of and rerun_of.pk,
            # A knock that will not be sent makes the run due for the conductor at once.
            ring=settings.RING_SECONDS if broker.KNOCKER.has_room() else 0,
        )
        if made:
            _knock(made[0])
            return Submitted(made[0], replayed=False)
        first = _first(owner_id, task, options.idempotency_key, input_hash)
        if first is not None:  # None: deleted or over in between, so the place is free again
            return _replay(viewer, first, input_hash)
        if sql.ask(statements.IS_FULL, owner_id=owner_id, most=settings.QUEUED_RUNS)[0]:
            message = (
                f"{settings.QUEUED_RUNS} runs of yours are waiting, as many as may: let some "
                "begin, or cancel some, and start again."
            )
            raise Refused([Problem(message, RefusalCode.QUOTA_EXCEEDED)])


def _knock(run: Run) -> None:
    if run.status == Status.QUEUED:
        knock = broker.Knock.of(run)
        transaction.on_commit(lambda: broker.KNOCKER.knock(knock))


def _first(owner_id: UUID, task: Task, key: str | None, input_hash: str) -> Run | None:
    """The run that stood in the way of a second one."""
    runs = Run.objects.filter(owner_id=owner_id, task=task.name)
    if key is not None and (first := runs.filter(idempotency_key=key).first()) is not None:
        return first
    return runs.filter(is_unique=True, input_hash=input_hash, status__in=OPEN).first()


def _replay(viewer: Viewer, first: Run, input_hash: str) -> Submitted:
    if first.input_hash != input_hash:
        message = "This idempotencyKey already started a run with another input: use a new key."
        code = RefusalCode.IDEMPOTENCY_KEY_REUSED
        raise Refused([Problem(message, code, ("options", "idempotency_key"))])
    return Submitted(first if viewer.may(RUNS_READ) else _outline(first), replayed=True)


def _outline(run: Run) -> Run:
    """What a viewer who may start but not read may know of the run: what a fresh start tells."""
    known = (
        *("id", "owner_id", "task", "input", "idempotency_key", "created_at", "run_at"),
        *("expires_at", "tags", "priority", "rerun_of"),
    )
    is_ahead = run.run_at is not None and run.run_at > timezone.now()
    status = Status.SCHEDULED if is_ahead else Status.QUEUED
    return Run(status=status.value, **{name: getattr(run, name) for name in known})


def check_may_rerun(viewer: Viewer) -> None:
    """Refused with FORBIDDEN unless the credential may start tasks and read the first run."""
    if not (viewer.may_start_some and viewer.may(RUNS_READ)):
        message = f"This token may not rerun: that takes {TASKS_START} and {RUNS_READ}."
        raise Refused([Problem(message, RefusalCode.FORBIDDEN)])


def rerun(viewer: Viewer, run_id: UUID, options: RunOptions | None = None) -> Submitted:
    """Ask for a new run with the input of a final one, as its task is declared today.

    Tags and priority are those of the first run unless the options name others. Raises Refused as
    `submit` does, and NOT_FOUND, RUN_NOT_FINAL, TASK_RETIRED.
    """
    check_may_rerun(viewer)
    run = Run.objects.visible_to(viewer).filter(pk=run_id).first()
    if run is None:
        raise _refused("There is no such run.", RefusalCode.NOT_FOUND, "id")
    if not viewer.owns(run.owner_id):
        raise _refused("This run is another's: you may read it.", RefusalCode.FORBIDDEN, "id")
    if not run.is_final:
        message = "This run is not over: wait for it, or cancel it first."
        raise _refused(message, RefusalCode.RUN_NOT_FINAL, "id")
    if run.declaration is None:
        message = f"The task {run.task} is no longer declared."
        raise _refused(message, RefusalCode.TASK_RETIRED, "id")
    options = options or RunOptions()
    if options.tags is None:
        options = replace(options, tags=tuple(run.tags))
    if options.priority is None:
        options = replace(options, priority=Priority(run.priority))
    return submit(viewer, run.declaration, run.input, options, rerun_of=run)


def _refused(message: str, code: RefusalCode, *path: str) -> Refused:
    return Refused([Problem(message, code, path)])


def _option_problems(options: RunOptions) -> Iterator[Problem]:
    key = options.idempotency_key
    if key is not None and not (1 <= len(key) <= KEY_LENGTH and is_text(key)):
        message = f"An idempotencyKey has 1 to {KEY_LENGTH} characters, none of them NUL."
        yield Problem(message, path=("options", "idempotency_key"))
    yield from _tag_problems(options.tags or ())
    yield from _time_problems(options)


def _tag_problems(tags: tuple[str, ...]) -> Iterator[Problem]:
    if len(tags) > TAGS or len(set(tags)) < len(tags):
        message = f"A run has at most {TAGS} tags, each of them once."
        yield Problem(message, path=("options", "tags"))
    for place, tag in enumerate(tags[:TAGS]):
        if not (1 <= len(tag) <= TAG_LENGTH and is_text(tag)):
            message = f"A tag has 1 to {TAG_LENGTH} characters, none of them NUL."
            yield Problem(message, path=("options", "tags", place))


def _time_problems(options: RunOptions) -> Iterator[Problem]:
    """By this machine's clock, to tell mistakes; what happens when is the database's to say."""
    now = timezone.now()
    if options.run_at is not None and options.run_at > now + FURTHEST:
        yield Problem("runAt may be at most a year ahead.", path=("options", "run_at"))
    if options.expires_at is None:
        return
    if options.expires_at <= now:
        yield Problem("expiresAt has passed already.", path=("options", "expires_at"))
    elif options.expires_at > now + 2 * FURTHEST:
        yield Problem("expiresAt may be at most two years ahead.", path=("options", "expires_at"))
    elif options.run_at is not None and options.expires_at <= options.run_at:
        message = "expiresAt is the latest start, so it must be after runAt."
        yield Problem(message, path=("options", "expires_at"))


def _text_problems(task: Task, data: dict[str, Any]) -> Iterator[Problem]:
    for path, reason in flaws(data, task.input):
        yield Problem(reason, path=("input", *path))


def _given_files(owner_id: UUID, task: Task, data: dict[str, Any]) -> dict[UUID, context.File]:
    """The files named in the input, each ready and the owner's own, or Refused."""
    named = dict(leaves(data, task.input, "File"))
    if len(named) > FILES:
        raise Refused([Problem(f"An input may name at most {FILES} files.", path=("input",))])
    found = files.find(files.keys_in(data, task.input), owner_id)
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


def _checked(task: Task, data: dict[str, Any], given_files: dict[UUID, context.File]) -> BaseModel:
    try:
        return task.check_input(data, given_files)
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
