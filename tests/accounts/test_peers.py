"""Members of a common group are each other's peers, where the settings say so."""

import pytest
from django.contrib.auth.models import Group
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.credentials import from_authorization, still_valid
from accounts.models import User
from accounts.tokens import create_token
from accounts.viewer import RUNS_CANCEL, RUNS_READ, Viewer

pytestmark = pytest.mark.django_db


@pytest.fixture
def users() -> dict[str, User]:
    """Ada and Grace are of one team, Grace and Eve of another, Bob of none."""
    made = {name: User.objects.create_user(name) for name in ("ada", "grace", "eve", "bob")}
    for team, names in (("one", ("ada", "grace")), ("two", ("grace", "eve"))):
        Group.objects.create(name=team).user_set.set([made[name] for name in names])
    return made


def signed_in(user: User, *scopes: str) -> Viewer:
    return from_authorization(f"Bearer {create_token(user.pk, scopes or [RUNS_READ]).text}")


def test_peers_are_the_other_members(users: dict[str, User], settings: Settings) -> None:
    settings.GROUP_READERS = True
    found = {name: signed_in(user).peers for name, user in users.items()}
    keys = {name: user.pk for name, user in users.items()}
    assert found == {
        "ada": {keys["grace"]},
        "grace": {keys["ada"], keys["eve"]},
        "eve": {keys["grace"]},
        "bob": set(),
    }


def test_who_may_not_read_has_none(users: dict[str, User], settings: Settings) -> None:
    settings.GROUP_READERS = True
    assert not signed_in(users["ada"], RUNS_CANCEL).peers


def test_by_default_nobody_has_any(
    users: dict[str, User], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    viewer = signed_in(users["ada"])
    assert not viewer.peers
    assert viewer.credential is not None
    with django_assert_num_queries(1):
        still_valid([viewer.credential])


def test_peers_of_all_watchers_are_one_query(
    users: dict[str, User], settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.GROUP_READERS = True
    viewers = [signed_in(user) for user in users.values()]
    credentials = [viewer.credential for viewer in viewers if viewer.credential is not None]
    with django_assert_num_queries(2):
        found = still_valid(credentials)
    assert found == {viewer.credential: viewer for viewer in viewers}
    users["grace"].groups.clear()
    assert not still_valid(credentials)[credentials[0]].peers
