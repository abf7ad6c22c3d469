"""Counts how often each value of a column occurs, and finds out what the values are.

Every figure of a profile is then computed from the table `counted` (value `v`, rows `n`): exact,
and cheap where values repeat.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tasks.definitions._profile.engine import Engine
from tasks.definitions._profile.load import CSV, JSON
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.models import ColumnType
from tasks.definitions._profile.short import short_text

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
_ZONE = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_DIGITS = "(0|[1-9][0-9]*)"  # no leading zeros: 007 is a code
_NUMBER = rf"-?({_DIGITS}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"


class Reading(NamedTuple):
    """A way to read texts: all must match the pattern and then pass the cast."""

    type: ColumnType
    pattern: str
    cast: str

    @property
    def refuses(self) -> str:
        """SQL that is true for an exception; 1e400 is one, though its cast gives infinity."""
        attempt = f"TRY_CAST(v AS {self.cast})"
        overflow = f" OR (isinf({attempt}) AND regexp_matches(v, '[0-9]'))"
        return f"NOT regexp_full_match(v, ?) OR {attempt} IS NULL" + (
            overflow if self.cast == "DOUBLE" else ""
        )


_TIMES = (
    Reading(ColumnType.DATE, _DAY, "DATE"),
    Reading(ColumnType.TIMESTAMP, f"{_DAY}([T ]{_CLOCK})?", "TIMESTAMP"),
    Reading(ColumnType.TIMESTAMP, f"{_DAY}[T ]{_CLOCK}{_ZONE}", "TIMESTAMPTZ"),
    Reading(ColumnType.TIME, _CLOCK, "TIME"),
)
_NUMBERS = (
    Reading(ColumnType.INTEGER, f"-?{_DIGITS}", "HUGEINT"),
    Reading(ColumnType.NUMBER, f"{_NUMBER}|(?i:nan|[+-]?inf(inity)?)", "DOUBLE"),
)
_BOOLEANS = (Reading(ColumnType.BOOLEAN, "(?i:true|false)", "BOOLEAN"),)

_STORED = (
    (r"BOOLEAN", ColumnType.BOOLEAN),
    (r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER", ColumnType.INTEGER),
    (r"FLOAT|DOUBLE|DECIMAL\(.*\)", ColumnType.NUMBER),
    (r"DATE", ColumnType.DATE),
    (r"TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?", ColumnType.TIMESTAMP),
    (r"TIME", ColumnType.TIME),
    (r"VARCHAR|UUID|ENUM\(.*\)", ColumnType.TEXT),
)


class Counted(NamedTuple):
    """What `counted` holds now: values of one type, those missing left out."""

    type: ColumnType
    missing: int


def count_values(
    engine: Engine, column: str, stored: str, missing_words: Sequence[str], report: Meter
) -> Counted:
    """Fill `counted` with the column's values, cast to the type that all of them have."""
    known = _known_type(stored)
    is_fit = known or stored in (CSV, JSON)
    value = column if is_fit else short_text(f"CAST({column} AS VARCHAR)")
    engine.rows(
        f"""
        CREATE OR REPLACE TEMP TABLE counted AS
        SELECT {value} AS v, count(*) AS n FROM data GROUP BY 1
        """,  # nosec B608 # noqa: S608 - only SQL of ours
        report=report,
    )
    words = {CSV: ["", *missing_words], JSON: ["null"]}.get(stored, [])
    missing = _drop_missing(engine, words, report)
    (has_values,) = engine.row("SELECT count(*) > 0 FROM counted", report=report)
    if not has_values:
        return Counted(ColumnType.EMPTY, missing)
    return Counted(known or _read(engine, stored, report), missing)


def _known_type(stored: str) -> ColumnType | None:
    """What a Parquet column says that it holds, where that is more than text can say."""
    for pattern, type_ in _STORED:
        if re.fullmatch(pattern, stored):
            return type_
    return None


def _drop_missing(engine: Engine, words: Sequence[str], report: Meter) -> int:
    condition, parameters = "v IS NULL", []
    if words:
        condition, parameters = "v IS NULL OR list_contains(?::VARCHAR[], v)", [words]
    missing: int
    (missing,) = engine.row(
        f"SELECT coalesce(sum(n), 0) FROM counted WHERE {condition}",  # nosec B608 # noqa: S608 - just built
        parameters,
        report=report,
    )
    if missing:
        engine.rows(
            f"DELETE FROM counted WHERE {condition}",  # nosec B608 # noqa: S608 - just built
            parameters,
            report=report,
        )
    return missing


def _read(engine: Engine, stored: str, report: Meter) -> ColumnType:
    """The type of values that are text so far."""
    if stored == JSON:
        return _read_json(engine, report)
    if stored == CSV:
        return _first_fit(engine, _BOOLEANS + _NUMBERS + _TIMES, report) or ColumnType.TEXT
    return ColumnType.OTHER


def _read_json(engine: Engine, report: Meter) -> ColumnType:
    """JSON has no times, so texts may be; but a text of digits is meant as text."""
    (letters,) = engine.row("SELECT list(DISTINCT left(v, 1)) FROM counted", report=report)
    kinds = {"text" if each == '"' else each if each in "tf{[" else "number" for each in letters}
    if kinds == {"text"}:
        _cast(engine, "json_extract_string(v, '$')", report)
        return _first_fit(engine, _TIMES, report) or ColumnType.TEXT
    readings = _NUMBERS if kinds == {"number"} else _BOOLEANS if kinds <= {"t", "f"} else ()
    return _first_fit(engine, readings, report) or ColumnType.OTHER


def _first_fit(engine: Engine, readings: Sequence[Reading], report: Meter) -> ColumnType | None:
    """Cast to the first reading that fits every value. The search for an exception ends early."""
    for reading in readings:
        exception = engine.rows(
            f"SELECT 1 FROM counted WHERE {reading.refuses} LIMIT 1",  # nosec B608 # noqa: S608 - our constants
            [reading.pattern],
            report=report,
        )
        if not exception:
            _cast(engine, f"CAST(v AS {reading.cast})", report)
            return reading.type
    return None


def _cast(engine: Engine, value: str, report: Meter) -> None:
    """Replace the values, adding up those that become equal."""
    engine.rows(
        f"""
        CREATE OR REPLACE TEMP TABLE counted AS
        SELECT {value} AS v, sum(n)::BIGINT AS n FROM counted GROUP BY 1
        """,  # nosec B608 # noqa: S608 - only SQL of ours
        report=report,
    )
