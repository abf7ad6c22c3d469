"""Runs, files and workers in Django's admin, to look at: they are changed by their verbs alone."""

from tasks.admin.files import FileAdmin
from tasks.admin.runs import RunAdmin
from tasks.admin.workers import WorkerAdmin

__all__ = ["FileAdmin", "RunAdmin", "WorkerAdmin"]
