"""docs/hostile.md: the table of what is answered, and how long that takes."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.hostile.cases import CASES
from tests.hostile.table import TRANSPORTS, Cell, cells, markdown

PAGE = Path(__file__).parents[2] / "docs/hostile.md"
PROPERTY = "hostile"  # of a test's report: name, transport, answer, milliseconds
TEXT = """# Hostile requests

What no client of good will sends: {requests} requests, {cells} with all the transports they are
sent over, and what a service with introspection off answers. `make hostile` sends them and writes
this page. For each one a test asserts the answer, that no table of the database has a row more or
less, that neither answer nor log shows anything of the inside, and that a good request is answered
next; at the end the worker performs a run.

## How long it takes

Milliseconds from connecting to the answer, the best of three tries. What keeps silent on purpose is
left out.

{times}

## What is answered

HTTP's status or the kind of message on a WebSocket, then the code: `in payload` when a mutation
says no, `plain` without one, `closed` when the connection ends with it.

{table}
"""


class Measure(NamedTuple):
    """What came back, and after how many milliseconds at best."""

    answer: str
    ms: float


Measured = Mapping[Cell, Measure]


def expected() -> str:
    """The table as it must be."""
    return markdown(CASES, lambda cell: CASES[cell[0]].expected[cell[1]])


def printed(measured: Measured) -> str:
    """The table with times, as far as there are any."""

    def mark(cell: Cell) -> str:
        return f"{measured[cell].answer} {measured[cell].ms:.0f} ms" if cell in measured else "✗"

    return f"{markdown(CASES, mark)}\n\n{_times(measured)}"


def write(measured: Measured) -> bool:
    """Write the page, if everything was answered as expected; whether it was."""
    if measured.keys() != set(cells(CASES)):
        return False
    text = TEXT.format(
        requests=len(CASES), cells=len(measured), times=_times(measured), table=expected()
    )
    PAGE.write_text(text)
    return True


def _times(measured: Measured) -> str:
    rows = [["over", "requests", "median", "p99", "max", "the slowest"], ["---"] * 6]
    for transport in TRANSPORTS:
        times = sorted(
            (each.ms, name)
            for (name, over), each in measured.items()
            if over == transport and not CASES[name].seconds
        )
        if times:
            ms = [each for each, _ in times]
            p99 = ms[math.ceil(len(ms) * 0.99) - 1]
            figures = [f"{each:.1f}" for each in (statistics.median(ms), p99, ms[-1])]
            rows.append([transport, str(len(ms)), *figures, times[-1][1]])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
