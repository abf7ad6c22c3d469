"""Pages of what belongs to a run, read for all runs of a list with one query for each selection."""

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from schema.context import RequestContext
from schema.pages import Cut
from tasks.models import Run

M = TypeVar("M", bound=Model)


class RunRows(Generic[M]):
    """The rows of one run (those with its `run_id`), a source of pages.

    `name` tells these rows from others of the same run: what is asked under it is shared.
    """

    def __init__(
        self, context: RequestContext, run_id: UUID, name: Hashable, rows: QuerySet[M]
    ) -> None:
        self._context = context
        self._run_id = run_id
        self._name = name
        self._rows = rows

    def read(self, cut: Cut) -> list[M]:
        def load(run_ids: Collection[UUID]) -> dict[UUID, list[M]]:
            if len(run_ids) == 1:  # an index ends it with the page, where a window reads all rows
                (run_id,) = run_ids
                own = self._rows.filter(cut.between, run_id=run_id).order_by(cut.ordering)
                return {run_id: list(own[: cut.size + 1])}
            place = Window(RowNumber(), partition_by="run_id", order_by=cut.ordering)
            rows = self._rows.filter(cut.between, run_id__in=run_ids).alias(place=place)
            groups: dict[UUID, list[M]] = {}
            for row in rows.filter(place__lte=cut.size + 1).order_by(cut.ordering):
                groups.setdefault(row.run_id, []).append(row)  # type: ignore[attr-defined]
            return groups

        return self._context.of_run((self._name, cut), self._run_id, load) or []

    def has(self, where: Q) -> bool:
        def load(run_ids: Collection[UUID]) -> dict[UUID, bool]:
            found = self._rows.filter(where, run_id=OuterRef("pk"))
            runs = Run.objects.filter(Exists(found), pk__in=run_ids)
            return dict.fromkeys(runs.values_list("pk", flat=True), True)

        return bool(self._context.of_run((self._name, where), self._run_id, load))

    def count(self) -> int:
        def load(run_ids: Collection[UUID]) -> dict[UUID, int]:
            rows = self._rows.filter(run_id__in=run_ids).order_by().values("run_id")
            return dict(rows.annotate(count=Count("*")).values_list("run_id", "count"))

        return self._context.of_run((self._name, "count"), self._run_id, load) or 0
