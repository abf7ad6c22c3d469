"""Deleting runs, files and everything of a user: bytes first, rows after."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts.viewer import RUNS_DELETE, RUNS_READ, Viewer
from tasks import changes, files
from tasks.exceptions import Problem, RefusalCode, Refused
from tasks.models import File, Run
from tasks.notifier import GONE, Change
from tasks.status import FINAL

BATCH = 200


@dataclass(frozen=True)
class Deleted:
    """How many of each were deleted; files that runs had saved are counted too."""

    runs: int = 0
    files: int = 0

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(self.runs + other.runs, self.files + other.files)


def delete_run(viewer: Viewer, run_id: UUID) -> None:
    """Delete a final run with its attempts, events and saved files.

    Raises Refused: FORBIDDEN, NOT_FOUND, RUN_NOT_FINAL.
    """
    check_may_delete(viewer)
    run = Run.objects.visible_to(viewer).filter(pk=run_id).only("id", "owner_id", "status").first()
    if run is None:
        raise _refused("There is no such run.", RefusalCode.NOT_FOUND)
    if not viewer.owns(run.owner_id):
        raise _refused("This run is another's: you may read it.", RefusalCode.FORBIDDEN)
    if not run.is_final:
        message = "This run is not over: wait for it, or cancel it first."
        raise _refused(message, RefusalCode.RUN_NOT_FINAL)
    remove_runs([run.pk])


def delete_runs(viewer: Viewer, run_ids: Iterable[UUID]) -> Deleted:
    """Delete those of these runs that are the viewer's own and final; the others stay.

    Raises Refused: FORBIDDEN.
    """
    check_may_delete(viewer)
    final = Run.objects.owned_by(viewer).filter(pk__in=run_ids, status__in=FINAL)
    keys = list(final.values_list("pk", flat=True))
    batches = (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))
    return sum(map(remove_runs, batches), Deleted())


def delete_file(viewer: Viewer, file_id: UUID) -> None:
    """Delete a file, whoever has use for it. Raises Refused: FORBIDDEN, NOT_FOUND."""
    check_may_delete(viewer)
    while found := list(File.objects.visible_to(viewer).filter(pk=file_id)):
        if not viewer.owns(found[0].owner_id):
            raise _refused("This file is another's: you may read it.", RefusalCode.FORBIDDEN)
        if files.remove(found):  # 0: its upload was completed in this moment
            return
    raise _refused("There is no such file.", RefusalCode.NOT_FOUND)


def delete_data(user_id: UUID) -> Deleted:
    """Delete all runs of a user, open ones too, and all files; also what comes in meanwhile.

    Whoever performs one of these runs finds that it is no longer held. After a crash, a repeat
    finishes the work.
    """
    deleted = Deleted()
    while some := _delete_some(user_id):
        deleted += some
    return deleted


def _delete_some(user_id: UUID) -> Deleted | None:
    """One batch; None when nothing is left."""
    runs = list(
        Run.objects.filter(owner_id=user_id).order_by("id").values_list("pk", flat=True)[:BATCH]
    )
    if runs:
        return remove_runs(runs)
    rows = list(File.objects.filter(owner_id=user_id).order_by("id")[:BATCH])
    return Deleted(files=files.remove(rows)) if rows else None


def remove_runs(run_ids: Sequence[UUID]) -> Deleted:
    """Delete these runs, final or not, with all that belongs to them.

    A run whose worker saved a file in this moment stays for the next time.
    """
    count = 0
    while saved := list(File.objects.filter(run_id__in=run_ids)[:BATCH]):
        count += files.remove(saved)
    with transaction.atomic():
        # Locked, so that no worker can save a file between the look and the end.
        locked = Run.objects.select_for_update().filter(pk__in=run_ids).order_by("id")
        found = dict(locked.values_list("pk", "owner_id"))
        for run_id in File.objects.filter(run_id__in=found).values_list("run_id", flat=True):
            found.pop(run_id, None)
        Run.objects.filter(pk__in=found).only("id").delete()
        changes.tell(Change(run_id, owner_id, GONE) for run_id, owner_id in found.items())
    return Deleted(len(found), count)


def check_may_delete(viewer: Viewer) -> None:
    """Refused with FORBIDDEN unless the credential has the scope."""
    if not (viewer.may(RUNS_DELETE) and viewer.may(RUNS_READ)):
        message = f"This token may not delete: that takes {RUNS_DELETE} and {RUNS_READ}."
        raise Refused([Problem(message, RefusalCode.FORBIDDEN)])


def _refused(message: str, code: RefusalCode) -> Refused:
    return Refused([Problem(message, code, ("id",))])
