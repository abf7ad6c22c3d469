"""Extremes, mean, quantiles and histogram of the numbers or times in the table `counted`."""

import math
from typing import Any

from tasks.definitions._profile.engine import Engine
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.models import ColumnType

PERCENTS = (5, 25, 50, 75, 95)

# Where a value lies on an axis of doubles; NULL for NaN and infinity.
_PLACES = {
    ColumnType.INTEGER: "v::DOUBLE",
    ColumnType.NUMBER: "CASE WHEN isfinite(v::DOUBLE) THEN v::DOUBLE END",
    ColumnType.DATE: "CASE WHEN isfinite(v) THEN date_diff('day', DATE '1970-01-01', v) END",
    ColumnType.TIMESTAMP: "CASE WHEN isfinite(v) THEN epoch_us(v) END",
    ColumnType.TIME: "epoch_us(v)",
}


class Axis:
    """The finite values of `counted` in their order. Without any, `low` and `high` are None."""

    low: float | None
    high: float | None

    def __init__(self, engine: Engine, type_: ColumnType, report: Meter) -> None:
        self._engine, self._report = engine, report
        self._steps = type_ in (ColumnType.INTEGER, ColumnType.DATE)
        engine.rows(
            f"""
            CREATE OR REPLACE TEMP VIEW points AS
            SELECT v, n, ({_PLACES[type_]})::DOUBLE AS x FROM counted
            """,  # nosec B608 # noqa: S608 - only SQL of ours
            report=report,
        )
        self.low, self.high, self.first, self.last, self._count = self._row(
            "SELECT min(x), max(x), min(v)::VARCHAR, max(v)::VARCHAR, coalesce(sum(n), 0) "
            "FROM points WHERE x IS NOT NULL"
        )

    def mean(self) -> float | None:
        """The sum over the count, both exact enough and without overflow on the way."""
        if self.low is None or self.high is None:
            return None
        scale = 2.0 ** (math.frexp(max(-self.low, self.high))[1] - 1)
        (mean,) = self._row(
            "SELECT fsum(x / ? * n) / sum(n) FROM points WHERE x IS NOT NULL", scale
        )
        return float(mean) * scale + 0.0

    def quantiles(self, value: str) -> list[Any]:
        """By PERCENTS: the first `value` (SQL) at which that share of the rows is reached."""
        ranks = [max(1, -(-self._count * percent // 100)) for percent in PERCENTS]
        picks = ", ".join([f"arg_min({value}, v) FILTER (WHERE upto >= ?)"] * len(ranks))
        return list(
            self._row(
                f"SELECT {picks} FROM (SELECT v, x, sum(n) OVER "  # nosec B608 # noqa: S608 - ours
                "(ORDER BY v ROWS UNBOUNDED PRECEDING) AS upto FROM points WHERE x IS NOT NULL)",
                *ranks,
            )
        )

    def nan(self) -> int:
        """How many of the numbers are none."""
        (count,) = self._row("SELECT coalesce(sum(n), 0) FROM points WHERE isnan(v::DOUBLE)")
        return int(count)

    def off(self) -> int:
        """How many values have no place on the axis."""
        (count,) = self._row("SELECT coalesce(sum(n), 0) FROM points WHERE x IS NULL")
        return int(count)

    def histogram(self, bins: int) -> list[int]:
        """The counts of equally wide bins from the lowest to the highest value."""
        if self.low is None or self.high is None:
            return []
        # Halves, for the width from -1e308 to 1e308 is no double.
        half = self.high / 2 - self.low / 2
        if half == 0:
            return [int(self._count)]
        if self._steps:
            bins = min(bins, int(self.high - self.low) + 1)
        counts = [0] * bins
        for place, count in self._engine.rows(
            "SELECT least(floor((x / 2 - ?) / ? * ?), ? - 1)::INTEGER, sum(n) FROM points "
            "WHERE x IS NOT NULL GROUP BY 1",
            [self.low / 2, half, bins, bins],
            report=self._report,
        ):
            counts[place] = int(count)
        return counts

    def _row(self, sql: str, *parameters: Any) -> tuple[Any, ...]:
        return self._engine.row(sql, parameters, report=self._report)
