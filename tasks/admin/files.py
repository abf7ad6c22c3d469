"""Files in the admin: where they come from, their bytes, and deleting them."""

from collections import Counter

from django.contrib import admin
from django.contrib.admin.models import DELETION
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.bounded import PlaceFilter
from tasks import deletion, downloads
from tasks.admin.base import ReadOnlyAdmin, is_confirmed, number, short, viewer_of
from tasks.admin.filters import OriginFilter, PeriodFilter, ReadyFilter
from tasks.exceptions import Refused
from tasks.models import File


@admin.register(File)
class FileAdmin(ReadOnlyAdmin):
    list_display = (
        *("short_id", "name", "owner", "shown_size", "content_type", "saved_by"),
        *("created_at", "ready_at", "download"),
    )
    list_filter = (ReadyFilter, OriginFilter, PeriodFilter, PlaceFilter)
    list_select_related = ("owner",)
    sortable_by = ("short_id",)
    ordering = ("-id",)
    lookups = ("run",)
    search_fields = ("id",)
    search_help_text = "An id (also as GraphQL gives it) or a user name, whole."
    actions = ("delete_files",)
    fields = (
        *("id", "name", "owner", "saved_by", "shown_size", "content_type", "sha256"),
        *("created_at", "upload_until", "ready_at", "used_at", "download"),
    )
    readonly_fields = ("saved_by", "shown_size", "download")

    def get_queryset(self, request: HttpRequest) -> QuerySet[File]:
        return File.objects.visible_to(viewer_of(request))

    @admin.action(description="Delete", permissions=["remove"])
    def delete_files(self, request: HttpRequest, rows: QuerySet[File]) -> HttpResponse | None:
        keys = self.chosen(rows)
        if not is_confirmed(request):
            warning = "Their bytes go for ever; runs that name them show null in their place."
            return self.confirm(request, "delete_files", keys, warning)
        gone, reasons = [], Counter[str]()
        for file in self.get_queryset(request).filter(pk__in=keys):
            try:
                deletion.delete_file(viewer_of(request), file.pk)
                gone.append(file)
            except Refused as refused:
                reasons[refused.problems[0].message] += 1
        self.remember(request, gone, DELETION, "Deleted.")
        done = [f"{number(len(gone), 'file')} deleted"] if gone else []
        self.tell(request, done, [f"{number(n, 'file')}: {why}" for why, n in reasons.items()])
        return None

    @admin.display(description="size")
    def shown_size(self, file: File) -> str:
        return filesizeformat(file.size)

    @admin.display(description="saved by", empty_value="-")
    def saved_by(self, file: File) -> SafeString | None:
        if file.run_id is None:
            return None
        url = reverse("admin:tasks_run_change", args=(file.run_id,))
        return format_html('<a href="{}">{}</a>', url, short(file.run_id))

    @admin.display(description="bytes", empty_value="-")
    def download(self, file: File) -> SafeString | None:
        if not file.is_ready:
            return None
        url = downloads.signed_path(file.pk, downloads.expiry())
        return format_html('<a href="{}">Download</a>', url)
