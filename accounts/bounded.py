"""What each list of the admin keeps to: it stays fast however many rows there are.

It counts no further than COUNT_AT_MOST, sorts by indexed columns alone, and looks rows up only in
the ways that it offers; everything else in a query string is refused.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms import BooleanField
from django.http import HttpRequest, HttpResponse

COUNT_AT_MOST = 10_000
ACT_AT_MOST = 500  # rows of one action: each comes back as a field of the form that confirms it

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    ModelAdmin = admin.ModelAdmin
    AnyPaginator = Paginator


class BoundedPaginator(AnyPaginator):
    """Pages over the first COUNT_AT_MOST rows."""

    @cached_property
    def _counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: COUNT_AT_MOST + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._counted, COUNT_AT_MOST)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than it pages over."""
        return self._counted > COUNT_AT_MOST


class BoundedChangeList(ChangeList):
    """A list that sorts by what is indexed, and goes on after its last page."""

    paginator: BoundedPaginator

    def get_ordering_field(self, field_name: Any) -> Any:
        is_sortable = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if is_sortable else None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # else it would be told beside the search too

    @property
    def beyond(self) -> str | None:
        """The query string of what follows the last page of a list that is the newest first."""
        is_last = self.paginator.is_cut and self.page_num == self.paginator.num_pages
        if not (is_last and PlaceFilter in self.list_filter and self._is_newest_first):
            return None
        *_, last = self.result_list
        return self.get_query_string({PlaceFilter.parameter_name: str(last.pk)})

    @property
    def _is_newest_first(self) -> bool:
        order = self.queryset.query.order_by
        return bool(order) and order[0] == f"-{self.lookup_opts.pk.name}"


class ChoiceFilter(admin.SimpleListFilter):
    """Offers some choices; anything else in its place is refused."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        choice = self.value()
        if choice is None:
            return queryset
        if choice not in {value for value, _ in self.lookup_choices}:
            raise IncorrectLookupParameters
        return self.chosen(queryset, choice)

    def chosen(self, rows: QuerySet[Any], choice: str) -> QuerySet[Any]:
        """The rows of this choice."""
        raise NotImplementedError


class PlaceFilter(admin.SimpleListFilter):
    """Where a list begins, the newest first; shown when it is not the start.

    What lies beyond the last page is reached by it, and at once: no row before it is read.
    """

    title = "place"
    parameter_name = "after"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        key = self.value()
        return [] if key is None else [(key, f"After {key}")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            return queryset if self.value() is None else queryset.filter(pk__lt=self.value())
        except ValidationError:
            raise IncorrectLookupParameters from None


class BoundedAdmin(ModelAdmin):
    """The base of every admin here; see the module."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count all rows, once for each choice
    sortable_by: ClassVar[Any] = ()
    act_at_most = ACT_AT_MOST  # for the template
    lookups: ClassVar[tuple[str, ...]] = ()
    """What may be looked up by the query string beside the filters' own parameters."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        if lookup in self.lookups:
            return True
        return any(lookup in _parameters(each) for each in self.list_filter)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if "\0" in search_term:  # which PostgreSQL can neither keep nor find
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        try:
            for key in keys:
                self.opts.pk.run_validators(self.opts.pk.to_python(key))
        except ValidationError:
            raise BadRequest("This is no key of a row.") from None
        is_across = BooleanField().to_python(request.POST.get("select_across"))
        if (queryset[: ACT_AT_MOST + 1].count() if is_across else len(keys)) > ACT_AT_MOST:
            message = f"Nothing was done: an action takes at most {ACT_AT_MOST} rows at once."
            self.message_user(request, message, messages.ERROR)
            return None
        return super().response_action(request, queryset, *args, **kwargs)


def _parameters(list_filter: Any) -> set[str]:
    """The names in a query string by which a list's filter is set."""
    if isinstance(list_filter, str):
        return {f"{list_filter}__{lookup}" for lookup in ("exact", "isnull", "id__exact")}
    return {list_filter.parameter_name}
