"""The service that all attack; prints the table with answers and times, and writes the page."""

from collections.abc import Iterator

import pytest

from tests.hostile import page
from tests.hostile.page import Measure
from tests.hostile.target import Target, attacked

FUZZED = "fuzzed"  # of a test's report: what was made, and how often each answer came


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    with attacked() as target:
        yield target


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "print the table of hostile requests, and write docs/hostile.md"
    parser.addoption("--hostile-page", action="store_true", help=text)
    parser.addoption("--fuzz", type=int, metavar="REQUESTS", help="how many to make at random")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = [
        (key, value)
        for report in terminalreporter.stats.get("passed", ())
        for key, value in report.user_properties
    ]
    if terminalreporter.config.getoption("fuzz", None):
        terminalreporter.section("requests made at random")
        for name, counts in (value for key, value in found if key == FUZZED):
            terminalreporter.write_line(f"{name}: {sum(counts.values())}")
            for answer, count in counts.items():
                terminalreporter.write_line(f"  {count:6}  {answer}")
    if terminalreporter.config.getoption("hostile_page", False):
        measured = {
            (name, transport): Measure(answer, ms)
            for key, value in found
            if key == page.PROPERTY
            for name, transport, answer, ms in (value,)
        }
        terminalreporter.section("hostile requests")
        terminalreporter.write_line(page.printed(measured))
        if not page.write(measured):
            terminalreporter.write_line("Not every answer is as expected: nothing was written.")
