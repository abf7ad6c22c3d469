"""Runs, files and workers in Django's admin, to look at: runs are changed by their verbs alone."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tasks.models import File, Run, Worker
from tasks.registry import REGISTRY


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # not subscriptable at run time
    """Shows, never writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TaskFilter(admin.SimpleListFilter):
    """By declared task."""

    title = "task"
    parameter_name = "task"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in REGISTRY]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(task=self.value()) if self.value() else queryset


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("id", "task", "owner", "status", "attempt", "created_at", "finished_at")
    list_filter = ("status", TaskFilter)
    list_select_related = ("owner",)
    search_fields = ("id",)
    ordering = ("-id",)
    show_full_result_count = False
    exclude = ("token",)


@admin.register(File)
class FileAdmin(ReadOnlyAdmin):
    list_display = ("id", "name", "owner", "size", "created_at", "ready_at")
    list_select_related = ("owner",)
    ordering = ("-id",)
    show_full_result_count = False


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "slots", "busy", "claimed_at", "started_at", "heartbeat_at")
