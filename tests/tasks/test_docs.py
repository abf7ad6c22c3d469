"""What docs/tasks.md shows is a task that works as it is shown."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tasks import Context, Failure, registry
from tasks.options import Options
from tasks.registry import Registry

TEXT = (Path(__file__).parents[2] / "docs/tasks.md").read_text()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The page's module, declared in a registry of its own."""
    monkeypatch.setattr(registry, "REGISTRY", Registry())
    (source,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "bill_customer.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("bill_customer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bill_customer", module)  # where inspect looks for its source
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_a_task_that_works(shown: ModuleType) -> None:
    assert shown.bill_customer(Context(), amount=5).number == "receipt run:charge"
    with pytest.raises(Failure, match="declined"):
        shown.bill_customer(Context(), amount=5_000)
    assert list(registry.REGISTRY) == ["bill_customer"]


def test_the_page_names_every_option_and_every_call() -> None:
    options = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert set(options) == set(Options.model_fields)
    calls = set(re.findall(r"`(?:with )?ctx\.(\w+)\(", TEXT))
    public = {name for name in vars(Context) if not name.startswith("_")}
    assert calls == public - {"last_progress"}
