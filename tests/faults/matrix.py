"""The fault matrix: what was done to each stack, and the seconds that each recovery took.

Tests record into their reports, which xdist brings to the process that writes: one JSON file for
each stack that ran, and docs/faults.md from the files of all stacks.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.stacks.fixtures import NAMES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench/results"
PAGE = ROOT / "docs/faults.md"
PROPERTY = "fault"  # of a test's report: what one `record` took down
TEXT = """# Faults

What is done to a running Downbeat, what must follow, and the seconds that the recovery took on each
stack: from the fault, or from the return of what was away, until what is expected had come. `make
faults` does all of it at the published defaults, keeps the figures in `bench/results/`, and writes
this page. Of several recoveries the slowest is shown; `yes` stands for what took no time worth
measuring, `-` for what does not exist there.

{table}
"""


class Recovery(NamedTuple):
    """One recovery; without `seconds` nothing had to recover."""

    fault: str
    expected: str
    stack: str
    seconds: float | None


class Matrix:
    """Takes down the recoveries of one test."""

    def __init__(self, item: pytest.Item, stack: str) -> None:
        self._item = item
        self._stack = stack

    def record(self, fault: str, expected: str, seconds: float | None) -> None:
        """Take down what was done, what had to follow, and how long that took."""
        recovery = Recovery(fault, expected, self._stack, seconds)
        self._item.user_properties.append((PROPERTY, list(recovery)))


def stack_of(item: pytest.Item) -> str:
    """The stack of a test: the group by which its servers are shared."""
    stacks = {mark.args[0] for mark in item.iter_markers("xdist_group")} & set(NAMES)
    assert len(stacks) == 1, "a test of a fault has one stack: mark its xdist_group"
    return str(stacks.pop())


def recorded(reports: Sequence[pytest.TestReport]) -> list[Recovery]:
    """What the tests of these reports took down."""
    return [
        Recovery(*value)
        for report in reports
        for key, value in report.user_properties
        if key == PROPERTY and isinstance(value, list)
    ]


def write(recoveries: Sequence[Recovery], scale: float) -> list[Path]:
    """Write the figures of the stacks that ran, and the page of all; the files written."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    written = []
    for stack in NAMES:
        if mine := [each for each in recoveries if each.stack == stack]:
            path = RESULTS / f"faults-{stack}.json"
            path.write_text(json.dumps(_as_json(stack, mine, scale), indent=2) + "\n")
            written.append(path)
    PAGE.write_text(TEXT.format(table=table(_kept())))
    return [*written, PAGE]


def _as_json(stack: str, recoveries: Sequence[Recovery], scale: float) -> Mapping[str, Any]:
    return {
        "stack": stack,
        "scale": scale,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "recoveries": [
            {"fault": each.fault, "expected": each.expected, "seconds": _rounded(each.seconds)}
            for each in recoveries
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _kept() -> list[Recovery]:
    """The recoveries in the files of all stacks."""
    found = []
    for stack in NAMES:
        path = RESULTS / f"faults-{stack}.json"
        if path.exists():
            kept = json.loads(path.read_text())["recoveries"]
            found += [Recovery(e["fault"], e["expected"], stack, e["seconds"]) for e in kept]
    return found


def table(recoveries: Sequence[Recovery]) -> str:
    """The recoveries as a table: a row for each fault, a column for each stack."""
    rows = [["fault", "expected", *NAMES], ["---"] * (2 + len(NAMES))]
    for fault, expected in dict.fromkeys((each.fault, each.expected) for each in recoveries):
        same = [each for each in recoveries if (each.fault, each.expected) == (fault, expected)]
        rows.append([fault, expected, *(_cell(same, stack) for stack in NAMES)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(recoveries: Sequence[Recovery], stack: str) -> str:
    mine = [each.seconds for each in recoveries if each.stack == stack]
    if not mine:
        return "-"
    measured = [seconds for seconds in mine if seconds is not None]
    if not measured:
        return "yes"
    slowest = f"{max(measured):.1f} s"
    return slowest if len(measured) == 1 else f"{slowest} (of {len(measured)})"
