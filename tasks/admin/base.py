"""What the admin of runs, files and workers has in common: rows are looked at, and acted on."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.bounded import BoundedAdmin
from accounts.models import User
from accounts.viewer import ADMIN, SCOPES, Viewer
from tasks.admin import search

NAMED = 20  # rows that a confirmation names


def viewer_of(request: HttpRequest) -> Viewer:
    """Who is signed in, as somebody who may see everything; what else, Django's permissions say."""
    return Viewer(cast(User, request.user).pk, frozenset({*SCOPES, ADMIN}))


class ReadOnlyAdmin(BoundedAdmin):
    """Shows rows and writes none; what changes them is an action with a permission of its own."""

    class Media:
        css: ClassVar = {"all": ("tasks/admin.css",)}

    @admin.display(description="id", ordering="id")
    def short_id(self, row: Any) -> SafeString:
        """The end of the key, in which keys of the same time differ; all of it when pointed at."""
        return short(row.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # so that Django deletes nothing by itself: see has_remove_permission

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Who may delete, by the actions that do it as the rest of the service does."""
        return request.user.has_perm(f"{self.opts.app_label}.delete_{self.opts.model_name}")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By what search.find says; the first of `search_fields` stands for the key."""
        text = search_term.strip()
        if not text or "\0" in text:
            return super().get_search_results(request, queryset, search_term)
        return search.find(queryset, text, self.search_fields[1:]), False

    def chosen(self, rows: QuerySet[Any]) -> list[UUID]:
        """The keys of the selected rows, the newest first."""
        return list(rows.order_by("-pk").values_list("pk", flat=True))

    def tell(self, request: HttpRequest, done: Sequence[str], refused: Sequence[str]) -> None:
        """What an action did, and what it did not."""
        if done:
            self.message_user(request, f"{'; '.join(done)}.", messages.SUCCESS)
        if refused:
            self.message_user(request, f"{'; '.join(refused)}.", messages.WARNING)

    def remember(self, request: HttpRequest, rows: Sequence[Model], flag: int, words: str) -> None:
        """Write into the admin's history what was done to these rows, and by whom."""
        if rows:
            LogEntry.objects.log_actions(viewer_of(request).user_id, rows, flag, words)

    def confirm(
        self, request: HttpRequest, action: str, keys: Sequence[UUID], warning: str
    ) -> TemplateResponse:
        """The page that asks whether these rows are to be deleted, by the same action."""
        rows = self.get_queryset(request).filter(pk__in=keys[:NAMED]).order_by("-pk")
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete {number(len(keys), str(self.opts.verbose_name))}?",
            "opts": self.opts,
            "media": self.media,
            "action": action,
            "checkbox": ACTION_CHECKBOX_NAME,
            "keys": keys,
            "rows": rows,
            "unnamed": max(0, len(keys) - NAMED),
            "warning": warning,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/tasks/confirm_delete.html", context)


def short(key: UUID) -> SafeString:
    """The end of a key, with all of it as a hint."""
    return format_html('<span class="key" title="{}">{}</span>', key, str(key)[-12:])


def is_confirmed(request: HttpRequest) -> bool:
    return "confirmed" in request.POST


def number(count: int, name: str) -> str:
    """Such as "1 run" or "3 runs"."""
    return f"{count} {name}{'' if count == 1 else 's'}"
