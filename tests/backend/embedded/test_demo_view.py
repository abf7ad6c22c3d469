"""What the demo prints, away from a terminal."""

import pytest

from backend.embedded.demo_view import Bar, table

NUMBERS = {"min": 1, "median": 2.5, "max": 1_234_567}
BASE: dict[str, object] = {
    "missing": 1_000,
    "distinct": 3,
    "numbers": None,
    "times": None,
    "mostFrequent": [],
}


def _column(**given: object) -> dict[str, object]:
    return {**BASE, **given}


def test_each_column_is_one_line_with_its_spread_or_its_most_frequent_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    frequent = [{"value": "UA", "count": 58_665}]
    table(
        [
            _column(name="delay", type="INTEGER", numbers=NUMBERS),
            _column(name="carrier", type="TEXT", mostFrequent=frequent),
            _column(name="nothing", type="EMPTY"),
        ]
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["delay", "INTEGER", "1,000", "3", "1", "2.5", "1234567"]
    assert lines[2] == ["carrier", "TEXT", "1,000", "3", "mostly", "UA", "(58,665)"]
    assert lines[3] == ["nothing", "EMPTY", "1,000", "3"]


def test_the_bar_is_printed_again_only_when_it_moved(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    half = {"fraction": 0.5, "message": "loading"}
    bar.show("QUEUED", None)
    bar.show("RUNNING", half)
    bar.show("RUNNING", half)
    bar.end()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["queued", "loading"]
    assert "50%" in lines[1]
