"""The mutations that delete answer with the id of what is gone, or say why not."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.viewer import RUNS_DELETE, RUNS_READ, Viewer
from schema.ids import to_global_id
from tasks.models import File, Run
from tests.schema.asking import code, gid, start, upload, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

Ask = Callable[..., dict[str, Any]]
RUN = "mutation($id: ID!) { deleteRun(id: $id) { deletedId errors { field code message } } }"
FILE = "mutation($id: ID!) { deleteFile(id: $id) { deletedId errors { field code message } } }"
DATA = "mutation { deleteMyData { deletedId errors { field code message } } }"


@pytest.fixture(autouse=True)
def _no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of these tests have no bytes behind them."""
    monkeypatch.setattr(default_storage, "delete", lambda name: None)


def answer(ask: Ask, query: str, viewer: Viewer, **variables: Any) -> tuple[str | None, list[Any]]:
    ((payload),) = ask(query, viewer, **variables)["data"].values()
    return payload["deletedId"], [(each["field"], each["code"]) for each in payload["errors"]]


def test_a_final_run_and_a_file_are_deleted(viewer: Viewer, ask: Ask) -> None:
    run, file = start(viewer), upload(viewer)
    work(run)
    assert answer(ask, RUN, viewer, id=gid(run)) == (gid(run), [])
    assert answer(ask, FILE, viewer, id=gid(file)) == (gid(file), [])
    assert (Run.objects.count(), File.objects.count()) == (0, 0)


def test_a_run_that_is_not_over_is_refused(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer)
    assert answer(ask, RUN, viewer, id=gid(run)) == (None, [(["id"], "RUN_NOT_FINAL")])


def test_unknown_foreign_and_nonsense_ids_are_answered_alike(
    viewer: Viewer, make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    eve = make_viewer("eve")
    run, file = start(eve), upload(eve)
    for query, ids in (
        (RUN, [gid(run), gid(file), "x", "", to_global_id("Run", "1")]),
        (FILE, [gid(file), gid(run), "x", "", to_global_id("File", "1")]),
    ):
        answers = [ask(query, viewer, id=each)["data"] for each in ids]
        assert answers == [answers[0]] * len(ids)
        ((payload),) = answers[0].values()
        assert payload["deletedId"] is None
        assert payload["errors"][0]["code"] == "NOT_FOUND"
    assert (Run.objects.count(), File.objects.count()) == (1, 1)


def test_all_of_the_viewers_data_goes(
    viewer: Viewer, make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    start(viewer)
    upload(viewer)
    hers = start(make_viewer("eve"))
    assert answer(ask, DATA, viewer) == (to_global_id("User", viewer.user_id), [])
    assert (list(Run.objects.all()), File.objects.count()) == ([hers], 0)


@pytest.mark.parametrize("scope", [RUNS_READ, RUNS_DELETE])
def test_a_token_without_both_scopes_is_forbidden_whatever_the_id(
    make_viewer: Callable[..., Viewer], ask: Ask, scope: str
) -> None:
    weak = make_viewer(scopes=(scope,))
    file = upload(weak)
    for query, given in ((RUN, {"id": "x"}), (FILE, {"id": gid(file)}), (DATA, {})):
        deleted_id, [(_, why)] = answer(ask, query, weak, **given)
        assert (deleted_id, why) == (None, "FORBIDDEN")
    assert File.objects.exists()


def test_nobody_deletes_nothing(ask: Ask) -> None:
    for query, given in ((RUN, {"id": "x"}), (FILE, {"id": "x"}), (DATA, {})):
        assert code(ask(query, None, **given)) == "UNAUTHENTICATED"
