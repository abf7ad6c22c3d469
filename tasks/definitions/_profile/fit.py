"""Keeps a profile small: how long a shown text may be, and how many bytes JSON takes."""

import json
from typing import NamedTuple

from pydantic import BaseModel

ROOM = 63_000  # bytes for all columns, of the 64 KB that a result may have
NAME_BYTES = 90
VALUE_BYTES = 120
ELLIPSIS = "…"


def size(model: BaseModel) -> int:
    """Its bytes in the longest spelling of JSON: with spaces, and all but ASCII escaped."""
    return len(json.dumps(model.model_dump(mode="json"))) + 2  # and a comma to the next


class Shown(NamedTuple):
    """A text as it is shown."""

    text: str
    is_cut: bool


def cut(text: str, most: int) -> Shown:
    """The text, ended with an ellipsis where it takes more than `most` bytes of JSON."""
    text = text.replace("\0", "\ufffd")  # no database keeps a NUL in a text
    if len(text) <= most and _cost(text) <= most:
        return Shown(text, is_cut=False)
    room, kept = most - _cost(ELLIPSIS), 0
    for letter in text:
        room -= _cost(letter)
        if room < 0:
            break
        kept += 1
    return Shown(text[:kept] + ELLIPSIS, is_cut=True)


def _cost(text: str) -> int:
    return len(json.dumps(text)) - 2
