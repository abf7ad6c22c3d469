"""What a value may not carry across JSON and GraphQL is found with its path."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tasks.shapes import BIG_INT_MAX, ShapeReader, flaws, leaves
from tasks.text import is_text


class Leaf(BaseModel):
    size: int = 0
    names: list[str] = []
    free: Any = None
    price: Decimal | None = None
    inner: "Leaf | None" = None


SHAPE = ShapeReader().model(Leaf)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"size": 2**31}, ("size",)),
        ({"size": -(2**31) - 1}, ("size",)),
        ({"names": ["a", "b\0"]}, ("names", 1)),
        ({"names": ["\udfff"]}, ("names", 0)),
        ({"free": {"deep": [1.5, float("nan")]}}, ("free", "deep", 1)),
        ({"free": {"bad\0key": 1}}, ("free",)),
        ({"free": BIG_INT_MAX + 1}, ("free",)),
        ({"price": Decimal("Infinity")}, ("price",)),
        ({"inner": {"inner": {"size": 2**40}}}, ("inner", "inner", "size")),
    ],
)
def test_a_flaw_is_found_with_its_path(value: Any, path: tuple[str | int, ...]) -> None:
    assert [found for found, _ in flaws(value, SHAPE)] == [path]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"size": 2**31 - 1},
        {"size": -(2**31)},
        {"free": -BIG_INT_MAX},
        {"free": [None, True, "ü", {"a": {}}]},
        {"price": None, "inner": None},
    ],
)
def test_what_both_can_carry_has_no_flaw(value: Any) -> None:
    assert list(flaws(value, SHAPE)) == []


def test_leaves_finds_every_value_of_one_scalar() -> None:
    value = {"size": 1, "inner": {"size": 2, "names": ["x"], "inner": {"size": 3}}}
    assert [item for _, item in leaves(value, SHAPE, "Int")] == [1, 2, 3]


@given(st.text(st.characters(codec=None)))
def test_a_text_is_what_utf8_and_postgresql_can_keep(text: str) -> None:
    try:
        keeps = "\0" not in text and bool(text.encode("utf-8") or True)
    except UnicodeEncodeError:
        keeps = False
    assert is_text(text) is keeps
