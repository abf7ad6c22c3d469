"""The Django app of runs; starting it discovers the tasks."""

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate

from tasks import guard
from tasks.discovery import discover


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        discover(settings.TASK_PACKAGES)
        post_migrate.connect(guard.install, sender=self)
