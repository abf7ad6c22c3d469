"""Who shares a group may read, and no more; an admin may do everything with everybody's runs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.viewer import ADMIN, SCOPES, Viewer
from tasks import submission
from tasks.models import File, Run
from tasks.registry import REGISTRY
from tests.schema.asking import Ask, gid, start, upload, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

READ = """query($id: ID!) {
  run(id: $id) { id viewerCanCancel viewerCanRerun }
  node(id: $id) { id }
  runs { nodes { id } }
}"""
CANCEL = "mutation($id: ID!) { cancelRun(id: $id) { run { id } errors { code } } }"
CANCEL_MANY = "mutation { cancelRuns(filter: {}) { items { run { id } } errors { code } } }"
RERUN = "mutation($id: ID!) { rerun(id: $id) { run { id } errors { code } } }"
DELETE = "mutation($id: ID!) { deleteRun(id: $id) { deletedId errors { code } } }"
SHOW = "mutation($id: ID!) { createWatchToken(id: $id) { token errors { code } } }"
DELETE_FILE = "mutation($id: ID!) { deleteFile(id: $id) { deletedId errors { code } } }"


@pytest.fixture
def peer(viewer: Viewer, make_viewer: Callable[..., Viewer]) -> Viewer:
    """Somebody who shares a group with the viewer."""
    return replace(make_viewer("grace"), peers=frozenset({viewer.user_id}))


@pytest.fixture
def admin(make_viewer: Callable[..., Viewer]) -> Viewer:
    return make_viewer("root", (ADMIN,))


def test_a_peer_reads(viewer: Viewer, peer: Viewer, ask: Ask) -> None:
    run, own = start(viewer), start(peer)
    data = ask(READ, peer, id=gid(run))["data"]
    assert data["run"] == {"id": gid(run), "viewerCanCancel": False, "viewerCanRerun": False}
    assert data["node"] == {"id": gid(run)}
    assert data["runs"]["nodes"] == [{"id": gid(own)}, {"id": gid(run)}]
    assert ask(READ, viewer, id=gid(own))["data"]["run"] is None  # it was not given in return


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (CANCEL, "cancelRun"),
        (RERUN, "rerun"),
        (DELETE, "deleteRun"),
        (SHOW, "createWatchToken"),
    ],
)
def test_a_peer_does_nothing_with_what_is_anothers(
    viewer: Viewer, peer: Viewer, ask: Ask, document: str, field: str
) -> None:
    run = start(viewer)
    if field != "cancelRun":
        work(run)
    before = Run.objects.values().get(pk=run.pk)
    answer = ask(document, peer, id=gid(run))["data"][field]
    assert [error["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert list(Run.objects.values()) == [before]


def test_a_peer_neither_cancels_many_nor_deletes_or_uses_files(
    viewer: Viewer, peer: Viewer, ask: Ask
) -> None:
    run, file = start(viewer), upload(viewer)
    assert ask(CANCEL_MANY, peer)["data"]["cancelRuns"] == {"items": [], "errors": []}
    assert Run.objects.get().cancel_requested_at is None
    assert run.pk == Run.objects.get().pk
    answer = ask(DELETE_FILE, peer, id=gid(file))["data"]["deleteFile"]
    assert answer["errors"] == [{"code": "FORBIDDEN"}]
    assert File.objects.exists()
    profile = "mutation($f: ID!) { profileDataset(input: {file: $f}) { errors { code } } }"
    answer = ask(profile, peer, f=gid(file))["data"]["profileDataset"]
    assert answer["errors"] == [{"code": "NOT_FOUND"}]


def test_an_admin_steers_what_is_anybodys(viewer: Viewer, admin: Viewer, ask: Ask) -> None:
    waiting, done = start(viewer), start(viewer, "other")
    work(done)
    data = ask(READ, admin, id=gid(waiting))["data"]
    assert data["run"] == {"id": gid(waiting), "viewerCanCancel": True, "viewerCanRerun": False}
    assert len(data["runs"]["nodes"]) == 2
    assert ask(CANCEL, admin, id=gid(waiting))["data"]["cancelRun"]["errors"] == []
    again = ask(RERUN, admin, id=gid(done))["data"]["rerun"]
    assert again["errors"] == []
    assert Run.objects.get(rerun_of=done.pk).owner_id == viewer.user_id
    many = ask(CANCEL_MANY, admin)["data"]["cancelRuns"]
    assert many["items"] == [{"run": {"id": again["run"]["id"]}}]
    assert ask(DELETE, admin, id=gid(done))["data"]["deleteRun"]["errors"] == []
    assert set(Run.objects.values_list("status", flat=True)) == {"CANCELED"}


def test_nobody_else_does(viewer: Viewer, make_viewer: Callable[..., Viewer], ask: Ask) -> None:
    run = start(viewer)
    stranger = make_viewer("eve", SCOPES)
    assert ask(READ, stranger, id=gid(run))["data"] == {
        "run": None, "node": None, "runs": {"nodes": []},
    }  # fmt: skip
    answer: Any = ask(CANCEL, stranger, id=gid(run))["data"]["cancelRun"]
    assert answer["errors"] == [{"code": "NOT_FOUND"}]


@pytest.fixture
def ruled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives count_words, or another task, this rule for the length of a test."""

    def rule(permission: Any, name: str = "count_words") -> None:
        task = REGISTRY[name]
        options = task.options.model_copy(update={"permission": permission})
        monkeypatch.setitem(REGISTRY._tasks, name, replace(task, options=options))

    return rule


