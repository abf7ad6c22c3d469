"""Writes tables, profiles them, and reads the profiles; shared by the tests of profile_dataset."""

import math
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tasks import Context, Failure, File
from tasks.definitions._profile.models import (
    ColumnProfile,
    DatasetProfile,
    NumberSummary,
    TimeSummary,
)
from tasks.definitions.profile_dataset import profile_dataset


class Tables:
    """Writes tables into a folder of the test, and profiles them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def profile(self, content: str | bytes, name: str = "t.csv", **options: Any) -> DatasetProfile:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return profile_dataset(Context(), file=File.from_path(path), **options)

    def column(self, content: str | bytes, name: str = "t.csv", **options: Any) -> ColumnProfile:
        (column,) = self.profile(content, name, **options).columns
        return column

    def parquet(self, select: str, **options: Any) -> DatasetProfile:
        path = self.folder / "t.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        return profile_dataset(Context(), file=File.from_path(path), **options)

    def refusal(self, content: str | bytes, name: str = "t.csv", **options: Any) -> Failure:
        with pytest.raises(Failure) as caught:
            self.profile(content, name, **options)
        assert str(self.folder) not in caught.value.message
        assert "scratch" not in caught.value.message
        return caught.value


def numbers(column: ColumnProfile) -> NumberSummary:
    assert column.numbers is not None
    return column.numbers


def times(column: ColumnProfile) -> TimeSummary:
    assert column.times is not None
    return column.times


def frequent(column: ColumnProfile) -> list[tuple[str, int]]:
    return [(each.value, each.count) for each in column.most_frequent]


def quantile(values: list[float], percent: int) -> float:
    """The smallest value that is not below that share of them."""
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]
