"""What a viewer reads: their own runs, page by page, and nothing of anybody else."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.viewer import TASKS_START, Viewer
from schema.ids import to_global_id
from schema.limits import PAGE_SIZE
from tasks import submission
from tasks.models import File, Run
from tasks.registry import REGISTRY
from tasks.status import Status
from tests.schema.asking import Ask, code, gid, start, upload, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def test_a_finished_run_reads_as_the_contract_says(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer, key="k")
    work(run)
    answer = ask(
        """query($id: ID!) { run(id: $id) {
          __typename id status isFinal revision idempotencyKey createdAt startedAt finishedAt
          progress { done total fraction message }
          task { id name mutationName inputTypeName resultTypeName isRetired viewerCanStart }
          input { __typename ... on CountWordsGiven { text minimum } } inputJson
          result { __typename ... on WordCount { words longest } } resultJson
          error { code } requestedBy { displayName }
          attempts { id number worker outcome startedAt finishedAt error { code } }
        } }""",
        viewer,
        id=gid(run),
    )
    assert "errors" not in answer
    read = answer["data"]["run"]
    assert read["createdAt"].endswith("Z")
    assert read["startedAt"] <= read["finishedAt"]
    (attempt,) = read.pop("attempts")
    assert (attempt["number"], attempt["worker"], attempt["outcome"]) == (1, "host:1", "SUCCEEDED")
    for name in ("createdAt", "startedAt", "finishedAt"):
        read.pop(name)
    assert read == {
        "__typename": "Run",
        "id": gid(run),
        "status": "SUCCEEDED",
        "isFinal": True,
        "revision": 3,
        "idempotencyKey": "k",
        "progress": {"done": 1, "total": 4, "fraction": 0.25, "message": "counting"},
        "task": {
            "id": to_global_id("Task", "count_words"),
            "name": "count_words",
            "mutationName": "countWords",
            "inputTypeName": "CountWordsInput",
            "resultTypeName": "WordCount",
            "isRetired": False,
            "viewerCanStart": True,
        },
        "input": {"__typename": "CountWordsGiven", "text": "one two", "minimum": 1},
        "inputJson": {"text": "one two", "minimum": 1},
        "result": {"__typename": "WordCount", "words": 2, "longest": "one"},
        "resultJson": {"words": 2, "longest": "one"},
        "error": None,
        "requestedBy": {"displayName": "ada"},
    }


def test_a_failed_run_shows_its_error_without_a_graphql_error(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer)
    work(run, Status.FAILED)
    answer = ask(
        """query($id: ID!) { run(id: $id) { status isFinal error { code message attempt }
        result { __typename } attempts(last: 1) { outcome error { message } } } }""",
        viewer,
        id=gid(run),
    )
    error = {"code": "BROKEN", "message": "It broke.", "attempt": 1}
    attempt = {"outcome": "FAILED", "error": {"message": "It broke."}}
    read = {"status": "FAILED", "isFinal": True, "error": error, "result": None}
    assert answer == {"data": {"run": {**read, "attempts": [attempt]}}}


def test_others_runs_and_unknown_ids_answer_alike(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    ada, bob = make_viewer("ada"), make_viewer("bob")
    foreign = start(bob)
    file = File.objects.create(
        owner_id=bob.user_id, name="a", content_type="a/b", size=1, upload_until=timezone.now()
    )
    ids = [
        gid(foreign),
        gid(file),
        to_global_id("User", bob.user_id),
        to_global_id("Attempt", f"{foreign.pk}:1"),
        to_global_id("Run", uuid4()),
        to_global_id("Run", "x"),
        to_global_id("Run", foreign.pk.hex),
        to_global_id("Nothing", uuid4()),
        to_global_id("Task", "nothing"),
        to_global_id("Attempt", "x:y:z"),
        to_global_id("Attempt", f"{uuid4()}:99999999999999999999"),
        str(foreign.pk),
        "",
        "ü",
        "=",
        "\ud800",
        "A" * 10_000,
    ]
    for each in ids:
        assert ask("query($id: ID!) { node(id: $id) { id } }", ada, id=each) == {
            "data": {"node": None}
        }
        assert ask("query($id: ID!) { run(id: $id) { id } }", ada, id=each) == {
            "data": {"run": None}
        }
    assert ask("{ runs { nodes { id } totalCount } }", ada) == {
        "data": {"runs": {"nodes": [], "totalCount": 0}}
    }


def test_a_node_is_found_by_its_global_id(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer)
    work(run)
    ids = {
        "Run": gid(run),
        "Task": to_global_id("Task", "count_words"),
        "Attempt": to_global_id("Attempt", f"{run.pk}:1"),
        "User": to_global_id("User", viewer.user_id),
    }
    for name, each in ids.items():
        answer = ask("query($id: ID!) { node(id: $id) { __typename id } }", viewer, id=each)
        assert answer == {"data": {"node": {"__typename": name, "id": each}}}


def test_a_token_that_may_not_read_sees_no_run(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    run = start(make_viewer())
    blind = make_viewer(scopes=(TASKS_START,))
    assert ask("query($id: ID!) { run(id: $id) { id } }", blind, id=gid(run))["data"] == {
        "run": None
    }


@pytest.mark.parametrize(
    "query", ["{ runs { nodes { id } } }", '{ run(id: "x") { id } }', '{ node(id: "x") { id } }',
              "{ tasks { name } }", '{ task(name: "count_words") { name } }'],
)  # fmt: skip
def test_nobody_signed_in_is_unauthenticated(ask: Ask, query: str) -> None:
    assert code(ask(query)) == "UNAUTHENTICATED"


def test_nobody_signed_in_may_ask_who_and_what_the_limits_are(ask: Ask, settings: Settings) -> None:
    answer = ask(
        "{ viewer { id } limits { pageSize bulkRuns requestSize uploadSize openUploads storedBytes"
        " depth } }"
    )
    assert answer["data"]["viewer"] is None
    assert answer["data"]["limits"] == {
        "pageSize": PAGE_SIZE,
        "requestSize": settings.REQUEST_SIZE,
        "uploadSize": settings.UPLOAD_SIZE,
        "openUploads": settings.OPEN_UPLOADS,
        "storedBytes": settings.STORED_BYTES,
        "depth": 12,
        "bulkRuns": 1_000,
    }


def test_the_viewer_is_named(viewer: Viewer, ask: Ask) -> None:
    answer = ask("{ viewer { id displayName } }", viewer)
    user = {"id": to_global_id("User", viewer.user_id), "displayName": "ada"}
    assert answer == {"data": {"viewer": user}}


def test_tasks_are_a_catalogue_with_json_schema(viewer: Viewer, ask: Ask) -> None:
    answer = ask("{ tasks { name description inputSchema resultSchema } }", viewer)
    (task,) = [each for each in answer["data"]["tasks"] if each["name"] == "count_words"]
    assert task["description"] == "Count the words of a text."
    assert task["inputSchema"]["required"] == ["text"]
    assert task["resultSchema"]["properties"]["words"]["type"] == "integer"
    assert ask('{ task(name: "nothing") { name } }', viewer) == {"data": {"task": None}}


@pytest.mark.parametrize(
    ("stored", "shown"), [({"retryable": True}, True), ({"retryable": False}, False), ({}, False)]
)
def test_an_error_says_whether_another_attempt_might_have_gone_better(
    viewer: Viewer, ask: Ask, forge: Callable[..., None], stored: dict[str, bool], shown: bool
) -> None:
    run = start(viewer)
    work(run, Status.FAILED)
    forge(run, error={"code": "BROKEN", "message": "It broke.", **stored})
    query = "query($id: ID!) { run(id: $id) { error { retryable } } }"
    assert ask(query, viewer, id=gid(run)) == {"data": {"run": {"error": {"retryable": shown}}}}


@pytest.mark.parametrize("last", [-1, 101])
def test_attempts_are_bounded(viewer: Viewer, ask: Ask, last: int) -> None:
    query = "query($id: ID!, $n: Int!) { run(id: $id) { attempts(last: $n) { number } } }"
    assert code(ask(query, viewer, id=gid(start(viewer)), n=last)) == "BAD_USER_INPUT"


def test_a_retired_task_is_found_again_by_whoever_has_a_run_of_it(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    run = start(make_viewer("ada"))
    Run.objects.filter(pk=run.pk).update(task="gone_task")
    query = "query($id: ID!) { node(id: $id) { ... on Task { name isRetired } } }"
    key = to_global_id("Task", "gone_task")
    found = {"data": {"node": {"name": "gone_task", "isRetired": True}}}
    assert ask(query, make_viewer("ada"), id=key) == found
    assert ask(query, make_viewer("bob"), id=key) == {"data": {"node": None}}


def test_a_row_whose_parameter_became_a_file_breaks_no_list(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer)
    Run.objects.filter(pk=run.pk).update(task="profile_dataset", input={"file": "old.csv"})
    query = "{ runs { nodes { input { __typename } inputJson } } }"
    node = {"input": None, "inputJson": {"file": "old.csv"}}
    assert ask(query, viewer) == {"data": {"runs": {"nodes": [node]}}}


def test_a_row_that_outlived_its_declaration_still_answers(
    viewer: Viewer, ask: Ask, forge: Callable[..., None]
) -> None:
    changed, retired = start(viewer), start(viewer)
    work(changed)
    old = {"phrase": "x"}
    forge(changed, input=old, result={"count": 1})
    Run.objects.filter(pk=retired.pk).update(task="gone_task")
    query = """{ runs { nodes { input { __typename } inputJson result { __typename } resultJson
      task { name isRetired viewerCanStart description mutationName inputSchema } } } }"""
    answer = ask(query, viewer)
    assert "errors" not in answer
    second, first = answer["data"]["runs"]["nodes"]
    assert (first["input"], first["inputJson"]) == (None, old)
    assert (first["result"], first["resultJson"]) == (None, {"count": 1})
    assert first["task"]["isRetired"] is False
    assert second["input"] is None
    assert second["task"] == {
        "name": "gone_task",
        "isRetired": True,
        "viewerCanStart": False,
        "description": "",
        "mutationName": "goneTask",
        "inputSchema": {},
    }


def test_a_page_costs_the_same_few_queries_however_many_runs(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(8):
        file = upload(viewer)
        run = submission.submit(viewer, REGISTRY["profile_dataset"], {"file": str(file.pk)}).run
        work(run)
    plain = "{ runs { nodes { id status task { name } progress { done } resultJson } } }"
    with django_assert_num_queries(1):
        ask(plain, viewer)
    rich = """{ runs { edges { cursor node { ...all } } pageInfo { endCursor hasNextPage } } }
      fragment all on Run { id requestedBy { displayName } attempts { number }
        input { ... on ProfileDatasetGiven { file { name size isReady } } } }"""
    with django_assert_num_queries(4):  # runs, their attempts, the owner, files
        answer = ask(rich, viewer)
    nodes = [edge["node"] for edge in answer["data"]["runs"]["edges"]]
    assert all(node["input"]["file"]["name"] == "a.csv" for node in nodes)
    assert all(len(node["attempts"]) == 1 for node in nodes)


def test_inputs_and_results_are_loaded_only_when_asked_for(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    work(start(viewer))
    for fields, is_loaded in (
        ("id status task { name inputSchema } progress { done }", False),
        ("inputJson", True),
        ("... { resultJson }", True),
        ("...f", True),
    ):
        query = f"{{ runs {{ nodes {{ {fields} }} }} }}"
        fragment = " fragment f on Run { result { __typename } input { __typename } }"
        with django_assert_num_queries(1) as queries:
            answer = ask(query + (fragment if "...f" in fields else ""), viewer)
        assert "errors" not in answer
        assert ('"input",' in queries.captured_queries[0]["sql"]) is is_loaded


def test_a_run_by_id_costs_one_query(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    run = start(viewer)
    with django_assert_num_queries(1):
        ask("query($id: ID!) { run(id: $id) { status progress { done } } }", viewer, id=gid(run))


def test_a_pruned_file_is_null_and_its_run_still_reads(viewer: Viewer, ask: Ask) -> None:
    file = upload(viewer)
    run = submission.submit(viewer, REGISTRY["profile_dataset"], {"file": str(file.pk)}).run
    query = """query($id: ID!) { run(id: $id) {
      input { ... on ProfileDatasetGiven { file { name } } } } }"""
    assert ask(query, viewer, id=gid(run))["data"]["run"]["input"] == {"file": {"name": "a.csv"}}
    file.delete()
    assert ask(query, viewer, id=gid(run)) == {"data": {"run": {"input": {"file": None}}}}


def test_one_answer_holds_so_many_bytes_of_inputs_and_results(viewer: Viewer, ask: Ask) -> None:
    for _ in range(3):
        start(viewer, "x" * 100_000)
    many = "{ " + " ".join(f"a{n}: runs {{ nodes {{ inputJson }} }}" for n in range(30)) + " }"
    answer = ask(many, viewer)
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"QUERY_TOO_COMPLEX"}
    few = ask("{ runs { nodes { inputJson input { __typename } } } }", viewer)
    assert "errors" not in few
