"""Runs in the admin: found fast, shown in full, changed by nobody."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts import bounded
from accounts.keys import uuid7
from accounts.viewer import Viewer
from schema.ids import to_global_id
from tasks import Context, downloads, runs
from tasks.admin import story
from tasks.admin.runs import RunAdmin
from tasks.context import LogLine
from tasks.models import File, Run
from tasks.registry import Task
from tasks.runs import Ending
from tasks.status import Level, Outcome, Status
from tests.tasks.admin.asking import FILES, RUNS, cost, keys, page, text_of
from tests.tasks.admin.conftest import MakeStaff
from tests.tasks.holding import FAILURE, fresh, hold
from tests.tasks.keeping import Forge, Past, keep, save, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    backend = "django.core.files.storage.FileSystemStorage"
    location = {"BACKEND": backend, "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "default": location}


@pytest.fixture
def past(viewer: Viewer, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Past:
    return Past(viewer, forge, monkeypatch)


def change(run: Run) -> str:
    return f"{RUNS}{run.pk}/change/"


def test_the_list_shows_everybodys_runs_the_newest_first(
    root: Client, make_viewer: Callable[..., Viewer]
) -> None:
    asked = [start(make_viewer(name)) for name in ("ada", "eve", "ada")]
    assert keys(root, RUNS) == [run.pk for run in reversed(asked)]
    markup = page(root, RUNS)
    words = text_of(markup)
    assert all(word in words for word in ("count_words", "ada", "eve", "QUEUED"))
    assert f'title="{asked[0].pk}"' in markup


def test_a_page_costs_the_same_with_one_run_and_with_thirty(root: Client, viewer: Viewer) -> None:
    costs = []
    for _ in range(2):
        run = start(viewer)
        root.get(change(run))  # Django's caches
        costs.append([cost(root, path) for path in (RUNS, f"{RUNS}?q=ada", change(run))])
        for _ in range(29):
            start(viewer)
    assert costs[0] == costs[1]
    assert max(costs[0]) <= 8


@pytest.mark.parametrize("query", ["", "status=FAILED", "task=count_words", "created=7days", "q=x"])
def test_no_list_counts_all_rows_nor_reads_what_is_large(
    root: Client, viewer: Viewer, query: str
) -> None:
    run = start(viewer)
    with CaptureQueriesContext(connection) as queries:
        page(root, f"{RUNS}?{query}")
        page(root, change(run))
    read = [query["sql"] for query in queries if '"tasks_run"' in query["sql"]]
    assert len(read) >= 3
    for sql in read:
        assert "COUNT(" not in sql or f"LIMIT {bounded.COUNT_AT_MOST + 1}" in sql
        assert not re.search(r'SELECT[^(]*"tasks_run"\."(input|result)"[ ,]', sql), sql
        assert "LIKE" not in sql.upper()


def test_it_pages_so_far_and_goes_on_behind_the_last_row(
    root: Client, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "COUNT_AT_MOST", 4)
    monkeypatch.setattr(RunAdmin, "list_per_page", 2)
    monkeypatch.setattr(RunAdmin, "list_max_show_all", 2)
    newest = [start(viewer).pk for _ in range(7)][::-1]
    first, second = f"{RUNS}?p=1", f"{RUNS}?p=2&status=QUEUED"
    assert "more than 4 runs" in text_of(page(root, first))
    assert "Go on after these" not in page(root, first)
    assert keys(root, second) == newest[2:4]
    link = re.search(r'href="(\?[^"]*)">Go on after these', page(root, second))
    assert link is not None
    rest = RUNS + link[1].replace("&amp;", "&")
    assert keys(root, rest) == newest[4:6]
    assert "status=QUEUED" in rest
    assert f"After {newest[3]}" in text_of(page(root, rest))
    assert keys(root, f"{rest}&p=2") == newest[6:]
    assert root.get(f"{RUNS}?p=3").headers["Location"] == f"{RUNS}?e=1"


def test_only_the_key_sorts(root: Client, viewer: Viewer) -> None:
    oldest = [start(viewer).pk for _ in range(3)]
    assert keys(root, f"{RUNS}?o=1") == oldest
    for order in ("2", "-2", "4.-3", "7", "9"):
        with CaptureQueriesContext(connection) as queries:
            assert keys(root, f"{RUNS}?o={order}") == oldest[::-1]
        ordered = [q["sql"] for q in queries if "ORDER BY" in q["sql"] and "tasks_run" in q["sql"]]
        assert ordered
        assert all('ORDER BY "tasks_run"."id" DESC' in sql for sql in ordered)


def test_each_status_is_found_as_it_is_shown(root: Client, viewer: Viewer, forge: Forge) -> None:
    found = {}
    for status in Status:
        run = start(viewer)
        stored = Status.RUNNING if status is Status.CANCELING else status
        forge(run, status=stored.value)
        if status is Status.CANCELING:
            forge(run, cancel_requested_at=run.created_at)
        found[status] = run.pk
    for status in Status:
        assert keys(root, f"{RUNS}?status={status}") == [found[status]]
        assert f'<span class="status {status}">{status}</span>' in page(
            root, f"{RUNS}?status={status}"
        )


def test_each_declared_task_is_found(
    root: Client, viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def idle(ctx: Context) -> None:
        """Do nothing."""

    declare(idle)
    start(viewer)
    assert keys(root, f"{RUNS}?task=idle") == []
    assert len(keys(root, f"{RUNS}?task=count_words")) == 1
    assert root.get(f"{RUNS}?task=unknown").headers["Location"] == f"{RUNS}?e=1"


def test_periods_are_read_from_the_keys(root: Client, past: Past) -> None:
    ages = {days: past.run(days).pk for days in (60, 20, 3)}
    ages[0] = past.run(0).pk
    with CaptureQueriesContext(connection) as queries:
        assert keys(root, f"{RUNS}?created=today") == [ages[0]]
        assert keys(root, f"{RUNS}?created=7days") == [ages[0], ages[3]]
        assert keys(root, f"{RUNS}?created=30days") == [ages[0], ages[3], ages[20]]
    assert not [q for q in queries if re.search(r'WHERE.*"created_at"', q["sql"])]


def test_a_search_finds_what_is_typed_in_full(
    root: Client, make_viewer: Callable[..., Viewer]
) -> None:
    first, second = start(make_viewer("ada")), start(make_viewer("eve"))
    Run.objects.filter(pk=second.pk).update(idempotency_key="key 1")
    found = {
        str(first.pk): [first.pk],
        first.pk.hex: [first.pk],
        f"  {first.pk} ": [first.pk],
        to_global_id("Run", first.pk): [first.pk],
        to_global_id("File", first.pk): [],
        "ada": [first.pk],
        "key 1": [second.pk],
        "key": [],
        "ad": [],
        str(uuid4()): [],
        "%": [],
        " ": [second.pk, first.pk],
    }
    for words, expected in found.items():
        answer = root.get(RUNS, {"q": words})
        assert [row.pk for row in answer.context["cl"].result_list] == expected, words


def test_a_key_that_looks_like_an_id_is_found_too(root: Client, viewer: Viewer) -> None:
    run, key = start(viewer), str(uuid4())
    Run.objects.filter(pk=run.pk).update(idempotency_key=key)
    assert keys(root, f"{RUNS}?q={key}") == [run.pk]


def test_the_page_of_a_run_tells_all_but_what_proves_the_hold(root: Client, viewer: Viewer) -> None:
    run = start(viewer, text="be <b>bold</b>")
    held = hold(run, "host-a:7")
    runs.log(held, [LogLine("reading", Level.WARNING)])
    file = save(run, "sums.csv")
    assert runs.finish(held, Ending(Status.SUCCEEDED, Outcome.SUCCEEDED, {"words": 2}))
    markup = page(root, change(run))
    words = text_of(markup)
    for word in (
        "SUCCEEDED",
        "host-a:7",
        "WARNING",
        "reading",
        "sums.csv",
        '"words": 2',
        "STARTED",
    ):
        assert word in words, word
    assert "be &lt;b&gt;bold" in markup
    assert str(held.token) not in markup
    assert held.token.hex not in markup
    signature = re.search(rf"/files/{file.pk}\?signature=([^\"]+)", markup)
    assert signature is not None
    assert downloads.signed_until(str(file.pk), signature[1].replace("%3A", ":"))


def test_no_page_has_a_word_for_the_token(root: Client, viewer: Viewer) -> None:
    run = start(viewer)
    hold(run)
    for path in (RUNS, change(run), f"{RUNS}{run.pk}/attempts/"):
        assert str(fresh(run).token) not in page(root, path)


def test_the_error_of_run_and_attempt_is_told(root: Client, viewer: Viewer) -> None:
    run = start(viewer)
    assert runs.finish(hold(run), FAILURE)
    assert text_of(page(root, change(run))).count("BROKEN: It broke.") == 2


def test_what_is_too_large_is_cut_by_the_database(
    root: Client, viewer: Viewer, forge: Forge
) -> None:
    run = start(viewer)
    forge(run, result={"text": "x" * 3_000_000})
    markup = page(root, change(run))
    assert len(markup) < 100_000
    assert "The first 20,000 of 3,000,0" in markup
    forge(run, result={"a": ["\u00e9", None, 1.5]})
    assert json.dumps({"a": ["\u00e9", None, 1.5]}, indent=2, ensure_ascii=False) in (
        page(root, change(run)).replace("&quot;", '"')
    )


def test_a_rerun_leads_to_the_first_run(root: Client, viewer: Viewer) -> None:
    first, second = start(viewer), start(viewer)
    Run.objects.filter(pk=second.pk).update(rerun_of=first.pk)
    assert f'href="{change(first)}"' in page(root, change(second))


def test_long_stories_are_told_in_pages(
    root: Client, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "ROWS", 3)
    run = start(viewer)
    runs.log(hold(run), [LogLine(f"line {number}.", Level.INFO) for number in range(5)])
    path = f"{RUNS}{run.pk}/events/"
    seen = []
    markup = page(root, change(run))
    assert [f"line {n}." in markup for n in range(5)] == [False, False, True, True, True]
    link = re.search(rf'href="{path}(\?before=\d+)"', markup)
    assert link is not None
    for query in ("", link[1], "?before=2"):
        seen += re.findall(r"<tr>\s*<td>(\d+)</td>", page(root, path + query))
    assert seen == ["7", "6", "5", "4", "3", "2", "1"]
    assert "Earlier" not in page(root, f"{path}?before=2")
    assert "?before=5" in page(root, path)
    assert "host:1" in page(root, f"{RUNS}{run.pk}/attempts/")


@pytest.mark.parametrize("before", ["x", "-1", "", "99999999999", "%00", "1%20", "٣"])
def test_a_wrong_place_in_a_story_is_refused(root: Client, viewer: Viewer, before: str) -> None:
    assert root.get(f"{RUNS}{start(viewer).pk}/events/?before={before}").status_code == 400


def test_the_story_of_no_run_is_not_found(root: Client) -> None:
    assert root.get(f"{RUNS}{uuid7()}/events/").status_code == 404


def test_a_run_with_many_files_leads_to_their_list(
    root: Client, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.admin.runs.FILES", 1)
    run = start(viewer)
    saved = [save(run, name).pk for name in ("a.csv", "b.csv")]
    keep(viewer.user_id)
    assert "b.csv" not in page(root, change(run))
    assert f'href="{FILES}?run={run.pk}"' in page(root, change(run))
    assert keys(root, f"{FILES}?run={run.pk}") == saved[::-1]


def test_files_are_shown_to_who_may_see_files(staff: MakeStaff, viewer: Viewer) -> None:
    run = start(viewer)
    save(run, "sums.csv")
    assert "sums.csv" not in page(staff("tasks.view_run"), change(run))
    assert "sums.csv" in page(staff("tasks.view_run", "tasks.view_file"), change(run))


def test_nothing_of_a_run_can_be_written(root: Client, viewer: Viewer) -> None:
    run, before = start(viewer), Run.objects.values().get()
    data = {"status": "SUCCEEDED", "owner": str(uuid4()), "result": "{}", "task": "x", "_save": "1"}
    for path in (change(run), f"{RUNS}add/", f"{RUNS}{run.pk}/delete/"):
        assert root.post(path, {**data, "post": "yes"}).status_code == 403, path
    root.post(RUNS, {**data, "form-0-status": "FAILED", "form-0-id": str(run.pk)})
    root.post(RUNS, {"action": "delete_selected", "_selected_action": run.pk, "post": "yes"})
    assert Run.objects.values().get() == before
    assert not re.search(
        r"<(input|select|textarea)[^>]* name=\"(?!csrf|_selected)", page(root, change(run))
    )


def test_who_lacks_the_permission_sees_nothing(staff: MakeStaff, viewer: Viewer) -> None:
    run = start(viewer)
    stranger = staff("tasks.view_file")
    for path in (RUNS, change(run), f"{RUNS}{run.pk}/events/", f"{RUNS}{run.pk}/attempts/"):
        assert stranger.get(path).status_code in (403, 404), path
        assert Client().get(path).status_code == 302, path
    assert "/tasks/run/" not in page(stranger, "/admin/")
    assert keys(staff("tasks.view_run"), RUNS) == [run.pk]
    assert File.objects.count() == 0
