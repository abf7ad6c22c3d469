"""Tables for the tests of profile_dataset, in folders of the test."""

import tempfile
from pathlib import Path

import pytest

from tests.tasks.definitions.profiling import Tables


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the task keeps its scratch folders."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)
