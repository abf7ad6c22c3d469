"""Each scalar takes what its specification says and nothing else."""

import datetime as dt
import decimal
import uuid
from typing import Any

import pytest
from graphql import GraphQLError, parse_value

from schema.scalars import BY_NAME, JSON, BigInt, DateTime

GOOD: list[tuple[str, Any, Any, Any]] = [
    ("DateTime", "2026-11-23T08:00:00Z", dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC),
     "2026-11-23T08:00:00Z"),
    ("DateTime", "2026-11-23T10:00:00.5+02:00",
     dt.datetime(2026, 11, 23, 8, 0, 0, 500_000, dt.UTC), "2026-11-23T08:00:00.500000Z"),
    ("Date", "2026-02-28", dt.date(2026, 2, 28), "2026-02-28"),
    ("Time", "08:00:01", dt.time(8, 0, 1), "08:00:01"),
    ("Decimal", "12.50", decimal.Decimal("12.50"), "12.50"),
    ("Decimal", "-1E+3", decimal.Decimal("-1000"), "-1000"),
    ("UUID", "0193f9d1-3c7a-7c52-9a0e-5f2d8b1c4e60",
     uuid.UUID("0193f9d1-3c7a-7c52-9a0e-5f2d8b1c4e60"), "0193f9d1-3c7a-7c52-9a0e-5f2d8b1c4e60"),
    ("URL", "https://example.org/a?b=1", "https://example.org/a?b=1", "https://example.org/a?b=1"),
    ("BigInt", 2**53 - 1, 2**53 - 1, 2**53 - 1),
    ("BigInt", -(2**53) + 1, -(2**53) + 1, -(2**53) + 1),
    ("JSON", {"a": [1, None, "x"]}, {"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
]  # fmt: skip

BAD: list[tuple[str, Any]] = [
    ("DateTime", "2026-11-23"),
    ("DateTime", "2026-11-23T08:00:00"),
    ("DateTime", "2026-13-23T08:00:00Z"),
    ("DateTime", "0001-01-01T00:00:00+23:59"),
    ("DateTime", 1_700_000_000),
    ("Date", "2026-02-30"),
    ("Date", "20260228"),
    ("Time", "25:00"),
    ("Time", 8),
    ("Decimal", "NaN"),
    ("Decimal", "Infinity"),
    ("Decimal", "1,5"),
    ("Decimal", 1.5),
    ("UUID", "0193f9d13c7a7c529a0e5f2d8b1c4e60"),
    ("UUID", "x" * 36),
    ("URL", "example"),
    ("URL", None),
    ("BigInt", 2**53),
    ("BigInt", 1.0),
    ("BigInt", "1"),
    ("BigInt", True),
]


@pytest.mark.parametrize(("name", "given", "value", "answered"), GOOD)
def test_a_good_value_is_read_and_answered(
    name: str, given: Any, value: Any, answered: Any
) -> None:
    scalar: Any = BY_NAME[name]
    assert scalar.parse_value(given) == value
    assert scalar.serialize(value) == answered


@pytest.mark.parametrize(("name", "given"), BAD)
def test_a_bad_value_is_refused_with_what_is_expected(name: str, given: Any) -> None:
    scalar: Any = BY_NAME[name]
    with pytest.raises(GraphQLError, match=f"{name} expects"):
        scalar.parse_value(given)


def test_literals_are_read_like_values() -> None:
    assert BigInt.parse_literal(parse_value("9007199254740991")) == 2**53 - 1
    with pytest.raises(GraphQLError):
        BigInt.parse_literal(parse_value("9" * 5_000))
    with pytest.raises(GraphQLError):
        BigInt.parse_literal(parse_value('"1"'))
    assert DateTime.parse_literal(parse_value('"2026-11-23T08:00:00Z"')).year == 2026
    with pytest.raises(GraphQLError):
        DateTime.parse_literal(parse_value("2026"))
    assert JSON.parse_literal(parse_value('{a: [1, 2.5, "x", null, $v]}'), {"v": 3}) == {
        "a": [1, 2.5, "x", None, 3]
    }
