"""Keyset pages, newest first: a cursor names a row, so depth is free and nothing is skipped."""

import base64
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar
from uuid import UUID

import graphene
from django.db.models import Model, QuerySet

from schema.errors import bad_user_input
from schema.limits import DEFAULT_PAGE, PAGE_SIZE

M = TypeVar("M", bound=Model)

COUNT_AT_MOST = 10_000
_CURSOR = "after:"


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


class Page(Generic[M]):
    """One page of rows ordered by descending key; what lies around it is asked only if selected."""

    def __init__(
        self,
        rows: QuerySet[M],
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> None:
        self._all = rows
        self._size = _size(first, last)
        self._is_backward = last is not None
        self._after = None if after is None else from_cursor(after)
        self._before = None if before is None else from_cursor(before)
        self._has_more, self.nodes = self._load()

    def _load(self) -> tuple[bool, Sequence[M]]:
        rows = self._all
        if self._after is not None:
            rows = rows.filter(pk__lt=self._after)
        if self._before is not None:
            rows = rows.filter(pk__gt=self._before)
        if self._size == 0:
            return rows.exists(), []
        found = list(rows.order_by("pk" if self._is_backward else "-pk")[: self._size + 1])
        nodes = found[: self._size]
        return len(found) > self._size, nodes[::-1] if self._is_backward else nodes

    @property
    def edges(self) -> list[dict[str, Any]]:
        return [{"cursor": to_cursor(node.pk), "node": node} for node in self.nodes]

    @property
    def page_info(self) -> "Page[M]":
        return self

    @property
    def has_next_page(self) -> bool:
        if not self._is_backward:
            return self._has_more
        edge = self.nodes[-1].pk if self.nodes else self._before
        return edge is not None and self._all.filter(pk__lt=edge).exists()

    @property
    def has_previous_page(self) -> bool:
        if self._is_backward:
            return self._has_more
        if self._after is None:
            return False
        edge = self.nodes[0].pk if self.nodes else self._after
        return self._all.filter(pk__gt=edge).exists()

    @property
    def start_cursor(self) -> str | None:
        return to_cursor(self.nodes[0].pk) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        return to_cursor(self.nodes[-1].pk) if self.nodes else None

    @property
    def total_count(self) -> int | None:
        """How many rows there are; None when there are too many to count at once."""
        count = self._all.order_by()[: COUNT_AT_MOST + 1].count()
        return count if count <= COUNT_AT_MOST else None


def _size(first: int | None, last: int | None) -> int:
    if first is not None and last is not None:
        raise bad_user_input("Give `first` or `last`, not both.")
    size = DEFAULT_PAGE if first is None and last is None else first if last is None else last
    if size is None or not 0 <= size <= PAGE_SIZE:
        raise bad_user_input(f"A page has 0 to {PAGE_SIZE} items: change `first` or `last`.")
    return size


def to_cursor(key: object) -> str:
    return base64.urlsafe_b64encode(f"{_CURSOR}{key}".encode()).decode("ascii")


def from_cursor(cursor: str) -> UUID:
    """The key in a cursor, or BAD_USER_INPUT: a wrong cursor is never page 1."""
    with suppress(ValueError):  # of base64, ASCII and UUID alike
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
        if text.startswith(_CURSOR):
            return UUID(text.removeprefix(_CURSOR))
    raise bad_user_input("This is no cursor of ours: use one from pageInfo or an edge.")


def arguments() -> dict[str, Any]:
    """The four arguments of every connection."""
    size = f"at most {PAGE_SIZE}; neither `first` nor `last` means {DEFAULT_PAGE}."
    return {
        "first": graphene.Int(description=f"How many from the front, {size}"),
        "after": graphene.String(description="Only what follows this cursor."),
        "last": graphene.Int(description=f"How many from the back, {size}"),
        "before": graphene.String(description="Only what precedes this cursor."),
    }
