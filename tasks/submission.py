"""Asking for a run: what is checked before the row is written, and the row itself."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, ValidationError

from accounts.keys import uuid7
from accounts.viewer import RUNS_READ, TASKS_START, Viewer
from tasks import broker, changes, context, failpoints, files, permission, sql, statements
from tasks.exceptions import Problem, RefusalCode, Refused
from tasks.failpoints import Point
from tasks.models import File, Run
from tasks.registry import Task
from tasks.shapes import flaws, leaves
from tasks.status import OPEN, Priority, Status
from tasks.text import is_text

KEY_LENGTH = 200
TAGS = 20  # of one run
TAG_LENGTH = 50
FILES = 100  # that one input may name
FILES_TOGETHER = 5_000  # that the inputs of one request may name
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


@dataclass(frozen=True)
class Asked:
    """One run that is asked for; the input's files are named by their keys."""

    task: Task
    data: dict[str, Any]
    options: RunOptions = RunOptions()


@dataclass(frozen=True)
class _Row:
    """A run that may be written."""

    id: UUID
    task: Task
    options: RunOptions
    given: dict[str, Any]
    input_hash: str
    files: tuple[UUID, ...]
    rerun_of: Run | None

    @property
    def columns(self) -> dict[str, Any]:
        declared, options = self.task.options, self.options
        priority = Priority.NORMAL if options.priority is None else options.priority
        return {
            "id": self.id,
            "task": self.task.name,
            "input": self.given,
            "input_hash": self.input_hash,
            "idempotency_key": options.idempotency_key,
            "on_lost": declared.on_lost.value,
            "max_failures": declared.max_failures,
            "is_gated": declared.is_gated,
            "is_unique": declared.unique,
            "priority": priority.value,
            "tags": list(options.tags or ()),
            "run_at": options.run_at,
            "expires_at": options.expires_at,
            "rerun_of": self.rerun_of and self.rerun_of.pk,
        }


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
    owner_id = viewer.user_id if rerun_of is None else rerun_of.owner_id
    (outcome,) = _submit(viewer, owner_id, [Asked(task, data, options or RunOptions())], rerun_of)
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def submit_many(viewer: Viewer, asked: Sequence[Asked]) -> list[Submitted | Refused]:
    """What `submit` does, for each of these, in one statement; the outcomes in their order.

    What is refused does not undo the others. Raises Refused for all of them: BAD_USER_INPUT when
    they name too many files together.
    """
    return _submit(viewer, viewer.user_id, asked, None)


def _submit(
    viewer: Viewer, owner_id: UUID, asked: Sequence[Asked], rerun_of: Run | None
) -> list[Submitted | Refused]:
    found = _find_files(owner_id, asked)
    outcomes: list[Submitted | Refused | _Row] = []
    for each in asked:
        try:
            outcomes.append(_row(viewer, each, found, rerun_of))
        except Refused as refused:
            outcomes.append(refused)
    rows = [outcome for outcome in outcomes if isinstance(outcome, _Row)]
    _keep_files(rows)
    done = _insert(viewer, owner_id, rows) if rows else {}
    return [done[each.id] if isinstance(each, _Row) else each for each in outcomes]


def _row(viewer: Viewer, asked: Asked, found: Mapping[UUID, File], rerun_of: Run | None) -> _Row:
    """What will be written, once all is checked that can be; or Refused."""
    task, options = asked.task, asked.options
    check_may_start(viewer, task)
    flawed = chain(_option_problems(options), _text_problems(task, asked.data))
    if problems := list(islice(flawed, PROBLEMS)):
        raise Refused(problems)
    given_files = _given_files(task, asked.data, found)
    checked = _checked(task, asked.data, given_files)
    if not permission.allows(task.options.permission, viewer, checked):
        raise Refused([_not_permitted(task)])
    given = checked.model_dump(mode="json")
    return _Row(uuid7(), task, options, given, _hash(given), tuple(given_files), rerun_of)


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
    viewer: Viewer, owner_id: UUID, rows: Sequence[_Row]
) -> dict[UUID, Submitted | Refused]:
    """Write those that may be, and say of each what became of it."""
    done: dict[UUID, Submitted | Refused] = {}
    missing = {row.id: row for row in rows}
    enough = broker.KNOCKER.enough
    failpoints.hit(Point.START_BEFORE)
    while True:
        made = changes.perform(
            statements.SUBMIT,
            is_passing=True,  # its claim follows, or the start of another run
            owner_id=owner_id,
            most=settings.QUEUED_RUNS,
            runs=sql.as_asked(row.columns for row in missing.values()),
            # Knocks that will not be sent make the runs due for the conductor at once.
            ring=settings.RING_SECONDS if broker.KNOCKER.has_room(len(missing)) else 0,
            enough=enough,
        )
        if made:
            failpoints.hit(Point.START_COMMITTED)
            for run in made:
                run.input, run.result = missing.pop(run.pk).given, None
                done[run.pk] = Submitted(run, replayed=False)
            _knock(made, enough)
            failpoints.hit(Point.START_KNOCKED)
        if not missing:
            return done
        for row_id, first in _firsts(owner_id, missing.values()).items():
            done[row_id] = _replay(viewer, first, missing.pop(row_id).input_hash)
        # What was in the way of the others is gone in between, unless there is no room.
        if missing and sql.ask(statements.IS_FULL, owner_id=owner_id, most=settings.QUEUED_RUNS)[0]:
            message = (
                f"{settings.QUEUED_RUNS} runs of yours are waiting, as many as may: let some "
                "begin, or cancel some, and start again."
            )
            full = Refused([Problem(message, RefusalCode.QUOTA_EXCEEDED)])
            return done | dict.fromkeys(missing, full)
        if not missing:
            return done


