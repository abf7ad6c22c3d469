"""The rows that are the truth: runs, their attempts and events, files, and living workers."""

from collections.abc import Collection
from datetime import timedelta
from typing import ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from accounts.keys import uuid7
from accounts.viewer import RUNS_READ, Viewer
from tasks.newest import NewestIndex
from tasks.registry import REGISTRY, Task
from tasks.status import Kind, Level, OnLost, Outcome, Priority, Status

M = TypeVar("M", bound=models.Model)


class OwnedQuerySet(models.QuerySet[M]):
    """Rows that belong to a user, and to a run or are one."""

    def visible_to(self, viewer: Viewer | None) -> Self:
        """The one door to rows: what this viewer may see."""
        if viewer is None or not viewer.may(RUNS_READ):
            return self.none()
        if viewer.run_id is not None:
            column = "pk" if self.model is Run else "run_id"
            return self.filter(**{column: viewer.run_id, "owner_id": viewer.user_id})
        if viewer.is_admin:
            return self.all()
        if viewer.peers:
            return self.filter(owner_id__in=(viewer.user_id, *viewer.peers))
        return self.filter(owner_id=viewer.user_id)

    def owned_by(self, viewer: Viewer) -> Self:
        """Those of the visible ones that the viewer may do something with."""
        rows = self.visible_to(viewer)
        return rows if viewer.is_admin else rows.filter(owner_id=viewer.user_id)


# Each with an OR before it, for SQLite infers nothing from one of a list.
_UNUSUAL = (
    models.Q(status="SCHEDULED")
    | models.Q(status="FAILED")
    | models.Q(status="CANCELED")
    | models.Q(status="EXPIRED")
    | models.Q(status="LOST")
)


def shown_as(statuses: Collection[Status]) -> models.Q:
    """In one of the statuses as clients see them: CANCELING is stored as RUNNING."""
    plain = [s.value for s in statuses if s not in (Status.RUNNING, Status.CANCELING)]
    # One alone is said in the words of the partial indexes, for SQLite infers little.
    where = models.Q(status=plain[0]) if len(plain) == 1 else models.Q(status__in=plain)
    if Status.RUNNING in statuses:
        where |= models.Q(status=Status.RUNNING, cancel_requested_at=None)
    if Status.CANCELING in statuses:
        where |= models.Q(status=Status.RUNNING, cancel_requested_at__isnull=False)
    return where


class Run(models.Model):
    """One request to perform a task with one input. Written by tasks.runs alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="runs", db_index=False
    )
    task = models.CharField(max_length=100)
    input = models.JSONField()
    input_hash = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - no key is no text
    rerun_of = models.UUIDField(null=True, help_text="The run that this one repeats; no link.")

    # What the declaration said when the run was asked for. A column that comes later has a
    # db_default, because yesterday's code goes on inserting rows during a deploy.
    on_lost = models.CharField(max_length=5, choices=[(o.value, o.name) for o in OnLost])
    max_failures = models.PositiveSmallIntegerField()
    is_gated = models.BooleanField(
        default=False, db_default=False, help_text="All effects are inside ctx.effect or ctx.once."
    )
    is_unique = models.BooleanField(
        default=False, db_default=False, help_text="No second open run with the same input."
    )
    priority = models.PositiveSmallIntegerField(
        default=Priority.NORMAL.value,
        db_default=Priority.NORMAL.value,
        choices=[(p.value, p.name) for p in Priority],
    )
    tags = models.JSONField(default=list, db_default=[])
    run_at = models.DateTimeField(null=True, help_text="Not before this time.")
    expires_at = models.DateTimeField(null=True, help_text="The latest first start.")

    status = models.CharField(max_length=10, choices=[(s.value, s.name) for s in Status])
    revision = models.PositiveIntegerField(default=1, help_text="Rises with every visible change.")
    attempt = models.PositiveIntegerField(default=0, help_text="Number of the latest attempt.")
    failures = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True, help_text="Proves who holds the run.")
    lease_until = models.DateTimeField(null=True)
    ring_at = models.DateTimeField(null=True, help_text="When the conductor looks at it again.")
    rings = models.PositiveIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    may_have_repeated = models.BooleanField(
        default=False,
        db_default=False,
        help_text="An attempt was cut off, or an effect's outcome unknown, and it was done again.",
    )

    progress_done = models.PositiveIntegerField(null=True)
    progress_total = models.PositiveIntegerField(null=True)
    progress_message = models.CharField(max_length=200, null=True)  # noqa: DJ001
    result = models.JSONField(null=True)
    error = models.JSONField(null=True, help_text="code, message and retryable.")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, help_text="Start of the first attempt.")
    finished_at = models.DateTimeField(null=True)

    # What some statements tell beside the columns, and what may be where they did not.
    has_next: bool = True
    ahead: int = 0

    objects = OwnedQuerySet["Run"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["idempotency_key", "owner", "task"],  # found by the key alone, too
                condition=models.Q(idempotency_key__isnull=False),
                name="run_idempotency_key",
            ),
            models.UniqueConstraint(
                fields=["owner", "task", "input_hash"],
                condition=models.Q(is_unique=True, status__in=["SCHEDULED", "QUEUED", "RUNNING"]),
                name="run_unique_input",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["priority", "ring_at", "id"],
                condition=models.Q(status__in=["QUEUED", "SCHEDULED"]),
                name="run_due",
            ),
            models.Index(
                fields=["task", "-priority", "id"],
                condition=models.Q(status="QUEUED"),
                name="run_next",
            ),
            models.Index(fields=["id"], condition=models.Q(status="RUNNING"), name="run_running"),
            models.Index(
                fields=["owner"],
                condition=models.Q(status__in=["SCHEDULED", "QUEUED"]),
                name="run_owner_waiting",
            ),
            NewestIndex(fields=["owner", "-id"], name="run_of_owner"),
            models.Index(fields=["task", "-id"], name="run_task"),
            # What is in no other index by its status, and on no run's usual way to SUCCEEDED.
            models.Index(fields=["status", "-id", "task"], condition=_UNUSUAL, name="run_unusual"),
            NewestIndex(fields=["owner", "task", "-id"], name="run_of_owner_task"),
            NewestIndex(
                fields=["owner", "status", "-id"],
                condition=~models.Q(status="SUCCEEDED"),
                name="run_of_owner_status",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"

    @property
    def is_final(self) -> bool:
        return Status(self.status).is_final

    @property
    def is_whole(self) -> bool:
        """Whether its input and result are loaded."""
        return self.__dict__.keys() >= {"input", "result"}

    def is_visible_to(self, viewer: Viewer | None) -> bool:
        """The rule of `visible_to`, for a row that several watchers share."""
        if viewer is None or not viewer.may(RUNS_READ):
            return False
        if viewer.run_id is not None:
            return self.pk == viewer.run_id and self.owner_id == viewer.user_id
        return viewer.is_admin or self.owner_id in (viewer.user_id, *viewer.peers)

    @property
    def shown_status(self) -> Status:
        """The status as clients see it: RUNNING with a cancel asked for is CANCELING."""
        if self.status == Status.RUNNING and self.cancel_requested_at is not None:
            return Status.CANCELING
        return Status(self.status)

    @property
    def declaration(self) -> Task | None:
        """The task as declared today; None once it is retired."""
        return REGISTRY.get(self.task)


class Attempt(models.Model):
    """One try of a run by one worker."""

    pk = models.CompositePrimaryKey("run_id", "number")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    token = models.UUIDField()
    worker = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(  # noqa: DJ001 - null while it runs
        max_length=10, null=True, choices=[(o.value, o.name) for o in Outcome]
    )
    error = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.run_id}"


class Event(models.Model):
    """A fact about a run, numbered by the run's revision at which it happened; never changed."""

    pk = models.CompositePrimaryKey("run_id", "number")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=[(k.value, k.name) for k in Kind])
    level = models.PositiveSmallIntegerField(null=True, help_text="Of a log line.")
    attempt = models.PositiveIntegerField(null=True)
    message = models.TextField(default="")

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.run_id}"

    @property
    def level_name(self) -> str:
        """Of a log line; empty for other events."""
        return "" if self.level is None else Level(self.level).name


