"""By what the admin's lists are narrowed; each in words that an index serves."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.bounded import ChoiceFilter
from accounts.keys import first_key
from tasks.models import shown_as
from tasks.registry import REGISTRY
from tasks.status import Status

Choices = list[tuple[str, str]]


class TaskFilter(ChoiceFilter):
    """By declared task."""

    title = "task"
    parameter_name = "task"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(name, name) for name in sorted(REGISTRY)]

    def chosen(self, rows: QuerySet[Any], choice: str) -> QuerySet[Any]:
        return rows.filter(task=choice)


class StatusFilter(ChoiceFilter):
    """By status as clients see it."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(status.value, status.value) for status in Status]

    def chosen(self, rows: QuerySet[Any], choice: str) -> QuerySet[Any]:
        return rows.filter(shown_as([Status(choice)]))


class PeriodFilter(ChoiceFilter):
    """By the time of creation, which the key tells: no column of times is searched."""

    title = "creation"
    parameter_name = "created"
    days = {"today": 0, "7days": 7, "30days": 30}  # noqa: RUF012

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("today", "Today"), ("7days", "Past 7 days"), ("30days", "Past 30 days")]

    def chosen(self, rows: QuerySet[Any], choice: str) -> QuerySet[Any]:
        now = timezone.localtime()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        start = now - timedelta(days=self.days[choice]) if self.days[choice] else midnight
        return rows.filter(pk__gte=first_key(start))


class ReadyFilter(ChoiceFilter):
    """By whether a file's bytes are there."""

    title = "bytes"
    parameter_name = "ready"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", "Stored"), ("no", "Not uploaded")]

    def chosen(self, rows: QuerySet[Any], choice: str) -> QuerySet[Any]:
        return rows.filter(ready_at__isnull=choice == "no")


class OriginFilter(ChoiceFilter):
    """By where a file comes from."""

    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("upload", "Uploaded"), ("run", "Saved by a run")]

    def chosen(self, rows: QuerySet[Any], choice: str) -> QuerySet[Any]:
        return rows.filter(run__isnull=choice == "upload")
