"""The files of a run are those that it saved, in the order in which it saved them."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.viewer import Viewer
from tasks import submission
from tasks.models import File
from tasks.registry import REGISTRY
from tests.schema.asking import Ask, code, gid, start, upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

FILES = """query($id: ID!, $first: Int, $after: String) { run(id: $id) {
  files(first: $first, after: $after) { nodes { name run { id } } edges { cursor node { name } }
    pageInfo { hasNextPage hasPreviousPage endCursor } totalCount } } }"""


def test_the_files_of_a_run_walk_in_the_order_saved(viewer: Viewer, ask: Ask) -> None:
    run, other = start(viewer), start(viewer)
    for number in range(5):
        upload(viewer, run, f"{number}")
    upload(viewer, other, "of another")
    upload(viewer)
    seen, after = [], None
    while True:
        page = ask(FILES, viewer, id=gid(run), first=2, after=after)["data"]["run"]["files"]
        assert page["totalCount"] == 5
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert {node["run"]["id"] for node in page["nodes"]} == {gid(run)}
        assert [edge["node"]["name"] for edge in page["edges"]] == [
            node["name"] for node in page["nodes"]
        ]
        seen += [node["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["0", "1", "2", "3", "4"]


def test_an_input_is_no_file_of_its_run_and_an_upload_has_no_run(viewer: Viewer, ask: Ask) -> None:
    file = upload(viewer)
    given = {"file": str(file.pk)}
    run = submission.submit(viewer, REGISTRY["profile_dataset"], given).run
    query = """query($id: ID!) { run(id: $id) { files { nodes { name } totalCount }
      input { ... on ProfileDatasetGiven { file { name run { id } } } } } }"""
    assert ask(query, viewer, id=gid(run))["data"]["run"] == {
        "files": {"nodes": [], "totalCount": 0},
        "input": {"file": {"name": "a.csv", "run": None}},
    }


def test_a_file_that_became_another_owners_is_not_shown(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    ada, bob = make_viewer("ada"), make_viewer("bob")
    run = start(ada)
    file = upload(ada, run)
    File.objects.filter(pk=file.pk).update(owner=bob.user_id)
    page = ask(FILES, ada, id=gid(run))["data"]["run"]["files"]
    assert (page["nodes"], page["totalCount"]) == ([], 0)
    query = "query($id: ID!) { node(id: $id) { ... on File { name run { id } } } }"
    answer = ask(query, bob, id=gid(file))
    assert answer == {"data": {"node": {"name": "a.csv", "run": None}}}


def test_the_files_of_a_run_are_counted_only_when_asked(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    upload(viewer, run := start(viewer))
    for fields, queries in (
        ("nodes { name }", 2),
        ("nodes { name } totalCount", 3),
        ("totalCount", 2),
    ):
        query = f"query($id: ID!) {{ run(id: $id) {{ files {{ {fields} }} }} }}"
        with django_assert_num_queries(queries):
            ask(query, viewer, id=gid(run))


@pytest.mark.parametrize("page", [{"first": 101}, {"first": -1}, {"after": "x"}])
def test_a_bad_page_of_files_is_an_error(viewer: Viewer, ask: Ask, page: dict[str, Any]) -> None:
    assert code(ask(FILES, viewer, id=gid(start(viewer)), **page)) == "BAD_USER_INPUT"
