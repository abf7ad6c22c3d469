"""Finds the task definitions: every public module of the packages in TASK_PACKAGES is imported."""

import importlib
import pkgutil
import traceback
from collections.abc import Iterable

from tasks.exceptions import DeclarationError
from tasks.registry import REGISTRY


def discover(packages: Iterable[str]) -> None:
    """Import the packages' modules so that their tasks are declared; refuse to find none."""
    for package in packages:
        for module in _modules(package):
            _import(module)
    if not REGISTRY:
        raise DeclarationError(
            f"No task is declared in TASK_PACKAGES={','.join(packages)}: the schema would be empty."
        )


def _modules(package: str) -> list[str]:
    found = _import(package)
    if not hasattr(found, "__path__"):
        return []  # a single module: importing it declared its tasks
    return sorted(
        f"{package}.{module.name}"
        for module in pkgutil.iter_modules(found.__path__)
        if not module.name.startswith("_")
    )


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except DeclarationError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise DeclarationError(
            f"{name} (from TASK_PACKAGES) cannot be imported: {type(error).__name__}: {error} "
            f"({last.filename}:{last.lineno})"
        ) from error
