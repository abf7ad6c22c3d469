"""The pages of all runs that a viewer may see, which every client asks for again and again."""

from dataclasses import replace

from django.db.models import Q, QuerySet

from accounts.viewer import Viewer
from schema.pages import Cut, Rows
from tasks import reading
from tasks.models import Run


class AllRuns:
    """The viewer's runs without a filter, so that the query of a page is spelled only once."""

    def __init__(self, viewer: Viewer, columns: tuple[str, ...]) -> None:
        self._viewer = viewer
        self._columns = columns

    def read(self, cut: Cut) -> list[Run]:
        def build(viewer: Viewer, values: reading.Values) -> QuerySet[Run]:
            marked = replace(cut, after=values.get("after"), before=values.get("before"))
            rows = Run.objects.visible_to(viewer).filter(marked.between)
            return rows.order_by(cut.ordering)[: cut.size + 1]

        edges = {"after": cut.after, "before": cut.before}
        values = {name: value for name, value in edges.items() if value is not None}
        what = ("page", cut.is_backward, cut.size)
        return reading.read(what, build, self._viewer, self._columns, **values)

    def has(self, where: Q) -> bool:
        return self._rows.has(where)

    def count(self) -> int:
        return self._rows.count()

    @property
    def _rows(self) -> Rows[Run]:
        return Rows(Run.objects.visible_to(self._viewer))
