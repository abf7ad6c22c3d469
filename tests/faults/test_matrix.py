"""The page of faults shows the slowest recovery of each stack, and what does not exist there."""

from pathlib import Path

import pytest

from tests.faults import matrix
from tests.faults.matrix import Recovery

KILLED = "the worker is killed"
FULL = "the disk is full"
SEEN = [
    Recovery(KILLED, "37 s", "embedded", 3.04),
    Recovery(KILLED, "37 s", "embedded", 2.5),
    Recovery(KILLED, "37 s", "postgres-redis", 4.0),
    Recovery(FULL, "a clear error", "postgres-redis", None),
]
TABLE = """\
| fault | expected | embedded | postgres-redis | postgres-rabbitmq |
| --- | --- | --- | --- | --- |
| the worker is killed | 37 s | 3.0 s (of 2) | 4.0 s | - |
| the disk is full | a clear error | - | yes | - |"""


def test_the_slowest_recovery_of_each_stack_is_shown() -> None:
    assert matrix.table(SEEN) == TABLE


def test_stacks_that_did_not_run_keep_their_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(matrix, "PAGE", tmp_path / "faults.md")
    first = matrix.write(SEEN[:2], 1.0)
    second = matrix.write(SEEN[2:], 1.0)
    assert [path.name for path in first] == ["faults-embedded.json", "faults.md"]
    assert [path.name for path in second] == ["faults-postgres-redis.json", "faults.md"]
    assert TABLE in (tmp_path / "faults.md").read_text()


@pytest.mark.xdist_group("embedded")
def test_the_report_of_a_test_carries_what_it_took_down(request: pytest.FixtureRequest) -> None:
    taken = matrix.Matrix(request.node, matrix.stack_of(request.node))
    before = len(request.node.user_properties)
    taken.record(KILLED, "37 s", 1.5)
    key, value = request.node.user_properties.pop()
    assert len(request.node.user_properties) == before
    assert (key, Recovery(*value)) == (
        matrix.PROPERTY,
        Recovery(KILLED, "37 s", "embedded", 1.5),
    )