def _knock(made: Iterable[Run], enough: int) -> None:
    """Knock for these, but not where enough wait already: who takes those takes these after them.

    So a backlog costs neither us nor the workers a knock for each run of it.
    """
    knocked = Counter[tuple[str, int]]()
    for run in made:
        kind = run.task, run.priority
        if run.status == Status.QUEUED and run.ahead + knocked[kind] < enough:
            knocked[kind] += 1
            transaction.on_commit(partial(broker.KNOCKER.knock, broker.Knock.of(run)))


def _firsts(owner_id: UUID, rows: Collection[_Row]) -> dict[UUID, Run]:
    """The runs that stood in the way of these, by what they were in the way of."""
    runs = Run.objects.filter(owner_id=owner_id)
    keys = {row.options.idempotency_key for row in rows} - {None}
    hashes = {row.input_hash for row in rows if row.task.options.unique}
    keyed = runs.filter(idempotency_key__in=keys) if keys else ()
    unique = runs.filter(is_unique=True, input_hash__in=hashes, status__in=OPEN) if hashes else ()
    by_key = {(run.task, run.idempotency_key): run for run in keyed}
    by_input = {(run.task, run.input_hash): run for run in unique}
    firsts = {
        row.id: by_key.get((row.task.name, row.options.idempotency_key))
        or (by_input.get((row.task.name, row.input_hash)) if row.task.options.unique else None)
        for row in rows
    }
    return {row_id: first for row_id, first in firsts.items() if first is not None}


def _replay(viewer: Viewer, first: Run, input_hash: str) -> Submitted | Refused:
    if first.input_hash != input_hash:
        message = "This idempotencyKey already started a run with another input: use a new key."
        code = RefusalCode.IDEMPOTENCY_KEY_REUSED
        return Refused([Problem(message, code, ("options", "idempotency_key"))])
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


def _find_files(owner_id: UUID, asked: Sequence[Asked]) -> dict[UUID, File]:
    """The owner's own files among those that the inputs name, in at most one query."""
    keys: set[UUID] = set()
    for each in asked:
        # One that names more is refused in its turn, without a look at them.
        keys |= set(islice(files.keys_in(each.data, each.task.input), FILES + 1))
        if len(keys) > FILES_TOGETHER:
            message = f"The inputs may name at most {FILES_TOGETHER:,} files together."
            raise Refused([Problem(message, path=("runs",))])
    return files.find(keys, owner_id)


def _given_files(
    task: Task, data: dict[str, Any], found: Mapping[UUID, File]
) -> dict[UUID, context.File]:
    """The files named in the input, each ready and the owner's own, or Refused."""
    named = dict(leaves(data, task.input, "File"))
    if len(named) > FILES:
        raise Refused([Problem(f"An input may name at most {FILES} files.", path=("input",))])
    problems, given = [], {}
    for path, value in named.items():
        key = files.as_key(value)
        file = None if key is None else found.get(key)
        if file is None:
            problem = Problem("There is no such file.", RefusalCode.NOT_FOUND, ("input", *path))
            problems.append(problem)
        elif not file.is_ready:
            message = "This file is not uploaded yet: PUT its bytes to the upload's URL first."
            problems.append(Problem(message, RefusalCode.UPLOAD_INCOMPLETE, ("input", *path)))
        else:
            given[file.pk] = files.as_input(file)
    if problems:
        raise Refused(problems)
    return given


def _keep_files(rows: Iterable[_Row]) -> None:
    """No upload is pruned before the runs that need it have begun."""
    needed: dict[datetime | None, set[UUID]] = {}
    for row in rows:
        if row.files:
            needed.setdefault(row.options.run_at, set()).update(row.files)
    for run_at, keys in needed.items():
        files.will_be_used(keys, run_at)


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
