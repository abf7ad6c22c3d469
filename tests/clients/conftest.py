"""Builds the clients once, and prints the table of what they have seen."""

import pytest

from tests.clients import building
from tests.clients.table import PAIRS, markdown

MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "-"}


@pytest.fixture(scope="session")
def built() -> None:
    building.build()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    marks = {}
    for outcome, mark in MARKS.items():
        for report in terminalreporter.stats.get(outcome, ()):
            _, is_cell, cell = getattr(report, "nodeid", "").partition("sees_it_through[")
            if is_cell:
                marks[cell.removesuffix("]")] = mark
    if marks and cells_are_shown(terminalreporter):
        terminalreporter.section("clients, transports and what may happen")
        text = markdown(lambda pair, scenario: marks.get(f"{pair}-{scenario}", ""))
        terminalreporter.write_line(text)


def cells_are_shown(terminalreporter: pytest.TerminalReporter) -> bool:
    return bool(PAIRS) and terminalreporter.verbosity >= 0
