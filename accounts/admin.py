"""Users, groups and API tokens in Django's admin; a token is shown once, when it is made."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import PROTECT, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts import tokens
from accounts.bounded import BoundedAdmin, ChoiceFilter, PlaceFilter
from accounts.models import ApiToken, User
from accounts.tokens import BRAND, PREFIX_LENGTH
from accounts.viewer import SCOPES, SPECIAL, TASKS_START, is_scope

if TYPE_CHECKING:
    TokenForm = forms.ModelForm[ApiToken]
    DjangosUserAdmin = UserAdmin[User]
else:
    TokenForm = forms.ModelForm
    DjangosUserAdmin = UserAdmin

MENTIONED = 1_000  # rows that forbid to delete a user are counted so far

admin.site.site_header = admin.site.site_title = "Downbeat"
admin.site.enable_nav_sidebar = False  # the lists need its room
admin.site.unregister(Group)


@admin.register(Group)
class OurGroupAdmin(BoundedAdmin, GroupAdmin):
    sortable_by = ("name",)


@admin.register(User)
class OurUserAdmin(BoundedAdmin, DjangosUserAdmin):
    """Django's own; who owns runs or files is not deleted."""

    sortable_by = ("username",)
    readonly_fields = ("issuer", "subject")
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Signed in by others", {"fields": ("issuer", "subject")}),
    )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        if protecting := list(_protecting(objs)):
            return [], {}, set(), protecting  # Django would read and list them all
        return super().get_deleted_objects(objs, request)


def _protecting(users: Iterable[User]) -> Iterator[str]:
    """What forbids to delete these users, counted no further than needed."""
    for relation in User._meta.related_objects:
        if relation.on_delete is PROTECT:
            rows = relation.related_model._base_manager.filter(
                **{f"{relation.field.name}__in": users}
            )
            if count := rows[: MENTIONED + 1].count():
                many = f"more than {MENTIONED}" if count > MENTIONED else str(count)
                meta = relation.related_model._meta
                names = meta.verbose_name if count == 1 else meta.verbose_name_plural
                yield f"{many} {names} (manage.py delete_data USERNAME deletes all)"


class StateFilter(ChoiceFilter):
    """By whether a token still opens something."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("valid", "Valid"), ("expired", "Expired"), ("revoked", "Revoked")]

    def chosen(self, rows: QuerySet[ApiToken], choice: str) -> QuerySet[ApiToken]:
        if choice == "revoked":
            return rows.filter(revoked_at__isnull=False)
        in_time = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return rows.filter(in_time if choice == "valid" else ~in_time, revoked_at=None)


class NewTokenForm(TokenForm):
    """What a token is made from; the admin sets `maker` to who makes it."""

    maker: ClassVar[User]

    username = forms.CharField(label="User name", help_text="Of the user who is then signed in.")
    scopes = forms.MultipleChoiceField(
        choices=[(word, word) for word in (*SCOPES, *SPECIAL)],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    tasks = forms.CharField(
        required=False, help_text=f"Names of the tasks it may start, without {TASKS_START}."
    )

    class Meta:
        model = ApiToken
        fields = ("name", "expires_at")

    def clean_username(self) -> User:
        user = User.objects.filter(username=self.cleaned_data["username"]).first()
        if user is None:
            raise forms.ValidationError("There is no such user.")
        is_other_staff = (user.is_staff or user.is_superuser) and user != self.maker
        if is_other_staff and not self.maker.is_superuser:
            raise forms.ValidationError("Only a superuser makes tokens of other staff.")
        return user

    def clean_tasks(self) -> list[str]:
        scopes = [f"{TASKS_START}:{name}" for name in self.cleaned_data["tasks"].split()]
        if not all(map(is_scope, scopes)):
            raise forms.ValidationError("Name tasks as they are declared, with spaces between.")
        return scopes

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("This time has passed already.")
        return expires_at

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        scopes = given["scopes"] = [*given.get("scopes", ()), *given.get("tasks", ())]
        if not self.errors and not scopes:
            self.add_error("scopes", "A token without scopes opens nothing: choose some.")
        if set(scopes) & set(SPECIAL) and not self.maker.is_superuser:
            self.add_error("scopes", f"Only a superuser gives {' and '.join(SPECIAL)}.")
        return given


@admin.register(ApiToken)
class ApiTokenAdmin(BoundedAdmin):
    list_display = (
        *("prefix", "name", "user", "shown_scopes", "created_at"),
        *("expires_at", "last_used_at", "revoked_at"),
    )
    list_filter = (StateFilter, PlaceFilter)
    list_select_related = ("user",)
    ordering = ("-id",)
    search_fields = ("prefix",)
    search_help_text = f"A user name, or a token's first {PREFIX_LENGTH} letters: never all of it."
    actions = ("revoke",)
    form = NewTokenForm

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("username", "name", "scopes", "tasks", "expires_at")
        return ("id", *self.list_display)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("shown_scopes",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apitoken")

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # many are revoked; deleted are single ones
        return actions

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiToken], search_term: str
    ) -> tuple[QuerySet[ApiToken], bool]:
        text = search_term.strip()
        if not text or "\0" in text:
            return super().get_search_results(request, queryset, search_term)
        if text.startswith(BRAND):
            return queryset.filter(prefix=text[:PREFIX_LENGTH]), False
        return queryset.filter(user__in=User.objects.filter(username=text)), False

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)
        form.maker = request.user
        return form

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        given = form.cleaned_data
        obj.user = given["username"]
        made = tokens.create_token(
            obj.user_id, given["scopes"], name=obj.name, expires_at=obj.expires_at
        )
        obj.pk, obj.prefix = made.row.pk, made.row.prefix
        obj.text = made.text  # type: ignore[attr-defined] # for response_add, and nowhere else

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page with the token, at once: a message would wait for it in a cookie or session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "A new API token",
            "opts": self.opts,
            "token": obj,
            "text": obj.text,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/accounts/apitoken/made.html", context)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        count = len(rows)
        revoked = tokens.revoke(rows)
        words = f"{revoked} revoked; {count - revoked} had been revoked before."
        self.message_user(request, words, messages.SUCCESS)

    @admin.display(description="scopes")
    def shown_scopes(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)
