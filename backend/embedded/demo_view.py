"""How the demo looks: steps, a progress bar and a table, in plain text."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

BAR = 32
LONGEST = 16


def step(number: int, text: str) -> None:
    print(f"\n{number}. {text}", flush=True)


def tell(text: str) -> None:
    print(f"   {text}", flush=True)


class Bar:
    """A line that is drawn over itself on a terminal, and printed when it changes elsewhere."""

    def __init__(self) -> None:
        self._is_live = sys.stdout.isatty()
        self._started = time.monotonic()
        self._last: tuple[str, int] = ("", 0)

    def show(self, status: str, progress: Mapping[str, Any] | None) -> None:
        """The run as it is now."""
        fraction = (progress or {}).get("fraction") or 0.0
        message = (progress or {}).get("message") or status.lower()
        filled = round(BAR * fraction)
        seconds = time.monotonic() - self._started
        line = f"   [{'#' * filled}{'.' * (BAR - filled)}] {fraction:4.0%} {seconds:5.1f} s  "
        if self._is_live:
            print(f"\r{line}{message:<40.40}", end="", flush=True)
        elif self._last != (status, filled):
            print(f"{line}{message}", flush=True)
        self._last = (status, filled)

    def end(self) -> None:
        if self._is_live:
            print(flush=True)


def table(columns: Sequence[Mapping[str, Any]]) -> None:
    """One line for each column of the profile."""
    heads = ("column", "type", "missing", "distinct", "smallest", "median", "largest")
    rows = [heads, *(_cells(column) for column in columns)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    for row in rows:
        words = [
            word.ljust(width) if at < 2 else word.rjust(width)
            for at, (word, width) in enumerate(zip(row, widths, strict=True))
        ]
        tell("  ".join(words).rstrip())


def _cells(column: Mapping[str, Any]) -> tuple[str, ...]:
    spread = column["numbers"] or column["times"] or {}
    shown = [_short(spread.get(key)) for key in ("min", "median", "max")]
    if not spread and column["mostFrequent"]:
        first = column["mostFrequent"][0]
        shown = [f"mostly {first['value'][:LONGEST]}", f"({first['count']:,})", ""]
    counts = (f"{column['missing']:,}", f"{column['distinct']:,}")
    return (column["name"][:LONGEST], column["type"], *counts, *shown)


def _short(value: float | str | None) -> str:
    if isinstance(value, int | float):
        return f"{value:.10g}"
    return (value or "")[:20]