MAY = """query($id: ID!) {
  task(name: "count_words") { viewerCanStart } run(id: $id) { viewerCanRerun } }"""


def may(ask: Ask, viewer: Viewer, run: Run) -> tuple[bool, bool]:
    data = ask(MAY, viewer, id=gid(run))["data"]
    return data["task"]["viewerCanStart"], data["run"]["viewerCanRerun"]


def test_an_app_is_told_what_the_rule_says(
    viewer: Viewer, ask: Ask, ruled: Callable[[Any], None]
) -> None:
    run = start(viewer)
    work(run)
    assert may(ask, viewer, run) == (True, True)
    ruled("staff")
    assert may(ask, viewer, run) == (False, False)
    assert may(ask, replace(viewer, is_staff=True), run) == (True, True)
    ruled(lambda _viewer, given: given is None or given.text == "other")
    assert may(ask, viewer, run) == (True, False)
    assert ask(RERUN, viewer, id=gid(run))["data"]["rerun"]["errors"] == [{"code": "FORBIDDEN"}]
    ruled(lambda _viewer, given: given is None or given.text == "one two")
    assert may(ask, viewer, run) == (True, True)
    assert ask(RERUN, viewer, id=gid(run))["data"]["rerun"]["errors"] == []


def test_a_token_for_one_task_is_told_so(viewer: Viewer, ask: Ask) -> None:
    one = replace(viewer, scopes=frozenset({"tasks:start:count_words"}))
    tasks = ask("{ tasks { name viewerCanStart } }", one)["data"]["tasks"]
    assert [task["name"] for task in tasks if task["viewerCanStart"]] == ["count_words"]
    assert len(tasks) > 1


def test_the_rules_of_many_tasks_and_runs_ask_no_more_queries(
    viewer: Viewer,
    ask: Ask,
    ruled: Callable[[Any], None],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for text in "abcd":
        work(start(viewer, text))
    ruled("group:nobody")
    with django_assert_num_queries(3):  # the runs, the user, the groups
        ask("{ runs { nodes { viewerCanRerun task { viewerCanStart } } } }", viewer)
    ruled(lambda _viewer, given: given is None or given.text > "b")
    with django_assert_num_queries(2):  # the runs, all inputs
        data = ask("{ runs { nodes { viewerCanRerun } } }", viewer)["data"]
    assert [run["viewerCanRerun"] for run in data["runs"]["nodes"]] == [True, True, False, False]


def test_a_rule_sees_the_files_of_a_run_as_a_rerun_would(
    viewer: Viewer,
    ask: Ask,
    ruled: Callable[..., None],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    small, large, gone = (upload(viewer) for _ in range(3))
    File.objects.filter(pk=large.pk).update(size=11)
    for file in (small, large, gone):
        given = {"file": str(file.pk)}
        work(submission.submit(viewer, REGISTRY["profile_dataset"], given).run)
    gone.delete()
    ruled(lambda _viewer, given: given is None or given.file.size == 3, "profile_dataset")
    with django_assert_num_queries(3):  # the runs, all inputs, all files
        data = ask("{ runs { nodes { id viewerCanRerun } } }", viewer)["data"]
    told = [run["viewerCanRerun"] for run in data["runs"]["nodes"]]
    reruns = [ask(RERUN, viewer, id=run["id"])["data"]["rerun"] for run in data["runs"]["nodes"]]
    assert told == [not rerun["errors"] for rerun in reruns] == [False, False, True]
