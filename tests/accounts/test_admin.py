"""Users and API tokens in the admin: a token is shown once, and a user with runs stays."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import admin as accounts_admin
from accounts.models import ApiToken, User
from accounts.tokens import BRAND, create_token, viewer_from_token
from accounts.viewer import ACT_AS, ADMIN, RUNS_READ, TASKS_START, BadCredential
from tasks.models import Run

pytestmark = [pytest.mark.django_db, pytest.mark.database]
TOKENS, USERS = "/admin/accounts/apitoken/", "/admin/accounts/user/"


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def staff(*permissions: str) -> Client:
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def made_with(client: Client, owner: User, **data: object) -> tuple[int, str]:
    given = {"username": owner.username, "name": "ci", "scopes": [RUNS_READ], **data}
    answer = client.post(f"{TOKENS}add/", given)
    return answer.status_code, answer.content.decode()


def text_in(page: str) -> str:
    return page.partition('<pre id="token">')[2].partition("</pre>")[0]


def shown(client: Client, query: str) -> list[str]:
    return [row.name for row in client.get(f"{TOKENS}?{query}").context["cl"].result_list]


def test_a_made_token_is_shown_once_and_kept_nowhere(
    root: Client, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status, page = made_with(root, ada, tasks="count_words")
    text = text_in(page)
    assert (status, text[:4], len(text)) == (200, BRAND, 47)
    viewer = viewer_from_token(text)
    assert viewer.user_id == ada.pk
    assert viewer.scopes == {RUNS_READ, f"{TASKS_START}:count_words"}
    row = ApiToken.objects.get()
    for path in (TOKENS, f"{TOKENS}{row.pk}/change/", f"{TOKENS}{row.pk}/history/", "/admin/"):
        assert text not in root.get(path).content.decode()
    kept = [str(entry.__dict__) for entry in LogEntry.objects.all()]
    kept += [str(session.get_decoded()) for session in Session.objects.all()]
    kept += [str(cookie) for cookie in root.cookies.values()]
    kept += [str(ApiToken.objects.values().get()), caplog.text]
    assert len(LogEntry.objects.all()) == 1
    assert not [each for each in kept if text in each]
    assert str(row.pk) == LogEntry.objects.get().object_id


def test_the_page_with_a_token_is_cached_nowhere(root: Client, ada: User) -> None:
    given = {"username": "ada", "scopes": [RUNS_READ]}
    answer = root.post(f"{TOKENS}add/", given)
    assert "no-store" in answer.headers["Cache-Control"]
    assert not list(get_messages(answer.wsgi_request))


def test_what_is_wrong_makes_no_token(root: Client, ada: User) -> None:
    past: dict[str, object] = {"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"}
    wrong: list[dict[str, object]] = [
        {"scopes": []},
        {"scopes": ["x"]},
        {"tasks": "Bad-Name"},
        {"name": "x" * 101},
        {"username": "nobody"},
        {"username": ""},
        past,
        {"expires_at_0": "x", "expires_at_1": "y"},
    ]
    for data in wrong:
        status, page = made_with(root, ada, **data)
        assert (status, "errornote" in page) == (200, True), data
    assert not ApiToken.objects.exists()


def test_an_end_is_kept(root: Client, ada: User) -> None:
    made_with(root, ada, expires_at_0="2099-01-01", expires_at_1="00:00:00")
    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert expires_at.year == 2099


def test_only_a_superuser_gives_what_is_special_or_anothers_of_staff(
    root: Client, ada: User
) -> None:
    maker = staff("add_apitoken", "view_apitoken")
    other, chief = (
        User.objects.create_user("other", is_staff=True),
        User.objects.get(username="root"),
    )
    for user, scopes in (
        (ada, [ADMIN]),
        (ada, [ACT_AS]),
        (other, [RUNS_READ]),
        (chief, [RUNS_READ]),
    ):
        assert "errornote" in made_with(maker, user, scopes=scopes)[1]
    assert not ApiToken.objects.exists()
    assert text_in(made_with(maker, ada)[1])
    assert text_in(made_with(root, chief, scopes=[ADMIN])[1])


def test_who_lacks_the_permission_makes_sees_and_revokes_nothing(ada: User) -> None:
    token = create_token(ada.pk).row
    stranger, looker = staff("view_user"), staff("view_apitoken")
    assert stranger.get(TOKENS).status_code == 403
    assert looker.get(TOKENS).status_code == 200
    for client in (stranger, looker):
        assert made_with(client, ada)[0] == 403
        client.post(TOKENS, {"action": "revoke", "_selected_action": token.pk, "index": 0})
        assert client.post(f"{TOKENS}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    token.refresh_from_db()
    assert token.revoked_at is None


def test_revoking_counts_what_it_did(root: Client, ada: User) -> None:
    made = [create_token(ada.pk) for _ in range(3)]
    chosen = [token.row.pk for token in made[:2]]
    for said in ("2 revoked; 0 had been revoked before.", "0 revoked; 2 had been revoked before."):
        data = {"action": "revoke", "_selected_action": chosen, "index": 0}
        answer = root.post(TOKENS, data, follow=True)
        assert [str(message) for message in answer.context["messages"]] == [said]
    assert viewer_from_token(made[2].text).user_id == ada.pk
    with pytest.raises(BadCredential):
        viewer_from_token(made[0].text)


def test_tokens_are_found_by_state_user_and_prefix(root: Client, ada: User) -> None:
    eve = User.objects.create_user("eve")
    past, future = (timezone.now() + timedelta(days=days) for days in (-1, 1))
    create_token(ada.pk, name="valid", expires_at=future)
    forever = create_token(ada.pk, name="forever")
    create_token(eve.pk, name="expired", expires_at=past)
    revoked = create_token(eve.pk, name="revoked", expires_at=past).row
    ApiToken.objects.filter(pk=revoked.pk).update(revoked_at=timezone.now())
    assert shown(root, "") == ["revoked", "expired", "forever", "valid"]
    assert shown(root, "state=valid") == ["forever", "valid"]
    assert shown(root, "state=expired") == ["expired"]
    assert shown(root, "state=revoked") == ["revoked"]
    assert shown(root, "q=eve") == ["revoked", "expired"]
    assert shown(root, f"q={forever.row.prefix}") == ["forever"]
    assert shown(root, "q=nobody") == []


def test_nothing_of_a_token_can_be_written(root: Client, ada: User) -> None:
    token = create_token(ada.pk).row
    data = {"scopes": [ADMIN], "user": str(User.objects.get(username="root").pk), "name": "x"}
    assert root.post(f"{TOKENS}{token.pk}/change/", data).status_code == 403
    assert ApiToken.objects.get().scopes == token.scopes


@pytest.fixture
def busy(ada: User) -> User:
    """A user who owns runs."""
    for _ in range(3):
        Run.objects.create(
            owner=ada, task="count_words", input={}, on_lost="rerun", max_failures=1,
            status="QUEUED", created_at=timezone.now(),
        )  # fmt: skip
    return ada


def test_a_user_with_runs_is_not_deleted_and_the_page_says_why(
    root: Client, busy: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{USERS}{busy.pk}/delete/"
    for answer in (root.get(path), root.post(path, {"post": "yes"})):
        assert answer.status_code == 200
        assert "3 runs (manage.py delete_data USERNAME deletes all)" in answer.content.decode()
    data = {"action": "delete_selected", "_selected_action": busy.pk, "index": 0, "post": "yes"}
    assert "3 runs" in root.post(USERS, data).content.decode()
    assert User.objects.filter(pk=busy.pk).exists()
    monkeypatch.setattr(accounts_admin, "MENTIONED", 2)
    with CaptureQueriesContext(connection) as queries:
        assert "more than 2 runs" in root.get(path).content.decode()
    assert not [q for q in queries if "tasks_run" in q["sql"] and "LIMIT 3" not in q["sql"]]


def test_a_user_without_runs_goes_with_its_tokens(root: Client, ada: User) -> None:
    create_token(ada.pk)
    path = f"{USERS}{ada.pk}/delete/"
    assert root.post(path, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=ada.pk).exists()
    assert not ApiToken.objects.exists()


def test_users_are_made_changed_and_found(root: Client, ada: User) -> None:
    given = {"username": "eve", "usable_password": "false"}
    assert root.post(f"{USERS}add/", given).status_code == 302
    assert "external" not in root.get(f"{USERS}{ada.pk}/change/").content.decode()
    found = root.get(f"{USERS}?q=ev").context["cl"].result_list
    assert [user.username for user in found] == ["eve"]


def test_lists_cost_the_same_with_one_row_and_with_thirty(
    root: Client, make_rows: Callable[[int], None]
) -> None:
    costs = []
    for count in (1, 29):
        make_rows(count)
        root.get(TOKENS)
        for path in (TOKENS, f"{TOKENS}?state=valid", USERS):
            with CaptureQueriesContext(connection) as queries:
                root.get(path)
            costs.append(len(queries))
            assert not [q for q in queries if "COUNT(" in q["sql"] and "LIMIT" not in q["sql"]]
    assert costs[:3] == costs[3:]


@pytest.fixture
def make_rows(ada: User) -> Callable[[int], None]:
    def make(count: int) -> None:
        for _ in range(count):
            create_token(ada.pk)

    return make
