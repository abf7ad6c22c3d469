"""The authors' door: everything a task definition needs comes from here."""

from accounts.viewer import Viewer
from tasks.context import Context, File
from tasks.exceptions import Failure, Retry, Stopped, TimeLimit
from tasks.registry import task

__all__ = ["Context", "Failure", "File", "Retry", "Stopped", "TimeLimit", "Viewer", "task"]
