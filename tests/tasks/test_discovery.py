"""Definitions are found in every package that TASK_PACKAGES names."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.discovery import discover
from tasks.exceptions import DeclarationError
from tasks.registry import REGISTRY

DEFINITION = '''"""Wave."""
from tasks import Context, task

@task(on_lost="rerun")
def wave_hands(ctx: Context) -> None: ...
'''


@pytest.fixture
def package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declare: object
) -> Iterator[Callable[[dict[str, str]], str]]:
    """Makes a package of these files and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(files: dict[str, str]) -> str:
        folder = tmp_path / "acme_jobs"
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, text in files.items():
            (folder / name).write_text(text)
        return "acme_jobs"

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("acme_jobs"):
            del sys.modules[name]


def test_every_public_module_is_imported(package: Callable[[dict[str, str]], str]) -> None:
    name = package({"wave.py": DEFINITION, "_broken.py": "raise ValueError"})
    discover([name])
    assert REGISTRY["wave_hands"].description == "Wave."


def test_a_single_module_will_do(package: Callable[[dict[str, str]], str]) -> None:
    discover([package({"wave.py": DEFINITION}) + ".wave"])
    assert "wave_hands" in REGISTRY


def test_a_module_that_cannot_be_imported_is_named(
    package: Callable[[dict[str, str]], str],
) -> None:
    with pytest.raises(DeclarationError, match=r"acme_jobs\.bad .*ModuleNotFoundError"):
        discover([package({"bad.py": "import nowhere_at_all"})])


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(DeclarationError, match=r"nowhere \(from TASK_PACKAGES\)"):
        discover(["nowhere"])


def test_a_wrong_declaration_keeps_its_own_sentence(
    package: Callable[[dict[str, str]], str],
) -> None:
    wrong = DEFINITION.replace('on_lost="rerun"', "")
    with pytest.raises(DeclarationError, match=r"wave\.py: wave_hands: say what happens"):
        discover([package({"wave.py": wrong})])


def test_no_task_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REGISTRY, "_tasks", {})
    with pytest.raises(DeclarationError, match="No task is declared"):
        discover([])
