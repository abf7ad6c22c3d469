"""Each guard of the protocol is needed: without it a story goes wrong that is told well with it."""

import pytest
from django.db import DatabaseError, connection, transaction

from tasks import statements
from tasks.sql import Verb
from tests.model import page
from tests.model.conditions import conditions
from tests.model.guards import FOR_THE_INDEX, GUARDS, Guard

pytestmark = [pytest.mark.database, pytest.mark.django_db]
STORIES = {str(guard.story): guard for guard in GUARDS}
VERBS = {name: verb for name, verb in vars(statements).items() if isinstance(verb, Verb)}


@pytest.mark.parametrize("guard", STORIES.values(), ids=lambda guard: guard.caught_by)
def test_with_every_guard_each_story_is_as_expected(guard: Guard) -> None:
    guard.story()


@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_without_a_guard_its_story_goes_wrong(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    if guard.vendor not in (None, connection.vendor):
        pytest.skip(f"only {guard.vendor} has it")
    wrong = (AssertionError, DatabaseError, pytest.fail.Exception)
    with transaction.atomic():
        with guard.missing(monkeypatch), pytest.raises(wrong):
            guard.story()
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_condition_of_a_verb_is_among_the_guards(name: str) -> None:
    verb = VERBS[name]
    found = {each for text in (verb.change, *verb.then) for each in conditions(text)}
    known = {each for guard in GUARDS if guard.place == name for each in guard.conditions}
    known |= {condition for place, condition in FOR_THE_INDEX if place == name}
    assert found <= known, f"name these in tests/model/guards.py: {sorted(found - known)}"


def test_the_page_lists_them_all() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), "make guards"
