"""What belongs to one owner shows nowhere to another, and no verb of the other's changes it.

The schema says what is visited and the models what may be betrayed, so what comes later is covered.
"""

import re
from functools import partial
from itertools import product
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.viewer import Viewer
from tasks import broker, notifier
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

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    deleted: list[str] = []
    monkeypatch.setattr(default_storage, "delete", deleted.append)
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)
    monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)
    return Scene(deleted)


def test_every_field_of_the_schema_is_visited() -> None:
    assert all_fields(SCHEMA) <= fields(SCHEMA, VISITS)


def test_owners_themselves_see_the_words_of_all_their_rows(scene: Scene) -> None:
    words = set(re.findall(rf"{THEIRS}\d+", str(scene.seen_by_themselves())))
    assert {scene.theirs.words[word] for word in words} >= models_with_ids().keys()


def test_no_visit_shows_or_changes_what_is_anothers(scene: Scene) -> None:
    for visit in VISITS:
        chosen = scene.chosen(visit)
        for who, viewer in scene.viewers.items():
            with undone():
                answers = scene.ask(visit, viewer, visit.variables(chosen))
                scene.check(f"{visit.name} by {who}", answers)
                scene.check_rows(f"{visit.name} by {who}")


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
        for (slot, kind), (who, viewer) in product(visit.slots, scene.viewers.items()):
            ask = partial(_ask, scene, visit, viewer, chosen, slot, is_shallow=kind != "ID")
            with undone():
                for name in ids if kind == "ID" else texts:
                    with undone():
                        expected = ask(nothing(name))
                    answers = ask(name)
                    what = f"{visit.name} by {who} with {name} as {slot}"
                    scene.check(what, answers, name)
                    assert alike(answers, name) == alike(expected, nothing(name)), what
                scene.check_rows(f"{visit.name} by {who} with all sorts of {slot}")


def _ask(
    scene: Scene,
    visit: Visit,
    viewer: Viewer | None,
    chosen: dict[Path, str],
    slot: Path,
    name: str,
    *,
    is_shallow: bool,
) -> list[Any]:
    variables = visit.variables(chosen, slot, name)
    return scene.ask(visit, viewer, variables, is_shallow=is_shallow)
