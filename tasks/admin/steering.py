"""What is done to the selected runs: cancel, rerun, delete, by the verbs that GraphQL has too."""

from collections import Counter
from collections.abc import Iterable, Iterator
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from tasks import deletion, runs, submission
from tasks.admin.base import ReadOnlyAdmin, is_confirmed, number, viewer_of
from tasks.exceptions import Refused
from tasks.models import Run
from tasks.status import FINAL, Status

REASONS = 5  # different refusals that one message tells


class SteeringAdmin(ReadOnlyAdmin):
    """The actions on runs."""

    actions = ("cancel_runs", "rerun_runs", "delete_runs")

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Who may cancel and rerun."""
        return request.user.has_perm("tasks.change_run")

    @admin.action(description="Cancel", permissions=["steer"])
    def cancel_runs(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        keys = self.chosen(rows)
        asked = runs.cancel(viewer_of(request), keys)
        self.remember(request, asked, CHANGE, "Asked to cancel.")
        over = [run for run in asked if run.status == Status.CANCELED]
        rest = [s for _, s in self._statuses(request, set(keys) - {run.pk for run in asked})]
        ended = sum(status in FINAL for status in rest)
        done, refused = [], []
        if over:
            done.append(f"{number(len(over), 'run')} canceled")
        if len(asked) > len(over):
            done.append(f"{number(len(asked) - len(over), 'running run')} asked to stop")
        if ended:
            refused.append(f"{number(ended, 'run')} had ended already")
        if len(rest) > ended:
            refused.append(f"{number(len(rest) - ended, 'run')} had been asked before")
        self.tell(request, done, refused)

    @admin.action(description="Rerun", permissions=["steer"])
    def rerun_runs(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        viewer, made = viewer_of(request), []
        reasons: Counter[str] = Counter()
        with transaction.atomic():  # one commit, and never half of them
            for key in self.chosen(rows):
                try:
                    made.append(submission.rerun(viewer, key).run)
                except Refused as refused:
                    reasons[refused.problems[0].message] += 1
            self.remember(request, made, ADDITION, "Asked for again.")
        done = [f"{number(len(made), 'new run')} started"] if made else []
        self.tell(request, done, list(_told(reasons)))

    @admin.action(description="Delete", permissions=["remove"])
    def delete_runs(self, request: HttpRequest, rows: QuerySet[Run]) -> HttpResponse | None:
        keys = self.chosen(rows)
        if not is_confirmed(request):
            warning = (
                "They go for ever, with their attempts, events and saved files. "
                "Runs that are not over stay: cancel them first."
            )
            return self.confirm(request, "delete_runs", keys, warning)
        found = list(self.get_queryset(request).filter(pk__in=keys))
        deletion.delete_runs(viewer_of(request), keys)
        left = dict(self._statuses(request, keys))
        gone = [run for run in found if run.pk not in left]
        self.remember(request, gone, DELETION, "Deleted.")
        is_open = sum(status not in FINAL for status in left.values())
        done = [f"{number(len(gone), 'run')} deleted"] if gone else []
        refused = [f"{number(is_open, 'run')} stayed: not over yet"] if is_open else []
        self.tell(request, done, refused)
        return None

    def _statuses(self, request: HttpRequest, keys: Iterable[UUID]) -> list[tuple[UUID, str]]:
        """The runs of these keys that are there, with their statuses."""
        rows = self.get_queryset(request).filter(pk__in=keys)
        return list(rows.values_list("pk", "status"))


def _told(reasons: Counter[str]) -> Iterator[str]:
    """Each reason with how many runs it kept back, the commonest first."""
    for message, count in reasons.most_common(REASONS):
        yield f"{number(count, 'run')} not started again: {message.rstrip('.')}"
    if left := reasons.total() - sum(count for _, count in reasons.most_common(REASONS)):
        yield f"{left} more for other reasons"