class Effect(models.Model):
    """Something a run did outside itself: begun, and known to be done once `done_at` is set."""

    pk = models.CompositePrimaryKey("run_id", "key")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="effects", db_index=False)
    key = models.CharField(max_length=200)
    attempt = models.PositiveIntegerField(help_text="The attempt that began it last.")
    begun_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    value = models.JSONField(null=True, help_text="What it returned.")

    def __str__(self) -> str:
        return f"effect {self.key} of {self.run_id}"


class File(models.Model):
    """Bytes in the storage: an upload, promised before it comes, or saved by a run."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="files", db_index=False
    )
    run = models.ForeignKey(
        Run,
        on_delete=models.CASCADE,
        null=True,
        related_name="files",
        db_index=False,
        help_text="The run that saved it; null for an upload.",
    )
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=127)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64, null=True)  # noqa: DJ001 - null until known
    storage_name = models.CharField(max_length=255, null=True)  # noqa: DJ001 - null until stored
    created_at = models.DateTimeField(default=timezone.now)
    upload_until = models.DateTimeField()
    ready_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(
        null=True, help_text="When a run last needed it, or will: an upload is kept from then on."
    )

    objects = OwnedQuerySet["File"].as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["owner", "-id"], name="file_owner"),
            models.Index(fields=["run", "-id"], name="file_run"),
            models.Index(
                fields=["id"], condition=models.Q(ready_at__isnull=True), name="file_not_ready"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"

    @property
    def is_ready(self) -> bool:
        return self.ready_at is not None


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Rows of worker processes."""

    def alive(self) -> Self:
        """Those whose last sign of life is recent enough to trust."""
        patience = timedelta(seconds=3 * settings.HEARTBEAT_SECONDS)
        return self.filter(heartbeat_at__gt=Now() - patience)

    def known_tasks(self) -> set[str]:
        """The tasks that some living worker takes."""
        return {task for tasks in self.alive().values_list("tasks", flat=True) for task in tasks}


class Worker(models.Model):
    """A worker's sign of life, and what it takes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    tasks = models.JSONField(default=list, db_default=[], help_text="The tasks it takes.")
    slots = models.PositiveIntegerField(
        default=1, db_default=1, help_text="Runs it performs at once."
    )
    busy = models.PositiveIntegerField(default=0, db_default=0, help_text="Slots in use.")
    claimed_at = models.DateTimeField(null=True, help_text="When it last took a run.")
    started_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
