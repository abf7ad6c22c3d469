"""What the profile of a table consists of; the descriptions become the SDL's."""

from enum import Enum
from typing import Annotated

from pydantic import BaseModel, Field


class TableFormat(Enum):
    """The table formats that can be read, uncompressed."""

    CSV = "CSV"
    TSV = "TSV"
    JSON_LINES = "JSON_LINES"
    PARQUET = "PARQUET"


class ColumnType(Enum):
    """What every value of a column is; one exception among them makes it TEXT (or OTHER)."""

    EMPTY = "EMPTY"
    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    NUMBER = "NUMBER"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIME = "TIME"
    TEXT = "TEXT"
    OTHER = "OTHER"


Histogram = Annotated[
    list[int],
    Field(
        description="How many values fall into each of equally wide bins from the smallest to the "
        "largest value; each bin includes its lower edge, the last one both. None without values, "
        "one when all are equal, at most one for each integer or day from the smallest to the "
        "largest, and fewer than asked for when the table has many columns."
    ),
]


class NumberSummary(BaseModel):
    """The finite numbers of a column; NaN and infinity are counted apart and take no part.

    A quantile is a value of the column: the smallest one that is not below that share of them.
    """

    min: Annotated[float | None, Field(description="The smallest; null without finite values.")]
    max: Annotated[float | None, Field(description="The largest; null without finite values.")]
    exact_min: Annotated[
        str | None,
        Field(description="`min` in decimal digits, when a Float would round it; else null."),
    ]
    exact_max: Annotated[
        str | None,
        Field(description="`max` in decimal digits, when a Float would round it; else null."),
    ]
    mean: Annotated[float | None, Field(description="The arithmetic mean.")]
    p5: Annotated[float | None, Field(description="The 5 % quantile.")]
    p25: Annotated[float | None, Field(description="The 25 % quantile.")]
    median: Annotated[float | None, Field(description="The 50 % quantile.")]
    p75: Annotated[float | None, Field(description="The 75 % quantile.")]
    p95: Annotated[float | None, Field(description="The 95 % quantile.")]
    nan: Annotated[int, Field(description="How many values are NaN, not a number.")]
    infinite: Annotated[int, Field(description="How many values are plus or minus infinity.")]
    histogram: Histogram


class TimeSummary(BaseModel):
    """The dates, timestamps or times of a column, as ISO 8601; with a zone given, as UTC (`Z`)."""

    min: Annotated[str | None, Field(description="The earliest; null without finite values.")]
    max: Annotated[str | None, Field(description="The latest; null without finite values.")]
    p5: Annotated[str | None, Field(description="The 5 % quantile, a value of the column.")]
    p25: Annotated[str | None, Field(description="The 25 % quantile.")]
    median: Annotated[str | None, Field(description="The 50 % quantile.")]
    p75: Annotated[str | None, Field(description="The 75 % quantile.")]
    p95: Annotated[str | None, Field(description="The 95 % quantile.")]
    infinite: Annotated[
        int, Field(description="How many are Parquet's plus or minus infinity; they count nowhere.")
    ]
    histogram: Histogram


class FrequentValue(BaseModel):
    """One of a column's most frequent values."""

    value: Annotated[str, Field(description="The value, or how it begins.")]
    is_cut: Annotated[bool, Field(description="Whether the value is longer than what is shown.")]
    count: Annotated[int, Field(description="In how many rows it stands.")]


class ColumnProfile(BaseModel):
    """One column; every figure is exact, of all rows."""

    name: Annotated[
        str,
        Field(
            description="Its name, cut with … when long; `column 3` when the third has a blank one."
        ),
    ]
    type: Annotated[ColumnType, Field(description="What all its values are.")]
    missing: Annotated[int, Field(description="Rows without a value.")]
    distinct: Annotated[
        int,
        Field(
            description="Different values, without missing ones; as numbers (1 is 1.0) or times."
        ),
    ]
    numbers: Annotated[
        NumberSummary | None, Field(description="For INTEGER and NUMBER columns; else null.")
    ]
    times: Annotated[
        TimeSummary | None, Field(description="For DATE, TIMESTAMP and TIME columns; else null.")
    ]
    most_frequent: Annotated[
        list[FrequentValue],
        Field(
            description="For BOOLEAN, TEXT and OTHER columns, the most frequent first and equally "
            "frequent ones in order; fewer than asked for when the table has many columns."
        ),
    ]


class DatasetProfile(BaseModel):
    """A table as it was read, column by column."""

    format: Annotated[TableFormat, Field(description="How the file was read.")]
    delimiter: Annotated[
        str | None, Field(description="What separates the fields of a CSV or TSV; else null.")
    ]
    rows: Annotated[int, Field(description="Rows of data; a header is none.")]
    columns: Annotated[list[ColumnProfile], Field(description="The columns in their order.")]
