"""The authors' door: everything a task definition needs comes from here."""

from tasks.context import Context, File
from tasks.exceptions import Failure
from tasks.registry import task

__all__ = ["Context", "Failure", "File", "task"]
