"""Tokens are made, listed and revoked by their user, and give no more than their maker has."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.credentials import from_authorization
from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.viewer import (
    ACT_AS,
    ADMIN,
    RUNS_READ,
    SCOPES,
    TASKS_START,
    TOKENS_MANAGE,
    Credential,
    Kind,
    Viewer,
)
from schema import credentials
from tasks.models import Run
from tests.schema.asking import Ask, gid, start, upload, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

CREATE = """mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) {
  token apiToken { id name prefix scopes createdAt expiresAt lastUsedAt revokedAt }
  errors { field code message } } }"""
REVOKE = """mutation($id: ID!) { revokeApiToken(id: $id) {
  apiToken { id revokedAt } errors { field code } } }"""
LIST = """query($first: Int, $after: String) { apiTokens(first: $first, after: $after) {
  nodes { id name } edges { cursor } totalCount pageInfo { hasNextPage endCursor } } }"""
WATCH = """mutation($id: ID!, $seconds: Int) { createWatchToken(id: $id, seconds: $seconds) {
  token expiresAt errors { field code } } }"""


def create(ask: Ask, viewer: Viewer, *scopes: str, **given: Any) -> Any:
    answer = ask(CREATE, viewer, input={"scopes": list(scopes), **given})
    assert "errors" not in answer, answer
    return answer["data"]["createApiToken"]


def codes(payload: Any) -> list[tuple[Any, str]]:
    return [(error["field"], error["code"]) for error in payload["errors"]]


def test_a_token_is_shown_once_and_opens_what_it_says(viewer: Viewer, ask: Ask) -> None:
    until = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    made = create(ask, viewer, RUNS_READ, RUNS_READ, name="nightly", expiresAt=until.isoformat())
    assert made["errors"] == []
    row = ApiToken.objects.get()
    assert made["apiToken"] == {
        "id": gid(row),
        "name": "nightly",
        "prefix": made["token"][:10],
        "scopes": [RUNS_READ],
        "createdAt": made["apiToken"]["createdAt"],
        "expiresAt": until.isoformat().replace("+00:00", "Z"),
        "lastUsedAt": None,
        "revokedAt": None,
    }
    opened = from_authorization(f"Bearer {made['token']}")
    assert (opened.user_id, opened.expires_at) == (viewer.user_id, until)
    assert opened.scopes == {RUNS_READ}
    assert made["token"] not in str(ApiToken.objects.values())


@pytest.mark.parametrize(
    ("scopes", "given", "field", "code"),
    [
        ([], {}, ["input", "scopes"], "BAD_USER_INPUT"),
        ([RUNS_READ] * 51, {}, ["input", "scopes"], "BAD_USER_INPUT"),
        (["runs:write"], {}, ["input", "scopes", "0"], "BAD_USER_INPUT"),
        ([RUNS_READ, ""], {}, ["input", "scopes", "1"], "BAD_USER_INPUT"),
        (["tasks:start:nothing"], {}, ["input", "scopes", "0"], "BAD_USER_INPUT"),
        ([ADMIN], {}, ["input", "scopes", "0"], "FORBIDDEN"),
        ([ACT_AS], {}, ["input", "scopes", "0"], "FORBIDDEN"),
        ([RUNS_READ], {"name": "x" * 101}, ["input", "name"], "BAD_USER_INPUT"),
        ([RUNS_READ], {"name": "a\0"}, ["input", "name"], "BAD_USER_INPUT"),
        ([RUNS_READ], {"expiresAt": "2020-01-01T00:00:00Z"}, ["input", "expiresAt"],
         "BAD_USER_INPUT"),
    ],
)  # fmt: skip
def test_what_makes_no_token_is_refused(
    viewer: Viewer, ask: Ask, scopes: list[str], given: Any, field: list[str], code: str
) -> None:
    refused = create(ask, viewer, *scopes, **given)
    assert codes(refused) == [(field, code)]
    assert (refused["token"], refused["apiToken"]) == (None, None)
    assert not ApiToken.objects.exists()


def test_a_token_gives_no_more_than_it_has(viewer: Viewer, ask: Ask) -> None:
    until = timezone.now() + timedelta(hours=1)
    scopes = [TOKENS_MANAGE, "tasks:start:count_words"]
    maker = from_authorization(
        f"Bearer {create_token(viewer.user_id, scopes, expires_at=until).text}"
    )
    soon = (until - timedelta(minutes=1)).isoformat()
    path = ["input", "scopes", "0"]
    for scope in (RUNS_READ, TASKS_START, "tasks:start:profile_dataset"):
        assert codes(create(ask, maker, scope, expiresAt=soon)) == [(path, "FORBIDDEN")]
    late = (until + timedelta(minutes=1)).isoformat()
    for given in ({}, {"expiresAt": late}):
        refused = create(ask, maker, TOKENS_MANAGE, **given)
        assert codes(refused) == [(["input", "expiresAt"], "BAD_USER_INPUT")]
    assert create(ask, maker, "tasks:start:count_words", expiresAt=soon)["token"]


def test_a_superuser_in_a_session_gives_the_special_ones(viewer: Viewer, ask: Ask) -> None:
    User.objects.update(is_superuser=True)
    session = Viewer(viewer.user_id, viewer.scopes, Credential(Kind.SESSION, "abc"))
    assert create(ask, session, ADMIN, ACT_AS)["token"]
    token = Viewer(viewer.user_id, viewer.scopes, Credential(Kind.TOKEN, "abc"))
    assert codes(create(ask, token, ADMIN)) == [(["input", "scopes", "0"], "FORBIDDEN")]
    User.objects.update(is_superuser=False)
    session = Viewer(viewer.user_id, viewer.scopes, Credential(Kind.SESSION, "abc"))
    assert codes(create(ask, session, ADMIN)) == [(["input", "scopes", "0"], "FORBIDDEN")]


def test_who_may_not_manage_tokens_makes_and_sees_none(viewer: Viewer, ask: Ask) -> None:
    create_token(viewer.user_id)
    without = Viewer(viewer.user_id, frozenset(SCOPES) - {TOKENS_MANAGE})
    token = ApiToken.objects.get()
    assert codes(create(ask, without, RUNS_READ)) == [(None, "FORBIDDEN")]
    assert codes(ask(REVOKE, without, id=gid(token))["data"]["revokeApiToken"]) == [
        (None, "FORBIDDEN")
    ]
    assert ask(LIST, without)["data"]["apiTokens"]["nodes"] == []
    assert ask("query($id: ID!) { node(id: $id) { id } }", without, id=gid(token)) == {
        "data": {"node": None}
    }
    assert not ApiToken.objects.exclude(revoked_at=None).exists()


def test_only_so_many_are_valid_at_once(
    viewer: Viewer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "TOKENS", 2)
    first = create(ask, viewer, RUNS_READ)
    assert create(ask, viewer, RUNS_READ)["token"]
    assert codes(create(ask, viewer, RUNS_READ)) == [(None, "QUOTA_EXCEEDED")]
    ask(REVOKE, viewer, id=first["apiToken"]["id"])
    assert create(ask, viewer, RUNS_READ)["token"]


def test_a_revoked_token_stays_in_the_list_and_opens_nothing(
    viewer: Viewer, make_viewer: Any, ask: Ask
) -> None:
    token = create_token(viewer.user_id)
    for _ in range(2):
        answer = ask(REVOKE, viewer, id=gid(token.row))["data"]["revokeApiToken"]
        assert (answer["errors"], answer["apiToken"]["id"]) == ([], gid(token.row))
        assert answer["apiToken"]["revokedAt"]
    assert [each["id"] for each in ask(LIST, viewer)["data"]["apiTokens"]["nodes"]] == [
        gid(token.row)
    ]
    other = create_token(make_viewer("eve").user_id)
    answer = ask(REVOKE, viewer, id=gid(other.row))["data"]["revokeApiToken"]
    assert (answer["apiToken"], codes(answer)) == (None, [(["id"], "NOT_FOUND")])
    assert from_authorization(f"Bearer {other.text}")


def test_the_list_is_read_in_pages_of_one_query(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in "abc":
        create_token(viewer.user_id, name=name)
    with django_assert_num_queries(2):  # the second one is totalCount's
        page = ask(LIST, viewer, first=2)["data"]["apiTokens"]
    assert ([each["name"] for each in page["nodes"]], page["totalCount"]) == (["c", "b"], 3)
    rest = ask(LIST, viewer, first=2, after=page["pageInfo"]["endCursor"])["data"]["apiTokens"]
    assert [each["name"] for each in rest["nodes"]] == ["a"]


def watch(ask: Ask, viewer: Viewer, id: str, **given: Any) -> Any:
    answer = ask(WATCH, viewer, id=id, **given)
    assert "errors" not in answer, answer
    return answer["data"]["createWatchToken"]


def test_null_seconds_are_as_good_as_none(viewer: Viewer, ask: Ask) -> None:
    assert watch(ask, viewer, gid(start(viewer)), seconds=None)["errors"] == []


EVERYTHING = """query($id: ID!, $node: ID!) {
  viewer { id }
  run(id: $id) { id viewerCanCancel viewerCanRerun requestedBy { id } files { nodes { id } } }
  node(id: $node) { id }
  runs { nodes { id } totalCount }
  apiTokens { nodes { id } }
}"""


def test_a_watch_token_shows_one_run_and_its_files(viewer: Viewer, ask: Ask) -> None:
    run, other = start(viewer), start(viewer, "other")
    saved, uploaded = upload(viewer, run), upload(viewer)
    watcher = from_authorization(f"Bearer {watch(ask, viewer, gid(run))['token']}")
    data = ask(EVERYTHING, watcher, id=gid(run), node=gid(saved))["data"]
    assert data["run"]["files"]["nodes"] == [{"id": gid(saved)}]
    assert data["run"]["viewerCanCancel"] is data["run"]["viewerCanRerun"] is False
    assert (data["viewer"], data["node"]) == (None, {"id": gid(saved)})
    assert data["runs"] == {"nodes": [{"id": gid(run)}], "totalCount": 1}
    assert data["apiTokens"]["nodes"] == []
    data = ask(EVERYTHING, watcher, id=gid(other), node=gid(uploaded))["data"]
    assert (data["run"], data["node"]) == (None, None)
    owner = User.objects.get(pk=viewer.user_id)
    assert ask(EVERYTHING, watcher, id=gid(run), node=gid(owner))["data"]["node"] is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("mutation($id: ID!) { cancelRun(id: $id) { errors { code } } }", "cancelRun"),
        ("mutation($id: ID!) { rerun(id: $id) { errors { code } } }", "rerun"),
        ("mutation($id: ID!) { deleteRun(id: $id) { errors { code } } }", "deleteRun"),
        ("mutation($id: ID!) { createWatchToken(id: $id) { errors { code } } }",
         "createWatchToken"),
        ("mutation { countWords(input: {text: \"a\"}) { errors { code } } }", "countWords"),
        ("mutation { deleteMyData { errors { code } } }", "deleteMyData"),
        ("mutation { createApiToken(input: {scopes: []}) { errors { code } } }", "createApiToken"),
    ],
)  # fmt: skip
def test_a_watch_token_does_nothing(viewer: Viewer, ask: Ask, document: str, field: str) -> None:
    run = start(viewer)
    work(run)
    watcher = from_authorization(f"Bearer {watch(ask, viewer, gid(run))['token']}")
    variables = {"id": gid(run)} if "$id" in document else {}
    assert ask(document, watcher, **variables)["data"][field]["errors"] == [{"code": "FORBIDDEN"}]


def test_watchers_by_a_watch_token_see_its_run_alone(viewer: Viewer, make_viewer: Any) -> None:
    own = start(viewer)
    assert own.is_visible_to(replace(viewer, run_id=own.pk))
    assert not start(viewer, "other").is_visible_to(replace(viewer, run_id=own.pk))
    run = start(make_viewer("eve"))
    watcher = replace(viewer, run_id=run.pk)
    assert not Run.objects.visible_to(watcher).exists()
    assert not run.is_visible_to(watcher)
    assert run.is_visible_to(replace(watcher, user_id=run.owner_id))


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_a_watch_token_lasts_a_day_at_most(viewer: Viewer, ask: Ask, seconds: int) -> None:
    refused = watch(ask, viewer, gid(start(viewer)), seconds=seconds)
    assert codes(refused) == [(["seconds"], "BAD_USER_INPUT")]


def test_a_watch_token_is_made_for_what_one_sees(
    viewer: Viewer, make_viewer: Any, ask: Ask
) -> None:
    run = start(make_viewer("eve"))
    for id in (gid(run), "x", gid(User.objects.get(pk=viewer.user_id))):
        assert codes(watch(ask, viewer, id)) == [(["id"], "NOT_FOUND")]
    without = Viewer(viewer.user_id, frozenset({TASKS_START}))
    assert codes(watch(ask, without, gid(run))) == [(None, "FORBIDDEN")]


def test_a_django_permission_is_the_users(viewer: Viewer) -> None:
    user = User.objects.get(pk=viewer.user_id)
    assert not viewer.has_permission("tasks.view_run")
    user.user_permissions.add(Permission.objects.get(codename="view_run"))
    assert Viewer(viewer.user_id, viewer.scopes).has_permission("tasks.view_run")
