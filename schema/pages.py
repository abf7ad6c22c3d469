"""Keyset pages: a cursor names a row, so depth is free and nothing is skipped."""

import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, Protocol, Self, TypeVar
from uuid import UUID

import graphene
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from schema.errors import bad_user_input
from schema.limits import DEFAULT_PAGE, PAGE_SIZE
from tasks.newest import newest_first, oldest_first

M = TypeVar("M", bound=Model)

COUNT_AT_MOST = 10_000


class PageInfo(graphene.ObjectType):
    """Where a page lies in the whole list, as Relay's connections say it."""

    has_next_page = graphene.Boolean(
        required=True, description="Whether `after: endCursor` leads to more."
    )
    has_previous_page = graphene.Boolean(
        required=True, description="Whether `before: startCursor` leads to more."
    )
    start_cursor = graphene.String(description="The cursor of the first edge.")
    end_cursor = graphene.String(description="The cursor of the last edge.")


@dataclass(frozen=True)
class Order:
    """By which unique column a list is ordered, and how a cursor's text is read as its value.

    `name` is the list's: a cursor of another list is refused, for it would lead anywhere.
    """

    name: str
    column: str
    read: Callable[[str], Any]  # ValueError for what is no such value
    is_descending: bool = False
    is_of_owner: bool = False  # of one owner's rows, by an index that begins with him

    def follows(self, value: Any, *, or_is: bool = False) -> Q:
        """What comes after the row of this value."""
        return self._beside(value, "lt" if self.is_descending else "gt", or_is)

    def precedes(self, value: Any, *, or_is: bool = False) -> Q:
        """What comes before the row of this value."""
        return self._beside(value, "gt" if self.is_descending else "lt", or_is)

    def _beside(self, value: Any, side: str, or_is: bool) -> Q:
        return Q(**{f"{self.column}__{side}{'e' if or_is else ''}": value})


RUNS = Order("runs", "id", UUID, is_descending=True)  # the newest first
OWN_RUNS = replace(RUNS, is_of_owner=True)
FILES = Order("files", "id", UUID)


@dataclass(frozen=True)
class Cut:
    """Which part of an ordered list is wanted: the arguments of a connection, checked."""

    order: Order
    size: int
    is_backward: bool
    after: Any
    before: Any

    @classmethod
    def of(
        cls,
        order: Order,
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Self:
        return cls(
            order,
            _size(first, last),
            last is not None,
            None if after is None else from_cursor(after, order),
            None if before is None else from_cursor(before, order),
        )

    @property
    def between(self) -> Q:
        """What lies between the cursors."""
        where = Q()
        if self.after is not None:
            where &= self.order.follows(self.after)
        if self.before is not None:
            where &= self.order.precedes(self.before)
        return where

    @property
    def ordering(self) -> OrderBy:
        """The order in which the rows are read: from the end at which the page lies."""
        is_down, column = self.order.is_descending != self.is_backward, self.order.column
        if self.order.is_of_owner:
            return newest_first(column) if is_down else oldest_first(column)
        return F(column).desc() if is_down else F(column).asc()


class Source(Protocol[M]):
    """A list of rows, as a page asks for it."""

    def read(self, cut: Cut) -> list[M]:
        """The rows of the cut in the order of reading, and one more if there is one."""
        ...

    def has(self, where: Q) -> bool:
        """Whether there is such a row."""
        ...

    def count(self) -> int:
        """How many rows there are; beyond COUNT_AT_MOST, some number above it."""
        ...


class Rows(Generic[M]):
    """The rows of one query."""

    def __init__(self, rows: QuerySet[M]) -> None:
        self._rows = rows

    def read(self, cut: Cut) -> list[M]:
        return list(self._rows.filter(cut.between).order_by(cut.ordering)[: cut.size + 1])

    def has(self, where: Q) -> bool:
        return self._rows.filter(where).exists()

    def count(self) -> int:
        return self._rows.order_by()[: COUNT_AT_MOST + 1].count()


class Page(Generic[M]):
    """One page of rows; they, and what lies around them, are asked for only if selected."""

    def __init__(self, source: Source[M], cut: Cut) -> None:
        self._source = source
        self._cut = cut

    @cached_property
    def _found(self) -> list[M]:
        return self._source.read(self._cut)

    @cached_property
    def nodes(self) -> Sequence[M]:
        nodes = self._found[: self._cut.size]
        return nodes[::-1] if self._cut.is_backward else nodes

    @property
    def edges(self) -> list[dict[str, Any]]:
        return [{"cursor": self._cursor(node), "node": node} for node in self.nodes]

    @property
    def page_info(self) -> "Page[M]":
        return self

    @property
    def _has_more(self) -> bool:
        return len(self._found) > self._cut.size

    @property
    def has_next_page(self) -> bool:
        if self._has_more and not self._cut.is_backward:
            return True
        edge, order = self._cut.before, self._cut.order
        return edge is not None and self._source.has(order.follows(edge, or_is=True))

    @property
    def has_previous_page(self) -> bool:
        if self._has_more and self._cut.is_backward:
            return True
        edge, order = self._cut.after, self._cut.order
        return edge is not None and self._source.has(order.precedes(edge, or_is=True))

    @property
    def start_cursor(self) -> str | None:
        return self._cursor(self.nodes[0]) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        return self._cursor(self.nodes[-1]) if self.nodes else None

    @property
    def total_count(self) -> int | None:
        """How many rows there are; None when there are too many to count at once."""
        count = self._source.count()
        return count if count <= COUNT_AT_MOST else None

    def _cursor(self, node: M) -> str:
        return to_cursor(getattr(node, self._cut.order.column), self._cut.order)


def _size(first: int | None, last: int | None) -> int:
    if first is not None and last is not None:
        raise bad_user_input("Give `first` or `last`, not both.")
    size = DEFAULT_PAGE if first is None and last is None else first if last is None else last
    if size is None or not 0 <= size <= PAGE_SIZE:
        raise bad_user_input(f"A page has 0 to {PAGE_SIZE} items: change `first` or `last`.")
    return size


def to_cursor(value: object, order: Order) -> str:
    return base64.urlsafe_b64encode(f"{order.name}:{value}".encode()).decode("ascii")


def from_cursor(cursor: str, order: Order) -> Any:
    """The value in a cursor, or BAD_USER_INPUT: a wrong cursor is never page 1."""
    with suppress(ValueError):  # of base64, ASCII and the value alike
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
        name, _, value = text.partition(":")
        if name == order.name:
            return order.read(value)
    raise bad_user_input("This is no cursor of this list: use one from its pageInfo or an edge.")


def arguments(*, backward: bool = True) -> dict[str, Any]:
    """The arguments of a connection; not all of them can be read from the back."""
    size = f"at most {PAGE_SIZE}; neither `first` nor `last` means {DEFAULT_PAGE}."
    if not backward:
        size = f"at most {PAGE_SIZE}; left out, {DEFAULT_PAGE}."
    forward = {
        "first": graphene.Int(description=f"How many from the front, {size}"),
        "after": graphene.String(description="Only what follows this cursor."),
    }
    if not backward:
        return forward
    return {
        **forward,
        "last": graphene.Int(description=f"How many from the back, {size}"),
        "before": graphene.String(description="Only what precedes this cursor."),
    }
