"""How profile_dataset behaves as a run: progress, leases, size, and what it leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import Context, File
from tasks.context import InMemory
from tasks.definitions._profile.engine import Engine
from tasks.definitions._profile.fit import cut
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.models import (
    ColumnProfile,
    ColumnType,
    NumberSummary,
)
from tasks.definitions.profile_dataset import profile_dataset
from tasks.exceptions import Fenced, TimeLimit
from tasks.registry import REGISTRY
from tests.tasks.definitions.profiling import Tables, numbers

BYTES_OF_A_RESULT = 64 * 1024


class Watched(InMemory):
    """Remembers every progress, and is fenced once `most` have been made."""

    def __init__(self, most: int = 10**9) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.most = most

    def check(self) -> None:
        if self.progress is not None:
            self.seen.append(self.progress.done)
        if len(self.seen) >= self.most:
            raise Fenced


def test_progress_rises_to_the_end(tables: Tables) -> None:
    path = tables.folder / "t.csv"
    path.write_text("a,b\n" + "1,x\n" * 100_000)
    context = Context(backing := Watched())
    profile_dataset(context, file=File.from_path(path))
    assert backing.seen == sorted(backing.seen)
    assert len(set(backing.seen)) > 5
    assert context.last_progress is not None
    assert (context.last_progress.done, context.last_progress.total) == (100, 100)


def test_a_lost_lease_stops_the_task_and_leaves_nothing(tables: Tables, scratch: Path) -> None:
    path = tables.folder / "t.csv"
    path.write_text("a,b\n" + "1,x\n" * 50_000)
    for most in (1, 3, 5):
        with pytest.raises(Fenced):
            profile_dataset(Context(Watched(most)), file=File.from_path(path))
        assert list(scratch.iterdir()) == []


def test_a_lost_lease_interrupts_a_long_query(tmp_path: Path) -> None:
    report = Meter(Context(Watched(2)), 0, 100, "")
    with Engine(tmp_path, tmp_path, 1 << 30) as engine, pytest.raises(Fenced):
        engine.rows("SELECT sum(hash(i)) FROM range(1000000000000) AS rows(i)", report=report)


def test_a_table_that_takes_too_long_is_refused_for_good(
    tables: Tables, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> None:
        raise TimeLimit("It ran longer than its soft time limit.")

    monkeypatch.setattr(Engine, "rows", late)
    refusal = tables.refusal("a\n1\n")
    assert (refusal.code, "30 minutes" in refusal.message) == ("TABLE_TOO_LARGE", True)
    assert list(scratch.iterdir()) == []
    options = REGISTRY["profile_dataset"].options
    assert options.soft_time_limit == 1_800
    assert options.time_limit is not None


def test_nothing_is_left_behind(tables: Tables, scratch: Path) -> None:
    tables.profile('a\n"1"\n')
    tables.refusal('a\n"1\n')
    tables.refusal(b"PAR1" + bytes(50))
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("letter", ["x", "😀", "\x01"])
def test_a_result_stays_small_whatever_the_columns_hold(tables: Tables, letter: str) -> None:
    rows = [
        {f"{column}{letter * 300}": f"{column * 20 + at:04}{letter * 300}" for column in range(80)}
        for at in range(20)
    ]
    profile = tables.profile("\n".join(map(json.dumps, rows)), "t.jsonl", top=50)
    assert len(profile.columns) == 80
    assert all(column.most_frequent for column in profile.columns)
    assert len(json.dumps(profile.model_dump(mode="json"))) < BYTES_OF_A_RESULT


def test_a_result_of_the_longest_numbers_stays_small(tables: Tables) -> None:
    low, high = -(10**37) - 1234567891234567, 10**37 + 1234567891234567
    value = "CASE i WHEN 0 THEN {} WHEN 1 THEN {} ELSE i * 1111111111111111 + {} END::HUGEINT"
    columns = ", ".join(f'{value.format(low, high, at)} AS "{at}{"😀" * 100}"' for at in range(80))
    profile = tables.parquet(
        f"SELECT {columns} FROM range(300) AS rows(i)",  # noqa: S608 - of this test
        bins=50,
    )
    assert len(profile.columns) == 80
    assert all(len(numbers(column).histogram) > 1 for column in profile.columns)
    assert len(json.dumps(profile.model_dump(mode="json"))) < BYTES_OF_A_RESULT


def test_even_the_longest_column_fits_its_share() -> None:
    from tasks.definitions._profile.fit import NAME_BYTES, ROOM, size
    from tasks.definitions._profile.limits import MAX_COLUMNS

    most, digits, longest = 2**31 - 1, "-" + "9" * 40, -1.2345678901234567e-300
    summary = dict.fromkeys(("min", "max", "mean", "p5", "p25", "median", "p75", "p95"), longest)
    column = ColumnProfile(
        name="x" * NAME_BYTES,
        type=ColumnType.TIMESTAMP,
        missing=most,
        distinct=most,
        numbers=NumberSummary(
            **summary, exact_min=digits, exact_max=digits, nan=most, infinite=most,
            histogram=[most],
        ),
        times=None,
        most_frequent=[],
    )  # fmt: skip
    assert size(column) <= ROOM // MAX_COLUMNS


@given(st.text(max_size=60), st.integers(10, 100))
@settings(max_examples=100)
def test_a_cut_text_never_takes_more_than_its_bytes(text: str, most: int) -> None:
    shown = cut(text, most)
    assert len(json.dumps(shown.text)) - 2 <= most
    assert shown.is_cut == (len(json.dumps(text.replace("\0", "\ufffd"))) - 2 > most)


def test_declaring_the_task_does_not_load_duckdb() -> None:
    code = "import sys, tasks.definitions.profile_dataset; sys.exit('duckdb' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
