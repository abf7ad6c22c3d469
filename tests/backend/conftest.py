"""Lets Django's whole middleware run in tests."""

from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("static")


@pytest.fixture(autouse=True)
def _static_root(settings: Settings, empty_folder: Path) -> None:
    """An existing folder: whitenoise warns of a missing one."""
    settings.STATIC_ROOT = empty_folder
