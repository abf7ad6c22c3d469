"""A watcher is told each thing once, in order, and the end always."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.viewer import RUNS_READ, TASKS_START, Viewer
from tasks import deletion, runs, watch
from tasks.context import LogLine, Progress
from tasks.models import Run
from tasks.notifier import GONE, Change
from tasks.status import Level
from tasks.watch import EventFeed, Feed, News, OwnerFeed, Rows, RunFeed, Scope, WaitFeed
from tests.tasks.holding import FAILURE, SUCCESS, fresh, hold, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def look(feed: Feed, viewer: Viewer) -> News:
    """One look, after which the watcher has the news."""
    rows = Rows()
    news = feed.answer(feed.ask(rows), rows, viewer)
    feed.told(news)
    return news


def revisions(news: News) -> list[int]:
    return [item.revision for item in news.items]


def numbers(news: News) -> list[int]:
    return [item.number for item in news.items]


def test_a_run_is_told_as_it_is_then_as_it_becomes(viewer: Viewer) -> None:
    run = start(viewer)
    feed = RunFeed(run.pk)
    assert revisions(look(feed, viewer)) == [1]
    assert look(feed, viewer).items == []
    held = hold(run)
    runs.heartbeat(held, Progress(1, 4, "counting"))
    news = look(feed, viewer)
    assert (revisions(news), news.is_over) == ([3], False)  # 2 was passed over
    runs.finish(held, SUCCESS)
    news = look(feed, viewer)
    assert (revisions(news), news.is_over) == ([4], True)


def test_a_run_is_told_at_its_end_though_a_later_revision_was_asked_for(viewer: Viewer) -> None:
    run = start(viewer)
    watched, waited = RunFeed(run.pk, after=99), WaitFeed({run.pk: 99})
    assert (look(watched, viewer).items, look(waited, viewer).items) == ([], [])
    runs.finish(hold(run), SUCCESS)
    for feed in (watched, waited):
        assert feed.hear(run.pk, fresh(run).revision)
        assert look(feed, viewer).is_over


def test_a_known_revision_is_not_told_again(viewer: Viewer) -> None:
    run = start(viewer)
    feed = RunFeed(run.pk, after=1)
    assert look(feed, viewer).items == []
    hold(run)
    assert revisions(look(feed, viewer)) == [2]


@pytest.mark.parametrize("after", [None, 0, 3, 99])
def test_a_final_run_is_told_once_whatever_was_known(viewer: Viewer, after: int | None) -> None:
    run = start(viewer)
    runs.finish(hold(run), FAILURE)
    news = look(RunFeed(run.pk, after), viewer)
    assert (revisions(news), news.is_over) == ([3], True)


@pytest.mark.parametrize("feed_type", [RunFeed, EventFeed])
def test_what_is_not_to_be_seen_is_null_and_the_end(
    make_viewer: Callable[..., Viewer], feed_type: type[RunFeed | EventFeed]
) -> None:
    ada = make_viewer()
    run = start(ada)
    nothing = News([None], is_over=True)
    assert look(feed_type(run.pk), make_viewer("eve")) == nothing
    assert look(feed_type(run.pk), make_viewer("ada", (TASKS_START,))) == nothing
    feed = feed_type(run.pk)
    assert look(feed, ada).items != [None]
    runs.cancel(ada, [run.pk])
    deletion.remove_runs([run.pk])
    assert look(feed, ada) == nothing


def test_the_rule_of_rows_and_that_of_queries_agree(make_viewer: Callable[..., Viewer]) -> None:
    run = start(make_viewer())
    for name in ("ada", "eve"):
        for scopes in ((), (RUNS_READ,), (TASKS_START,)):
            viewer = make_viewer(name, scopes)
            seen = Run.objects.visible_to(viewer).filter(pk=run.pk).exists()
            assert run.is_visible_to(viewer) is seen
    assert not run.is_visible_to(None)


def test_knocks_that_are_doubled_late_or_reordered_are_worth_no_look(viewer: Viewer) -> None:
    run = start(viewer)
    feed = RunFeed(run.pk)
    hold(run)
    look(feed, viewer)
    assert [feed.hear(run.pk, revision) for revision in (1, 2, 2, 3)] == [False, False, False, True]


def test_events_are_told_from_the_first_on_until_the_run_is_final(viewer: Viewer) -> None:
    run = start(viewer)
    feed = EventFeed(run.pk)
    assert numbers(look(feed, viewer)) == [1]
    held = hold(run)
    runs.log(held, [LogLine("a", Level.INFO), LogLine("b", Level.INFO)])
    assert numbers(look(feed, viewer)) == [2, 3, 4]
    runs.heartbeat(held, Progress(1, 2, None))
    assert look(feed, viewer).items == []
    assert not feed.hear(run.pk, fresh(run).revision)  # progress is no event
    runs.finish(held, SUCCESS)
    news = look(feed, viewer)
    assert (numbers(news), news.is_over) == ([fresh(run).revision], True)


def test_events_go_on_after_a_number(viewer: Viewer) -> None:
    run = start(viewer)
    runs.finish(hold(run), SUCCESS)
    news = look(EventFeed(run.pk, after=2), viewer)
    assert (numbers(news), news.is_over) == ([3], True)
    assert look(EventFeed(run.pk, after=3), viewer) == News([], is_over=True, revision=3)


def test_many_events_come_in_bounded_portions(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVENTS_AT_ONCE", 2)
    run = start(viewer)
    held = hold(run)
    runs.log(held, [LogLine(str(n), Level.INFO) for n in range(3)])
    runs.finish(held, SUCCESS)
    feed, told = EventFeed(run.pk), []
    for portion in range(4):
        news = look(feed, viewer)
        told += numbers(news)
        assert news.is_over is (portion == 3)
        assert news.has_more is (portion < 3)
    assert told == [1, 2, 3, 4, 5, 6]


def test_the_runs_of_an_owner_are_told_as_they_change(
    make_viewer: Callable[..., Viewer],
) -> None:
    viewer = make_viewer()
    feed = OwnerFeed([viewer.user_id])
    run = start(viewer)
    assert look(feed, viewer).items == []  # nobody has knocked
    assert feed.hear(run.pk, 1)
    assert revisions(look(feed, viewer)) == [1]
    assert not feed.hear(run.pk, 1)
    hold(run)
    assert feed.hear(run.pk, GONE)  # a survey has missed it among the open ones
    assert revisions(look(feed, viewer)) == [2]
    assert feed.hear(run.pk, GONE)
    assert look(feed, viewer).items == []
    assert feed.hear(start(make_viewer("eve")).pk, 1)  # a knock with a wrong owner
    assert look(feed, viewer).items == []


def test_a_scope_narrows_the_runs_of_an_owner(viewer: Viewer) -> None:
    run = start(viewer, tags=("night", "blue"))
    for scope, is_in in {
        Scope(): True,
        Scope(frozenset({"count_words"})): True,
        Scope(frozenset({"profile_dataset"})): False,
        Scope(frozenset()): False,
        Scope(tags=frozenset({"night"})): True,
        Scope(tags=frozenset({"night", "blue"})): True,
        Scope(tags=frozenset({"night", "red"})): False,
    }.items():
        feed = OwnerFeed([viewer.user_id], scope)
        feed.hear(run.pk, 1)
        assert bool(look(feed, viewer).items) is is_in, scope


def test_a_look_that_failed_is_repeated(viewer: Viewer) -> None:
    run = start(viewer)
    feed = OwnerFeed([viewer.user_id])
    feed.hear(run.pk, 1)
    feed.failed(feed.ask(Rows()))
    assert revisions(look(feed, viewer)) == [1]


def test_who_falls_too_far_behind_is_lost(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BACKLOG", 3)
    monkeypatch.setattr(watch, "HEAVY_AT_ONCE", 2)
    feed = OwnerFeed([viewer.user_id])
    made = [start(viewer) for _ in range(4)]
    for run in made[:3]:
        feed.hear(run.pk, 1)
        feed.hear(run.pk, 1)
    assert not feed.is_lost
    assert len(look(feed, viewer).items) == 2
    for run in made:
        feed.hear(run.pk, 2)
    assert feed.is_lost


def test_what_a_watcher_of_many_remembers_is_bounded(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "REMEMBERED", 3)
    feed = OwnerFeed([viewer.user_id])
    for _ in range(5):
        feed.hear(start(viewer).pk, 1)
        look(feed, viewer)
    assert len(feed._told) == 3


def test_a_wait_is_over_when_each_run_is_as_wanted(viewer: Viewer) -> None:
    one, two = start(viewer), start(viewer)
    feed = WaitFeed({one.pk: None, two.pk: 1})
    assert look(feed, viewer) == News([])
    held = hold(one)
    hold(two)
    assert look(feed, viewer) == News([])  # the first is not final
    runs.finish(held, SUCCESS)
    news = look(feed, viewer)
    assert news.is_over
    assert {run.pk: run.status for run in news.items[0].values()} == {
        one.pk: "SUCCEEDED",
        two.pk: "RUNNING",
    }


def test_a_wait_is_over_when_the_time_is_up_or_the_run_is_gone(viewer: Viewer) -> None:
    run = start(viewer)
    feed = WaitFeed({run.pk: None}, is_due=True)
    assert look(feed, viewer).items[0][run.pk].status == "QUEUED"
    runs.cancel(viewer, [run.pk])
    deletion.remove_runs([run.pk])
    assert look(WaitFeed({run.pk: None}), viewer) == News([{run.pk: None}], is_over=True)


def test_each_row_is_read_once_for_all_watchers(
    make_viewer: Callable[..., Viewer], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    viewer = make_viewer()
    made = [start(viewer) for _ in range(5)]
    feeds: list[Feed] = [RunFeed(run.pk, is_heavy=False) for run in made for _ in range(4)]
    feeds += [EventFeed(made[0].pk) for _ in range(4)]
    rows = Rows()
    questions = [(feed, feed.ask(rows)) for feed in feeds]
    with django_assert_num_queries(2):  # the runs, and the events of one
        for feed, question in questions:
            assert feed.answer(question, rows, viewer).items
    feeds = [RunFeed(made[0].pk), RunFeed(made[0].pk, is_heavy=False), RunFeed(made[1].pk)]
    feeds += [RunFeed(made[2].pk, is_heavy=False)]
    rows = Rows()
    questions = [(feed, feed.ask(rows)) for feed in feeds]
    with django_assert_num_queries(2):  # the heavy ones, and the others
        told = [feed.answer(question, rows, viewer).items[0] for feed, question in questions]
        assert told[0] is told[1]
        assert told[0].input == {"text": "one two", "minimum": 1}


def test_a_survey_tells_how_everything_stands(
    make_viewer: Callable[..., Viewer],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    ada, eve = make_viewer(), make_viewer("eve")
    watched, gone, open_one, ended = (start(ada) for _ in range(4))
    start(eve)
    hold(open_one)
    runs.cancel(ada, [gone.pk, ended.pk])
    deletion.remove_runs([gone.pk])
    expected = {
        Change(watched.pk, ada.user_id, 1),
        Change(gone.pk, gone.pk, GONE),
        Change(open_one.pk, ada.user_id, 2),
    }
    young = {Change(ended.pk, ada.user_id, 2)}  # over, and perhaps never seen open
    with django_assert_num_queries(3):
        assert set(watch.standing([watched.pk, gone.pk], [ada.user_id])) == expected | young
    # Nothing is recent any more, whatever the clock was when the keys were made.
    monkeypatch.setattr(watch, "RECENT", timedelta(days=-36_500))
    assert set(watch.standing([watched.pk, gone.pk], [ada.user_id])) == expected


def test_a_survey_asks_for_very_many_runs_in_portions(
    viewer: Viewer,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr(watch, "IDS_AT_ONCE", 2)
    ids = [start(viewer).pk for _ in range(5)]
    deletion.remove_runs(ids[:1])
    with django_assert_num_queries(3):
        found = {change.run_id: change.revision for change in watch.standing(ids, [])}
    assert found == {ids[0]: GONE, **dict.fromkeys(ids[1:], 1)}


def test_a_survey_of_many_open_runs_is_bounded(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STANDING", 2)
    made = [start(viewer) for _ in range(4)]
    found = {change.run_id for change in watch.standing([], [viewer.user_id])}
    assert found == {run.pk for run in made[2:]}  # the newest


def test_nobody_watching_asks_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert watch.standing([], []) == []
