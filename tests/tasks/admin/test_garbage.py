"""Whatever is in an address or a form of the admin, it answers with words and changes nothing."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.tokens import create_token
from accounts.viewer import Viewer
from tasks.models import Run, Worker
from tests.tasks.keeping import keep, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

HUGE = "9" * 5_000
QUERIES = (
    *("p=999999999", f"p={HUGE}", "p=0", "p=-1", "p=x", "p=%00", "p=1.5", "all=1", "all="),
    *("o=99", "o=-1.2.3", "o=x", "o=%00", f"o={HUGE}", "o=..", "o=1&o=2", "e=1", "e=x&p=77"),
    *("q=%00", "q=%ED%A0%80", "q=%F0%9F%98%80", f"q={HUGE}", "q=%27%3B--", "q=%25", "q=("),
    *("id__lt=x", "id__regex=((", "id__in=,", "id=%00", "pk=x", "after=x", "after=%00", "after="),
    *("status=x", "status=%00", "status=", "status__regex=((", "task=%00", "task__regex=((("),
    *("created=x", "created_at__gte=x", "created_at__year=99999", "ready=x", "origin=x", "run=x"),
    *("run=%00", "run__owner__password__startswith=a", "owner__password__regex=((", "input__a=1"),
    *("input__icontains=%00", "token=1", "nothing=1", "nothing__exact=%00", "state=x", "state=%00"),
    *("username__regex=((", "username=%00", "password__startswith=a", "is_staff__exact=x"),
    *("is_staff__exact=%00", "is_staff__isnull=x", "groups__id__exact=x", "groups__isnull=x"),
    *(f"groups__id__exact={HUGE}", "groups__id__exact=99999999999999999999", "name__regex=(("),
    *("groups__id__exact=%00", "_popup=1", "_to_field=x", "_to_field=%00", "_facets=True"),
    *("user__username__regex=((", "digest__startswith=a", "is_active__exact=1&is_active__exact=x"),
    *("_changelist_filters=%00", "%00=%00", "=", "&&&", "%", "__=1", "id__=1", "pk__in=%00"),
)
KEYS = (
    *("x", "0", "-1", HUGE, "99999999999999999999", "%00", "%ED%A0%80", "_3A", "..%2F", "_", "%25"),
    *("01990000-0000-7000-8000-000000000000", "01990000-0000-7000-8000-00000000000%00"),
)


@pytest.fixture
def rows(viewer: Viewer) -> dict[str, str]:
    """A row of every model, by the list's path."""
    Group.objects.create(name="some")
    EmailAddress.objects.create(user_id=viewer.user_id, email="ada@example.org")
    create_token(viewer.user_id)
    Worker.objects.create(name="w", heartbeat_at=timezone.now())
    start(viewer)
    keep(viewer.user_id, content=None)
    return {
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/": str(
            model._default_manager.values_list("pk", flat=True).first()
        )
        for model in admin.site._registry
    }


def ask(client: Client, method: str, path: str, data: object = None) -> int:
    client.raise_request_exception = False
    answer = getattr(client, method)(path, data) if data else getattr(client, method)(path)
    return int(answer.status_code)


def test_every_list_survives_every_query(root: Client, rows: dict[str, str]) -> None:
    assert len(rows) >= 6
    answers = {
        f"{path}?{query}": ask(root, "get", f"{path}?{query}") for path in rows for query in QUERIES
    }
    assert {path: code for path, code in answers.items() if code not in (200, 302, 400)} == {}


def test_every_page_survives_every_key(root: Client, rows: dict[str, str]) -> None:
    pages = ("change/", "delete/", "history/", "", "password/", "events/", "attempts/")
    answers = {
        (method, f"{path}{key}/{page}"): ask(root, method, f"{path}{key}/{page}")
        for path in rows
        for key in KEYS
        for page in pages
        for method in ("get", "post")
    }
    bad = {asked: code for asked, code in answers.items() if code >= 500}
    assert bad == {}
    assert 200 not in set(answers.values())


def test_every_page_survives_every_query(root: Client, rows: dict[str, str]) -> None:
    answers = {
        path: ask(root, "get", path)
        for path in (
            f"{path}{key}/{page}/?{query}"
            for path, key in rows.items()
            for page in ("change", "delete", "history")
            for query in (
                "_to_field=x",
                "_to_field=id",
                "_popup=1",
                "_changelist_filters=%00",
                "e=1",
            )
        )
    }
    assert {path: code for path, code in answers.items() if code >= 500} == {}


def test_every_list_survives_every_form(root: Client, rows: dict[str, str]) -> None:
    actions = (
        *("delete_selected", "cancel_runs", "rerun_runs", "delete_runs", "delete_files"),
        *("delete_dead", "revoke", "x", "", "\0"),
    )
    chosen = ("x", "\0", "", HUGE, "99999999999999999999", "01990000-0000-7000-8000-000000000000")
    before = [model._default_manager.count() for model in admin.site._registry]
    answers: dict[tuple[str, ...], int] = {}
    for path in rows:
        for action in actions:
            for key in chosen:
                for more in ({"index": "0"}, {"index": "x"}, {"confirmed": "yes", "post": "yes"}):
                    data = {"action": action, "_selected_action": key, **more}
                    answers[path, action, key[:40], str(more)] = ask(root, "post", path, data)
        for across in ("x", "\0", "-1", HUGE):
            data = {"action": "x", "select_across": across, "_selected_action": rows[path]}
            answers[path, across[:40]] = ask(root, "post", path, {**data, "index": "0"})
    assert {asked: code for asked, code in answers.items() if code >= 500} == {}
    assert [model._default_manager.count() for model in admin.site._registry] == before
    assert Run.objects.get().status == "QUEUED"


def test_every_form_survives_every_field(root: Client, rows: dict[str, str]) -> None:
    fields = ("user", "username", "groups", "user_permissions", "scopes", "email", "expires_at_0")
    answers = {
        (path, value[:40]): ask(root, "post", path, dict.fromkeys(fields, value))
        for value in ("x", "\0", HUGE, "-1")
        for path in (
            *(f"{path}add/" for path in rows),
            *(f"{p}{k}/change/" for p, k in rows.items()),
        )
    }
    assert {asked: code for asked, code in answers.items() if code >= 500} == {}


@pytest.mark.parametrize("term", ["%00", "%ED%A0%80", "(", "a" * 5_000])
def test_the_choice_of_rows_survives_every_term(root: Client, term: str) -> None:
    path = "/admin/autocomplete/?app_label=accounts&model_name=apitoken&field_name=user"
    for query in (f"term={term}", f"term={term}&page=x", "app_label=%00"):
        assert ask(root, "get", f"{path}&{query}") < 500


def test_a_name_with_a_nul_is_no_token(root: Client, viewer: Viewer) -> None:
    data = {"username": "ada\0", "name": "a\0b", "scopes": ["runs:read"], "tasks": "\0"}
    assert ask(root, "post", "/admin/accounts/apitoken/add/", data) == 200
    assert not User.objects.get(pk=viewer.user_id).api_tokens.exists()
