"""Runs in the admin: the list, and the page of one with all that belongs to it."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.bounded import PlaceFilter
from tasks import downloads
from tasks.admin import stored, story
from tasks.admin.base import viewer_of
from tasks.admin.filters import PeriodFilter, StatusFilter, TaskFilter
from tasks.admin.steering import SteeringAdmin
from tasks.models import File, Run

FILES = 100  # that a run's page shows
LARGE = ("input", "result")


@admin.register(Run)
class RunAdmin(SteeringAdmin):
    list_display = (
        *("short_id", "task", "shown_owner", "shown_status", "attempt", "shown_tags"),
        *("created_at", "started_at", "finished_at"),
    )
    list_filter = (StatusFilter, TaskFilter, PeriodFilter, PlaceFilter)
    list_select_related = ("owner",)
    sortable_by = ("short_id",)
    ordering = ("-id",)
    search_fields = ("id", "idempotency_key")
    search_help_text = "An id (also as GraphQL gives it), a user name or an idempotency key, whole."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("id", ("task", "owner", "shown_tags"), ("shown_status", "attempt")),
                    *("shown_progress", "idempotency_key", "shown_rerun_of"),
                )
            },
        ),
        (
            "Times",
            {
                "fields": (
                    ("created_at", "started_at", "finished_at"),
                    ("run_at", "expires_at", "cancel_requested_at"),
                    ("lease_until", "ring_at"),
                )
            },
        ),
        ("Stored", {"fields": ("shown_input", "shown_result", "shown_error")}),
        (
            "Declared",
            {
                "fields": (
                    *(("priority", "on_lost", "max_failures"), ("is_gated", "is_unique")),
                    *(("failures", "rings", "revision"), "may_have_repeated"),
                )
            },
        ),
    )
    readonly_fields = (
        *("shown_status", "shown_tags", "shown_progress", "shown_rerun_of"),
        *("shown_input", "shown_result", "shown_error"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return Run.objects.visible_to(viewer_of(request)).defer(*LARGE)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Run | None:
        rows = stored.with_beginnings(self.get_queryset(request).select_related("owner"), *LARGE)
        try:
            return rows.filter(pk=object_id).first()
        except ValidationError:
            return None

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<uuid:run_id>/{kind}/",
                self.admin_site.admin_view(self._story_view),
                {"kind": kind},
                name=f"tasks_run_{kind}",
            )
            for kind in story.KINDS
        ]
        return [*own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        run = context["original"]
        files, until = self._files(request, run), downloads.expiry()
        context |= {
            "attempts": story.attempts(run.pk),
            "events": story.events(run.pk),
            "files": [(file, downloads.signed_path(file.pk, until)) for file in files[:FILES]],
            "has_more_files": len(files) > FILES,
            "may_steer": self.has_steer_permission(request),
            "may_remove": self.has_remove_permission(request),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def _files(self, request: HttpRequest, run: Run) -> list[File]:
        """What the run saved, and one more than is shown, for whoever may see files."""
        rows = File.objects.visible_to(viewer_of(request)).filter(run=run).order_by("id")
        return list(rows[: FILES + 1]) if request.user.has_perm("tasks.view_file") else []

    def _story_view(self, request: HttpRequest, run_id: UUID, kind: str) -> HttpResponse:
        """All attempts or events of one run, in pages."""
        run = self.get_queryset(request).filter(pk=run_id).first()
        if run is None or not self.has_view_permission(request, run):
            raise Http404("There is no such run.")
        before = story.read_before(request.GET.get("before"))
        page = story.KINDS[kind](run.pk, before)
        context = {
            **self.admin_site.each_context(request),
            "title": kind.capitalize(),
            "subtitle": str(run),
            "opts": self.opts,
            "media": self.media,
            "run": run,
            "kind": kind,
            "before": before,
            "page": page,
            kind: page,
        }
        return TemplateResponse(request, "admin/tasks/run/story.html", context)

    @admin.display(description="status")
    def shown_status(self, run: Run) -> SafeString:
        return format_html('<span class="status {0}">{0}</span>', run.shown_status.value)

    @admin.display(description="owner")
    def shown_owner(self, run: Run) -> SafeString:
        """With a link to all runs of the owner."""
        query = urlencode({"q": run.owner.username})
        return format_html('<a href="?{}">{}</a>', query, run.owner.display_name)

    @admin.display(description="tags")
    def shown_tags(self, run: Run) -> SafeString:
        return format_html_join(" ", '<span class="tag">{}</span>', ((tag,) for tag in run.tags))

    @admin.display(description="progress")
    def shown_progress(self, run: Run) -> str:
        if run.progress_done is None:
            return "-"
        total = "" if run.progress_total is None else f" of {run.progress_total}"
        return f"{run.progress_done}{total} {run.progress_message or ''}".strip()

    @admin.display(description="rerun of")
    def shown_rerun_of(self, run: Run) -> str:
        if run.rerun_of is None:
            return "-"
        url = reverse("admin:tasks_run_change", args=(run.rerun_of,))
        return format_html('<a href="{}">{}</a>', url, run.rerun_of)

    @admin.display(description="input")
    def shown_input(self, run: Run) -> str:
        return stored.show(run, "input")

    @admin.display(description="result")
    def shown_result(self, run: Run) -> str:
        return stored.show(run, "result")

    @admin.display(description="error")
    def shown_error(self, run: Run) -> str:
        return "-" if run.error is None else f"{run.error['code']}: {run.error['message']}"
