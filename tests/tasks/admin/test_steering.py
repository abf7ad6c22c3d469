"""Runs are canceled, rerun and deleted in the admin as GraphQL does it, by whom that is allowed."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts import bounded
from accounts.viewer import Viewer
from tasks import Context, runs
from tasks.models import Attempt, Event, File, Run
from tasks.registry import REGISTRY, Task
from tests.tasks.admin.asking import RUNS, act, page, text_of
from tests.tasks.admin.conftest import MakeStaff
from tests.tasks.holding import SUCCESS, fresh, hold
from tests.tasks.keeping import start
from tests.tasks.performing import perform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def ended(viewer: Viewer) -> Run:
    run = start(viewer)
    assert runs.finish(hold(run), SUCCESS)
    return fresh(run)


def test_cancel_tells_what_became_of_each(root: Client, viewer: Viewer) -> None:
    waiting, running, asked, over = start(viewer), start(viewer), start(viewer), ended(viewer)
    hold(running)
    hold(asked)
    runs.cancel(viewer, [asked.pk])
    said = act(root, RUNS, "cancel_runs", waiting, running, asked, over)
    assert said == [
        "1 run canceled; 1 running run asked to stop.",
        "1 run had ended already; 1 run had been asked before.",
    ]
    statuses = [fresh(run).shown_status for run in (waiting, running, asked, over)]
    assert statuses == ["CANCELED", "CANCELING", "CANCELING", "SUCCEEDED"]


def test_rerun_makes_runs_of_the_first_owner(
    root: Client, make_viewer: Callable[..., Viewer]
) -> None:
    eve = make_viewer("eve")
    over, waiting = ended(eve), start(eve)
    said = act(root, RUNS, "rerun_runs", over, waiting)
    assert said[0] == "1 new run started."
    assert said[1].startswith("1 run not started again: This run is not over")
    made = Run.objects.get(rerun_of=over.pk)
    assert (made.owner_id, made.status, made.input) == (eve.user_id, "QUEUED", over.input)


def test_rerun_counts_each_reason_once(
    root: Client, viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def idle(ctx: Context) -> None:
        """Do nothing."""

    declare(idle)
    retired = [perform(viewer, REGISTRY["idle"]) for _ in range(2)]
    del REGISTRY._tasks["idle"]
    assert act(root, RUNS, "rerun_runs", *retired) == [
        "2 runs not started again: The task idle is no longer declared."
    ]


def test_delete_asks_first_and_spares_what_is_open(root: Client, viewer: Viewer) -> None:
    over, waiting = ended(viewer), start(viewer)
    data = {"action": "delete_runs", "_selected_action": [over.pk, waiting.pk], "index": 0}
    asked = root.post(RUNS, data)
    assert asked.status_code == 200
    markup = asked.content.decode()
    assert "Delete 2 runs?" in markup
    assert str(over) in markup
    assert markup.count('name="_selected_action"') == 2
    assert Run.objects.count() == 2
    said = act(root, RUNS, "delete_runs", over, waiting, confirmed="yes")
    assert said == ["1 run deleted.", "1 run stayed: not over yet."]
    assert list(Run.objects.values_list("pk", flat=True)) == [waiting.pk]
    assert not Attempt.objects.filter(run=over.pk).exists()
    assert not Event.objects.filter(run=over.pk).exists()


def test_the_history_tells_who_did_it(root: Client, viewer: Viewer) -> None:
    waiting, over = start(viewer), ended(viewer)
    act(root, RUNS, "cancel_runs", waiting, over)
    act(root, RUNS, "delete_runs", over, confirmed="yes")
    entries = LogEntry.objects.order_by("id").values_list("user__username", "object_id")
    assert [(name, UUID(key)) for name, key in entries] == [("root", waiting.pk), ("root", over.pk)]
    assert "Asked to cancel." in page(root, f"{RUNS}{waiting.pk}/history/")


@pytest.mark.parametrize(
    "permissions", [("tasks.view_run",), ("tasks.view_run", "tasks.delete_run")]
)
def test_who_may_only_look_or_delete_steers_nothing(
    staff: MakeStaff, viewer: Viewer, permissions: tuple[str, ...]
) -> None:
    client, waiting, over = staff(*permissions), start(viewer), ended(viewer)
    for action in ("cancel_runs", "rerun_runs"):
        data = {"action": action, "_selected_action": [waiting.pk, over.pk], "index": 0}
        client.post(RUNS, data)
    assert (fresh(waiting).status, Run.objects.count()) == ("QUEUED", 2)
    assert "cancel_runs" not in page(client, RUNS)
    assert "cancel_runs" not in page(client, f"{RUNS}{waiting.pk}/change/")


def test_who_may_only_steer_deletes_nothing(staff: MakeStaff, viewer: Viewer) -> None:
    client, over = staff("tasks.view_run", "tasks.change_run"), ended(viewer)
    data = {"action": "delete_runs", "_selected_action": over.pk, "confirmed": "yes"}
    client.post(RUNS, data, follow=True)
    assert Run.objects.count() == 1
    assert act(client, RUNS, "rerun_runs", over) == ["1 new run started."]
    assert client.post(f"{RUNS}{over.pk}/change/", {}).status_code == 403


def test_who_is_not_even_to_look_does_nothing(staff: MakeStaff, viewer: Viewer) -> None:
    waiting = start(viewer)
    data = {"action": "cancel_runs", "_selected_action": waiting.pk, "index": 0}
    assert staff("tasks.view_file").post(RUNS, data).status_code == 403
    assert Client().post(RUNS, data).status_code == 302
    assert fresh(waiting).status == "QUEUED"


def test_too_many_at_once_are_refused(
    root: Client, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "ACT_AT_MOST", 2)
    many = [start(viewer) for _ in range(3)]
    refused = ["Nothing was done: an action takes at most 2 rows at once."]
    assert act(root, RUNS, "cancel_runs", *many) == refused
    assert act(root, RUNS, "cancel_runs", many[0], select_across="1") == refused
    assert {fresh(run).status for run in many} == {"QUEUED"}
    ended_one = f"{RUNS}?q={many[0].pk}"
    assert act(root, ended_one, "cancel_runs", many[0], select_across="1") == ["1 run canceled."]


def test_all_pages_are_offered_only_if_an_action_takes_them(
    root: Client, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.admin.runs.RunAdmin.list_per_page", 2)
    monkeypatch.setattr("tasks.admin.runs.RunAdmin.list_max_show_all", 2)
    for _ in range(3):
        start(viewer)
    assert "Select all 3 runs" in text_of(page(root, RUNS))
    monkeypatch.setattr("tasks.admin.runs.RunAdmin.act_at_most", 2)
    assert "Select all" not in text_of(page(root, RUNS))


def test_the_page_of_a_run_offers_what_can_be_done(root: Client, viewer: Viewer) -> None:
    waiting, over = start(viewer), ended(viewer)
    offered = {
        run.pk: [
            action
            for action in ("cancel_runs", "rerun_runs", "delete_runs")
            if f'name="action" value="{action}"' in page(root, f"{RUNS}{run.pk}/change/")
        ]
        for run in (waiting, over)
    }
    assert offered == {waiting.pk: ["cancel_runs"], over.pk: ["rerun_runs", "delete_runs"]}
    assert File.objects.count() == 0


def test_deleting_hundreds_costs_few_queries(
    root: Client, viewer: Viewer, django_assert_max_num_queries: Callable[..., object]
) -> None:
    many = [start(viewer) for _ in range(60)]
    runs.cancel(viewer, [run.pk for run in many])
    with django_assert_max_num_queries(30):  # type: ignore[attr-defined]
        assert act(root, RUNS, "delete_runs", *many, confirmed="yes") == ["60 runs deleted."]
