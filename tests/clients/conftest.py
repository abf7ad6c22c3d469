"""Builds the clients once, starts the service that they share, and prints the table."""

from collections.abc import Iterator

import pytest

from tests.clients import building, world
from tests.clients.table import CACHES, PAIRS, markdown
from tests.clients.world import World

MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "-"}
AT_ONCE = 16


@pytest.fixture(scope="session")
def built() -> None:
    building.build()


@pytest.fixture(scope="session")
def shared(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service for all tests of the clients; the last of its users calls nothing by itself."""
    folder = tmp_path_factory.mktemp("clients")
    users = len(PAIRS) + len(CACHES) + 1
    with world.made(folder, users=users, tokens=2, processes=AT_ONCE) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    marks = {}
    for outcome, mark in MARKS.items():
        for report in terminalreporter.stats.get(outcome, ()):
            _, is_cell, cell = getattr(report, "nodeid", "").partition("sees_it_through[")
            if is_cell:
                marks[cell.partition("]")[0]] = mark
    if marks:
        terminalreporter.section("clients")
        text = markdown(lambda pair, scenario: marks.get(f"{pair}-{scenario}", ""))
        terminalreporter.write_line(text)
