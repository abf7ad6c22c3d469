"""The Django app of runs; starting it discovers the tasks."""

from django.apps import AppConfig
from django.conf import settings

from tasks.discovery import discover


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        discover(settings.TASK_PACKAGES)
