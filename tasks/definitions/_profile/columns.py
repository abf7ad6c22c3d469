"""Describes the column whose values the table `counted` holds."""

from decimal import Decimal

from tasks.definitions._profile.axis import Axis
from tasks.definitions._profile.engine import Engine
from tasks.definitions._profile.fit import NAME_BYTES, VALUE_BYTES, cut, size
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.models import (
    ColumnProfile,
    ColumnType,
    FrequentValue,
    NumberSummary,
    TimeSummary,
)
from tasks.definitions._profile.values import Counted

_NUMBERS = (ColumnType.INTEGER, ColumnType.NUMBER)
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME)


class Describer:
    """Describes columns in at most `top` values or `bins` bins each."""

    def __init__(self, engine: Engine, top: int, bins: int) -> None:
        self._engine, self._top, self._bins = engine, top, bins

    def describe(self, name: str, counted: Counted, room: int, report: Meter) -> ColumnProfile:
        """The column's profile in at most `room` bytes of JSON, its lists shortened if need be."""
        (distinct,) = self._engine.row("SELECT count(*) FROM counted", report=report)
        profile = ColumnProfile(
            name=cut(name, NAME_BYTES).text,
            type=counted.type,
            missing=counted.missing,
            distinct=distinct,
            numbers=None,
            times=None,
            most_frequent=[],
        )
        if counted.type in _NUMBERS + _TIMES:
            self._add_summary(profile, room, Axis(self._engine, counted.type, report))
        elif counted.type is not ColumnType.EMPTY:
            self._add_most_frequent(profile, room, report)
        return profile

    def _add_summary(self, profile: ColumnProfile, room: int, axis: Axis) -> None:
        summary: NumberSummary | TimeSummary
        if profile.type in _NUMBERS:
            summary = profile.numbers = _summarize_numbers(axis)
        else:
            summary = profile.times = _summarize_times(axis)
        bins = self._bins
        summary.histogram = axis.histogram(bins)
        while size(profile) > room and bins > 1:
            bins //= 2
            summary.histogram = axis.histogram(bins)

    def _add_most_frequent(self, profile: ColumnProfile, room: int, report: Meter) -> None:
        rows = self._engine.rows(
            "SELECT left(v::VARCHAR, ?), n FROM counted ORDER BY n DESC, v LIMIT ?",
            [VALUE_BYTES + 1, self._top],
            report=report,
        )
        for text, count in rows:
            shown = cut(text, VALUE_BYTES)
            profile.most_frequent.append(
                FrequentValue(value=shown.text, is_cut=shown.is_cut, count=count)
            )
        while size(profile) > room and profile.most_frequent:
            profile.most_frequent.pop()


def _summarize_numbers(axis: Axis) -> NumberSummary:
    quantiles = [_number(value) for value in axis.quantiles("x")]
    nan = axis.nan()
    low, high = _number(axis.low), _number(axis.high)
    return NumberSummary(
        min=low,
        max=high,
        exact_min=_exact(axis.first, low),
        exact_max=_exact(axis.last, high),
        mean=axis.mean(),
        **dict(zip(("p5", "p25", "median", "p75", "p95"), quantiles, strict=True)),
        nan=nan,
        infinite=axis.off() - nan,
        histogram=[],
    )


def _summarize_times(axis: Axis) -> TimeSummary:
    quantiles = [_iso(value) for value in axis.quantiles("v::VARCHAR")]
    return TimeSummary(
        min=_iso(axis.first),
        max=_iso(axis.last),
        **dict(zip(("p5", "p25", "median", "p75", "p95"), quantiles, strict=True)),
        infinite=axis.off(),
        histogram=[],
    )


def _number(value: float | None) -> float | None:
    """The number without a minus before zero."""
    return None if value is None else value + 0.0


def _exact(digits: str | None, shown: float | None) -> str | None:
    """The digits, unless the Float that is shown says the same."""
    if digits is None or shown is None or Decimal(digits) == Decimal(repr(shown)):
        return None
    return digits


def _iso(text: str | None) -> str | None:
    """DuckDB's spelling of a UTC time in ISO 8601."""
    if text is None:
        return None
    return text.replace(" ", "T", 1).removesuffix("+00") + "Z" * text.endswith("+00")
