"""What belongs to one owner shows nowhere to another, and no verb of the other's changes it.

The schema says what is visited and the models what may be betrayed, so what comes later is covered.
"""

import re
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.viewer import Viewer
from tasks import broker, notifier
from tests.hostile.owners import WATCH
from tests.hostile.scene import (
    SCHEMA,
    THEIRS,
    VISITS,
    Scene,
    alike,
    models_with_ids,
    nothing,
    undone,
)
from tests.hostile.visits import Path, Visit, all_fields, fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    deleted: list[str] = []
    monkeypatch.setattr(default_storage, "delete", deleted.append)
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)
    monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)
    return Scene(deleted)


def test_every_field_of_the_schema_is_visited() -> None:
    assert all_fields(SCHEMA) <= fields(SCHEMA, VISITS)


@pytest.mark.database
def test_owners_themselves_see_the_words_of_all_their_rows(scene: Scene) -> None:
    words = set(re.findall(rf"{THEIRS}\d+", str(scene.seen_by_themselves())))
    assert {scene.theirs.words[word] for word in words} >= models_with_ids().keys()


@pytest.mark.database
def test_no_visit_shows_or_changes_what_is_anothers(scene: Scene) -> None:
    for visit in VISITS:
        chosen = scene.chosen(visit)
        for who, viewer in scene.viewers.items():
            with undone():
                answers = scene.ask(visit, viewer, visit.variables(chosen))
                scene.check(f"{visit.name} by {who}", answers)
                if visit.kind == "mutation" or viewer is scene.me:
                    scene.check_rows(f"{visit.name} by {who}")


@pytest.mark.database
def test_own_rows_that_point_at_anothers_do_not_show_them(scene: Scene) -> None:
    for visit in VISITS:
        chosen = scene.chosen(visit)
        for path in (path for path, kind in visit.needed if kind == "ID"):
            with undone():
                for each in scene.entangled:
                    with undone():
                        answers = scene.ask(
                            visit, scene.me, visit.variables({**chosen, path: each})
                        )
                    scene.check(f"{visit.name} with {each}", answers)
                scene.check_rows(visit.name)


def test_what_is_anothers_is_answered_as_what_is_not_there(scene: Scene) -> None:
    ids, texts = scene.names()
    for visit in VISITS:
        chosen = scene.chosen(visit)
        for who, viewer in scene.viewers.items():
            for slot, kind in visit.slots:
                names = ids if kind == "ID" else texts
                check_names(scene, visit, who, viewer, chosen, slot, names, is_deep=kind == "ID")


@pytest.mark.database
def test_a_watch_token_shows_one_run_and_none_of_the_owners_others(scene: Scene) -> None:
    others = scene.watch()
    for visit in VISITS:
        chosen = scene.reach(visit, scene.theirs, scene.them)
        if not visit.needed:
            scene.check(visit.name, scene.ask(visit, scene.watcher, visit.variables(chosen)))
        for slot in (slot for slot, kind in visit.slots if kind == "ID"):
            check_names(scene, visit, WATCH, scene.watcher, chosen, slot, others, is_deep=False)


def check_names(
    scene: Scene,
    visit: Visit,
    who: str,
    viewer: Viewer | None,
    chosen: dict[Path, str],
    slot: Path,
    names: list[str],
    *,
    is_deep: bool,
) -> None:
    """Each name in the slot is answered as a name of nothing, and no row changes."""

    def ask(name: str) -> list[Any]:
        variables = visit.variables(chosen, slot, name)
        return scene.ask(visit, viewer, variables, is_shallow=not is_deep)

    with undone():
        for name in names:
            with undone():
                expected = ask(nothing(name))
            answers = ask(name)
            what = f"{visit.name} by {who} with {name} as {slot}"
            scene.check(what, answers, name)
            assert alike(answers, name) == alike(expected, nothing(name)), what
        scene.check_rows(f"{visit.name} by {who} with all sorts of {slot}")
