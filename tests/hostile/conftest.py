"""The service that all attack; prints the table with answers and times, and writes the page."""

from collections.abc import Iterator

import pytest

from tests.hostile import page
from tests.hostile.page import Measure
from tests.hostile.target import Target, attacked


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    with attacked() as target:
        yield target


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "print the table of hostile requests, and write docs/hostile.md"
    parser.addoption("--hostile-page", action="store_true", help=text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not terminalreporter.config.getoption("hostile_page", False):
        return
    measured = {
        (name, transport): Measure(answer, ms)
        for report in terminalreporter.stats.get("passed", ())
        for key, (name, transport, answer, ms) in report.user_properties
        if key == page.PROPERTY
    }
    terminalreporter.section("hostile requests")
    terminalreporter.write_line(page.printed(measured))
    if not page.write(measured):
        terminalreporter.write_line("Not every answer is as expected: nothing was written.")
