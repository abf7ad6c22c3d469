"""The scalars beyond GraphQL's own; each parses strictly and names its specification."""

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import graphene
from graphql import GraphQLError, StringValueNode, ValueNode, value_from_ast_untyped
from pydantic import AnyUrl, TypeAdapter, ValidationError

from tasks.shapes import BIG_INT_MAX

SPECIFIED_BY = {
    "DateTime": "https://scalars.graphql.org/andimarek/date-time",
    "Date": "https://scalars.graphql.org/andimarek/local-date",
    "UUID": "https://www.rfc-editor.org/rfc/rfc9562",
    "URL": "https://www.rfc-editor.org/rfc/rfc3986",
    "JSON": "https://www.rfc-editor.org/rfc/rfc8259",
}


class _Text(graphene.Scalar):
    """A scalar written as a string: `read` makes it a Python value or raises ValueError."""

    class Meta:
        abstract = True

    expects = ""

    @staticmethod
    def read(text: str) -> Any:
        raise NotImplementedError

    @classmethod
    def parse_value(cls, value: Any) -> Any:
        if isinstance(value, str):
            with suppress(ValueError, OverflowError, decimal.InvalidOperation):
                return cls.read(value)
        raise GraphQLError(f"{cls.__name__} expects {cls.expects}.")

    @classmethod
    def parse_literal(cls, node: ValueNode, variables: Any = None) -> Any:
        return cls.parse_value(node.value if isinstance(node, StringValueNode) else None)

    @classmethod
    def serialize(cls, value: Any) -> str:
        return str(value)


class DateTime(_Text):
    """A moment as RFC 3339 writes it: with an offset when given, in UTC when answered."""

    expects = "an RFC 3339 time with an offset, such as 2026-11-23T08:00:00Z"

    @staticmethod
    def read(text: str) -> dt.datetime:
        if not re.match(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$", text):
            raise ValueError
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)

    @classmethod
    def serialize(cls, value: dt.datetime) -> str:
        moment = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


class Date(_Text):
    """A calendar day, such as 2026-11-23."""

    expects = "a day such as 2026-11-23"

    @staticmethod
    def read(text: str) -> dt.date:
        if not re.match(r"^\d{4}-\d\d-\d\d$", text):
            raise ValueError
        return dt.date.fromisoformat(text)

    @classmethod
    def serialize(cls, value: dt.date) -> str:
        return value.isoformat()


class Time(_Text):
    """A time of day, such as 08:00:00 or 08:00:00.5."""

    expects = "a time of day such as 08:00:00"

    @staticmethod
    def read(text: str) -> dt.time:
        return dt.time.fromisoformat(text)

    @classmethod
    def serialize(cls, value: dt.time) -> str:
        return value.isoformat()


class Decimal(_Text):
    """An exact decimal number, written as a string such as "12.50"."""

    expects = 'a decimal number in a string, such as "12.50"'

    @staticmethod
    def read(text: str) -> decimal.Decimal:
        number = decimal.Decimal(text)
        if not number.is_finite():
            raise ValueError
        return number

    @classmethod
    def serialize(cls, value: decimal.Decimal) -> str:
        return format(value, "f") if abs(value.adjusted()) < 40 else str(value)


class UUID(_Text):
    """A universally unique identifier in its canonical spelling."""

    expects = "a UUID such as 0193f9d1-3c7a-7c52-9a0e-5f2d8b1c4e60"

    @staticmethod
    def read(text: str) -> uuid.UUID:
        if len(text) != 36:
            raise ValueError
        return uuid.UUID(text)


class URL(_Text):
    """An absolute URL."""

    expects = "an absolute URL such as https://example.org/"

    @staticmethod
    def read(text: str) -> str:
        try:
            return str(TypeAdapter(AnyUrl).validate_python(text))
        except ValidationError as error:
            raise ValueError from error


class BigInt(graphene.Scalar):
    """A JSON integer, exact from -(2^53-1) to 2^53-1."""

    @staticmethod
    def parse_value(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > BIG_INT_MAX:
            raise GraphQLError(f"BigInt expects an integer of at most {BIG_INT_MAX}.")
        return value

    serialize = parse_value

    @classmethod
    def parse_literal(cls, node: ValueNode, variables: Any = None) -> int:
        return cls.parse_value(_literal_int(node))


def _literal_int(node: ValueNode) -> int | None:
    value = getattr(node, "value", None) if node.kind == "int_value" else None
    return int(value) if value is not None and len(value) < 20 else None


class JSON(graphene.Scalar):
    """Any JSON value."""

    @staticmethod
    def serialize(value: Any) -> Any:
        return value

    @staticmethod
    def parse_value(value: Any) -> Any:
        return value

    @staticmethod
    def parse_literal(node: ValueNode, variables: Any = None) -> Any:
        return value_from_ast_untyped(node, variables)


BY_NAME: dict[str, Callable[..., Any]] = {
    "String": graphene.String,
    "Int": graphene.Int,
    "BigInt": BigInt,
    "Float": graphene.Float,
    "Boolean": graphene.Boolean,
    "DateTime": DateTime,
    "Date": Date,
    "Time": Time,
    "Decimal": Decimal,
    "UUID": UUID,
    "URL": URL,
    "JSON": JSON,
}
