"""A start writes one row or says why not, with the path of the value at fault."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.viewer import RUNS_READ, TASKS_START, Viewer
from schema.ids import from_global_id, to_global_id
from tasks import files
from tasks.models import File, Run
from tasks.registry import REGISTRY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

Ask = Callable[..., dict[str, Any]]
START = """mutation($input: CountWordsInput!, $options: RunOptions) {
  countWords(input: $input, options: $options) {
    run { id status isFinal } result { words } replayed errors { field code message } } }"""
PROFILE = """mutation($file: ID!) { profileDataset(input: {file: $file}) {
  run { input { ... on ProfileDatasetGiven { file { id name } } } } errors { field code } } }"""
UPLOAD = """mutation($input: CreateUploadInput!) { createUpload(input: $input) {
  upload { id method url expiresAt headers { name value } file { id name isReady sha256 size } }
  errors { field code message } } }"""


def start(ask: Ask, viewer: Viewer | None, key: str | None = None, **data: Any) -> dict[str, Any]:
    options = {"idempotencyKey": key} if key is not None else None
    answer = ask(START, viewer, input={"text": "one two", **data}, options=options)
    assert "errors" not in answer, answer
    payload: dict[str, Any] = answer["data"]["countWords"]
    return payload


def test_a_start_answers_with_its_queued_run(viewer: Viewer, ask: Ask) -> None:
    payload = start(ask, viewer)
    run = Run.objects.get()
    assert payload == {
        "run": {"id": to_global_id("Run", run.pk), "status": "QUEUED", "isFinal": False},
        "result": None,
        "replayed": False,
        "errors": [],
    }
    assert (run.owner_id, run.task, run.input) == (
        viewer.user_id,
        "count_words",
        {"text": "one two", "minimum": 1},
    )


def test_a_start_costs_one_statement_on_postgresql(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    from django.db import connection

    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 4):
        start(ask, viewer)


def test_a_repeated_start_is_replayed(viewer: Viewer, ask: Ask) -> None:
    first, again = start(ask, viewer, "k"), start(ask, viewer, "k")
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["run"] == again["run"]
    assert Run.objects.count() == 1


def test_a_replayed_start_has_the_result_that_is_there(
    viewer: Viewer, ask: Ask, forge: Callable[..., None]
) -> None:
    start(ask, viewer, "k")
    forge(Run.objects.get(), status="SUCCEEDED", result={"words": 2, "longest": "one"})
    again = start(ask, viewer, "k")
    assert (again["replayed"], again["run"]["isFinal"]) == (True, True)
    assert again["result"] == {"words": 2}


def test_a_key_with_another_input_is_refused(viewer: Viewer, ask: Ask) -> None:
    start(ask, viewer, "k")
    refused = start(ask, viewer, "k", text="else")
    assert refused["run"] is None
    (error,) = refused["errors"]
    assert error["field"] == ["options", "idempotencyKey"]
    assert error["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"minimum": 0}, ["input", "minimum"]),
        ({"minimum": None}, ["input", "minimum"]),
        ({"text": "x" * 100_001}, ["input", "text"]),
        ({"text": "a\0b"}, ["input", "text"]),
        ({"text": "\udc00"}, ["input", "text"]),
    ],
)
def test_a_broken_constraint_names_its_field(
    viewer: Viewer, ask: Ask, data: dict[str, Any], field: list[str]
) -> None:
    payload = start(ask, viewer, **data)
    assert payload["run"] is None
    (error,) = payload["errors"]
    assert (error["field"], error["code"]) == (field, "BAD_USER_INPUT")
    assert error["message"]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "data", [{"minimum": 2**31}, {"minimum": 1.5}, {"minimum": "1"}, {"text": None}, {"more": 1}]
)
def test_a_wrong_type_is_refused_before_any_resolver(
    viewer: Viewer, ask: Ask, data: dict[str, Any]
) -> None:
    answer = ask(START, viewer, input={"text": "a", **data})
    assert answer.get("data") is None
    assert answer["errors"]
    assert not Run.objects.exists()


def test_nobody_starts_nothing(ask: Ask, db: None) -> None:
    answer = ask(START, None, input={"text": "a"})
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert not Run.objects.exists()


def test_a_token_that_may_only_read_starts_nothing(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    payload = start(ask, make_viewer(scopes=(RUNS_READ,)))
    assert [error["code"] for error in payload["errors"]] == ["FORBIDDEN"]
    assert not Run.objects.exists()


def test_an_upload_is_promised_with_a_signed_url(viewer: Viewer, ask: Ask) -> None:
    given = {"name": "a.csv", "size": 2**33 // 16, "contentType": "text/csv"}
    payload = ask(UPLOAD, viewer, input=given)["data"]["createUpload"]
    upload, file = payload["upload"], File.objects.get()
    assert payload["errors"] == []
    assert from_global_id(upload["id"]) == ("File", str(file.pk))
    assert upload["method"] == "PUT"
    assert upload["headers"] == [{"name": "Content-Type", "value": "text/csv"}]
    base, _, signature = upload["url"].partition("?signature=")
    assert base == f"https://downbeat.test/uploads/{file.pk}"
    allowance = files.upload_allowance(str(file.pk), signature.replace("%3A", ":"))
    assert allowance is not None
    assert allowance.size == given["size"]
    assert upload["file"] == {
        "id": upload["id"],
        "name": "a.csv",
        "isReady": False,
        "sha256": None,
        "size": given["size"],
    }


def test_a_promise_beyond_the_quota_is_refused(
    viewer: Viewer, ask: Ask, settings: Settings
) -> None:
    settings.STORED_BYTES = 7
    given = {"name": "a.csv", "size": 8, "contentType": "text/csv"}
    payload = ask(UPLOAD, viewer, input=given)["data"]["createUpload"]
    assert payload["upload"] is None
    (error,) = payload["errors"]
    assert (error["code"], error["field"]) == ("QUOTA_EXCEEDED", ["input", "size"])
    assert not File.objects.exists()


def test_a_promise_that_cannot_be_kept_names_its_fields(viewer: Viewer, ask: Ask) -> None:
    given = {"name": "../a", "size": -1, "contentType": "csv", "sha256": "x"}
    payload = ask(UPLOAD, viewer, input=given)["data"]["createUpload"]
    assert payload["upload"] is None
    fields = [error["field"] for error in payload["errors"]]
    names = ("name", "size", "contentType", "sha256")
    assert fields == [["input", name] for name in names]
    assert not File.objects.exists()


def test_a_file_is_given_by_its_global_id(
    viewer: Viewer, ask: Ask, ready_file: Callable[[Viewer], File]
) -> None:
    file = ready_file(viewer)
    global_id = to_global_id("File", file.pk)
    payload = ask(PROFILE, viewer, file=global_id)["data"]["profileDataset"]
    assert payload == {"run": {"input": {"file": {"id": global_id, "name": "a.csv"}}}, "errors": []}
    assert Run.objects.get().input["file"] == str(file.pk)


def test_a_file_that_is_not_ones_own_or_not_there_is_not_found(
    make_viewer: Callable[..., Viewer], ask: Ask, ready_file: Callable[[Viewer], File]
) -> None:
    foreign = ready_file(make_viewer("bob"))
    for each in (
        to_global_id("File", foreign.pk),
        to_global_id("File", uuid4()),
        to_global_id("Run", foreign.pk),
        str(foreign.pk),
        "",
        "ü",
    ):
        payload = ask(PROFILE, make_viewer("ada"), file=each)["data"]["profileDataset"]
        error = {"field": ["input", "file"], "code": "NOT_FOUND"}
        assert payload == {"run": None, "errors": [error]}
    assert not Run.objects.exists()


def test_a_file_that_is_not_uploaded_is_incomplete(
    viewer: Viewer, ask: Ask, ready_file: Callable[[Viewer], File]
) -> None:
    file = ready_file(viewer)
    File.objects.update(ready_at=None)
    payload = ask(PROFILE, viewer, file=to_global_id("File", file.pk))["data"]["profileDataset"]
    assert payload["errors"] == [{"field": ["input", "file"], "code": "UPLOAD_INCOMPLETE"}]
    assert not Run.objects.exists()


def test_each_task_has_its_mutation(ask: Ask) -> None:
    from schema.build import schema
    from schema.names import mutation_name

    mutation = schema().graphql_schema.mutation_type
    assert mutation is not None
    own = {"createUpload", "startRuns", "cancelRun", "cancelRuns", "rerun"}
    own |= {"deleteRun", "deleteFile", "deleteMyData"}
    own |= {"createApiToken", "revokeApiToken", "createWatchToken"}
    assert set(mutation.fields) == {*own, *map(mutation_name, REGISTRY)}


def test_a_token_that_may_only_start_learns_no_more_by_repeating(
    make_viewer: Callable[..., Viewer], ask: Ask, forge: Callable[..., None]
) -> None:
    start(ask, make_viewer(), "k")
    forge(
        Run.objects.get(),
        status="SUCCEEDED",
        result={"words": 2, "longest": "x"},
        progress_done=1,
        error={"code": "x"},
    )
    query = """mutation { countWords(input: {text: "one two"}, options: {idempotencyKey: "k"}) {
      replayed result { words } run { id status resultJson progress { done } error { code }
      attempts { number } finishedAt } } }"""
    answer = ask(query, make_viewer(scopes=(TASKS_START,)))
    assert "errors" not in answer
    assert answer["data"]["countWords"] == {
        "replayed": True,
        "result": None,
        "run": {
            "id": to_global_id("Run", Run.objects.get().pk),
            "status": "QUEUED",
            "resultJson": None,
            "progress": None,
            "error": None,
            "attempts": [],
            "finishedAt": None,
        },
    }


def test_a_thousand_mistakes_are_told_as_twenty_and_a_number(
    viewer: Viewer, ask: Ask, ready_file: Callable[[Viewer], File]
) -> None:
    words = ["x" * 101] * 1_000
    query = """mutation($file: ID!, $words: [String!]) {
      profileDataset(input: {file: $file, missingWords: $words}) { errors { field message } } }"""
    file = to_global_id("File", ready_file(viewer).pk)
    errors = ask(query, viewer, file=file, words=words)["data"]["profileDataset"]["errors"]
    assert 1 <= len(errors) <= 21
    nul = ask(query, viewer, file=file, words=["\0"] * 1_000)
    assert len(nul["data"]["profileDataset"]["errors"]) == 20


def test_who_may_not_read_runs_may_not_wait_for_them(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    query = """mutation { countWords(input: {text: "a"}, waitSeconds: 1) {
      run { id } errors { field code } } }"""
    answer = ask(query, make_viewer(scopes=(TASKS_START,)))["data"]["countWords"]
    assert answer["run"] is None
    assert answer["errors"] == [{"field": ["waitSeconds"], "code": "FORBIDDEN"}]
    assert not Run.objects.exists()
