"""Stored JSON as pages show it: bounded, whatever was stored."""

import json
from typing import Any

from django.db.models import Model, QuerySet, TextField
from django.db.models.functions import Cast, Left, Length
from django.utils.html import format_html

SHOWN = 20_000  # characters of one value


def with_beginnings(rows: QuerySet[Any], *columns: str) -> QuerySet[Any]:
    """The rows with the beginnings of these JSON columns, cut by the database, in place of them."""
    texts = {column: Cast(column, TextField()) for column in columns}
    beginnings = {f"{column}_beginning": Left(text, SHOWN) for column, text in texts.items()}
    lengths = {f"{column}_length": Length(text) for column, text in texts.items()}
    cut: QuerySet[Any] = rows.defer(*columns).annotate(**beginnings, **lengths)
    return cut


def show(row: Model, column: str) -> str:
    """The value indented, or its beginning as it is stored when it is longer than a page shows."""
    text, length = getattr(row, f"{column}_beginning"), getattr(row, f"{column}_length")
    if text is None:
        return "-"
    if length > SHOWN:
        words = f"The first {SHOWN:,} of {length:,} characters:"
        return format_html('<div class="stored">{}<pre>{}</pre></div>', words, text)
    indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return format_html('<div class="stored"><pre>{}</pre></div>', indented)
