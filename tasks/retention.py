"""How long things are kept, and pruning what is older: final runs, unused uploads, stray bytes."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.keys import first_key
from tasks import files
from tasks.deletion import remove_runs
from tasks.models import File, Run
from tasks.registry import REGISTRY
from tasks.status import FINAL, Status

BATCH = 200
UNFINISHED = timedelta(days=1)  # that what was begun and never completed is kept


@dataclass(frozen=True)
class Pruned:
    """How many of each were removed; the files that runs had saved went with them."""

    runs: int = 0
    uploads: int = 0
    parts: int = 0

    @property
    def total(self) -> int:
        return self.runs + self.uploads + self.parts

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(
            self.runs + other.runs, self.uploads + other.uploads, self.parts + other.parts
        )


def days_kept(task: str, status: Status) -> int:
    """How many days after its end such a run is kept; 0: for ever."""
    declared = REGISTRY.get(task)
    days = None if declared is None else declared.options.retention_days
    if isinstance(days, dict):
        days = days.get(status)
    return int(settings.RETENTION_DAYS) if days is None else days


def expiry(file: File, run: Run | None) -> datetime | None:
    """From when on the file may be pruned, as things stand; None: for ever, or nobody knows yet.

    `run` is the one that saved the file; None for an upload.
    """
    if run is not None:
        return _expiry_of(run)
    if not file.is_ready:
        return file.upload_until + UNFINISHED
    days = settings.RETENTION_DAYS
    return (file.used_at or file.created_at) + timedelta(days=days) if days else None


def _expiry_of(run: Run) -> datetime | None:
    days = days_kept(run.task, Status(run.status))
    return run.finished_at + timedelta(days=days) if run.finished_at and days else None


def prune_some() -> int:
    """Remove at most one batch of what is too old; how many things."""
    return prune(BATCH).total


def prune(limit: int) -> Pruned:
    """Remove at most `limit` things that are too old, runs first; what was removed."""
    runs = list(stale_runs().values_list("pk", flat=True)[:limit])
    uploads = list(stale_uploads()[: limit - len(runs)])
    parts = list(islice(stale_parts(), limit - len(runs) - len(uploads)))
    for part in parts:
        part.unlink(missing_ok=True)
    return Pruned(
        runs=remove_runs(runs).runs if runs else 0,
        uploads=files.remove(uploads) if uploads else 0,
        parts=len(parts),
    )


def stale_runs() -> QuerySet[Run]:
    """Final runs past their retention, the oldest first."""
    wanted, shortest = Q(pk__in=[]), None
    for which, days in _rules():
        if days:
            wanted |= which & Q(finished_at__lt=Now() - timedelta(days=days))
            shortest = min(days, shortest or days)
    if shortest is None:
        return Run.objects.none()
    # A run ends after its key was made, so no run beyond this key can be old enough.
    return Run.objects.filter(wanted, pk__lt=_key(timedelta(days=shortest))).order_by("pk")


def _rules() -> Iterator[tuple[Q, int]]:
    """Which final runs are kept for how many days."""
    own = [name for name, task in REGISTRY.items() if task.options.retention_days is not None]
    yield Q(status__in=FINAL) & ~Q(task__in=own), settings.RETENTION_DAYS
    for name in own:
        statuses = defaultdict(list)
        for status in sorted(FINAL):
            statuses[days_kept(name, status)].append(status.value)
        for days, some in statuses.items():
            yield Q(task=name, status__in=some), days


def stale_uploads() -> QuerySet[File]:
    """Uploads that no run needed for the retention, or that never came, the oldest first."""
    cutoff = Now() - UNFINISHED
    wanted = Q(ready_at=None, upload_until__lt=cutoff, pk__lt=_key(UNFINISHED))
    if settings.RETENTION_DAYS:
        kept = timedelta(days=settings.RETENTION_DAYS)
        unused = Q(used_at__lt=Now() - kept) | Q(used_at=None, created_at__lt=Now() - kept)
        wanted |= unused & Q(ready_at__isnull=False, pk__lt=_key(kept))
    return File.objects.filter(wanted, run=None).order_by("pk")


def stale_parts() -> Iterator[Path]:
    """Files that uploads and runs had staged here and left behind when their process died."""
    limit = time.time() - UNFINISHED.total_seconds()
    for path in settings.STAGING_DIR.glob("*.part"):
        try:
            is_stale = path.stat().st_mtime < limit
        except FileNotFoundError:  # moved into the storage in this moment
            continue
        if is_stale:
            yield path


def _key(age: timedelta) -> UUID:
    """The first key that can be so old; this machine's clock only narrows the search."""
    return first_key(timezone.now() - age)
