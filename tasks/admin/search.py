"""What is typed into a search: something whole that an index finds, never a part of a text."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import User


def key_in(text: str, type_name: str) -> UUID | None:
    """The key that the text is, plainly or as a global id of GraphQL; None for any other text."""
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        name, _, key = base64.b64decode(text, validate=True).decode("ascii").partition(":")
        return UUID(key) if name == type_name else None
    except (binascii.Error, ValueError):
        return None


def find(rows: QuerySet[Any], text: str, columns: Sequence[str] = ()) -> QuerySet[Any]:
    """The row of this id, else all of the user of this name, else those with it in a column.

    An id may be a column's text too. The text is one that the database can keep.
    """
    in_columns = [Q(**{column: text}) for column in columns]
    if (key := key_in(text, rows.model.__name__)) is not None:
        return rows.filter(Q(Q(pk=key), *in_columns, _connector=Q.OR))
    owner = User.objects.filter(username=text).values_list("pk", flat=True).first()
    if owner is not None:
        return rows.filter(owner_id=owner)
    return rows.filter(Q(*in_columns, _connector=Q.OR)) if in_columns else rows.none()
