"""Newest first by an index that begins with another column, and by no other.

Keys are never null. But the primary key's index, read backwards, has its nulls first; so for
`id DESC NULLS LAST` PostgreSQL takes no account of it. Else it would walk through everybody's runs
until enough of one owner's have come by: of an owner whose runs are all old, through nearly all.
"""

from typing import Any

from django.db import models
from django.db.models import F
from django.db.models.expressions import OrderBy

NULLS_LAST = " NULLS LAST"


class NewestIndex(models.Index):
    """An index whose descending columns have their nulls last, as they always do in SQLite."""

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **options: Any) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return super().create_sql(model, schema_editor, using, **options)
        index = self.clone()
        index.fields_orders = [
            (name, order + NULLS_LAST if order == "DESC" else order)
            for name, order in self.fields_orders
        ]
        return models.Index.create_sql(index, model, schema_editor, using, **options)


def newest_first(column: str) -> OrderBy:
    """The order of such an index."""
    return F(column).desc(nulls_last=True)


def oldest_first(column: str) -> OrderBy:
    """The order of such an index, read backwards."""
    return F(column).asc(nulls_first=True)
