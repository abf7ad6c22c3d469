"""What people are signed in by is looked at again in batches."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.credentials import from_authorization, still_valid
from accounts.models import ApiToken, User
from accounts.sessions import viewer_from_session
from accounts.tokens import create_token
from accounts.viewer import RUNS_READ, Credential, Kind, Viewer

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create(username="ada")


def by_token(user: User, *scopes: str) -> Viewer:
    viewer = from_authorization(f"Bearer {create_token(user.pk, scopes).text}")
    assert viewer is not None
    return viewer


def by_session(user: User) -> Viewer:
    client = Client()
    client.force_login(user)
    viewer = viewer_from_session(str(client.session.session_key))
    assert viewer is not None
    return viewer


def credential(viewer: Viewer) -> Credential:
    assert viewer.credential is not None
    return viewer.credential


def test_what_is_valid_stays_so(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    viewers = [by_token(user, RUNS_READ), by_token(user), by_session(user), by_session(user)]
    with django_assert_num_queries(3):
        found = still_valid([credential(viewer) for viewer in viewers])
    assert found == {credential(viewer): viewer for viewer in viewers}
    with django_assert_num_queries(0):
        assert still_valid([]) == {}


def test_a_token_tells_its_scopes_of_today(user: User) -> None:
    key = credential(by_token(user, RUNS_READ))
    ApiToken.objects.update(scopes=[])
    assert still_valid([key])[key].scopes == frozenset()


def test_a_session_survives_the_rotation_of_the_secret_key(user: User, settings: Settings) -> None:
    key = credential(by_session(user))
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    assert still_valid([key]) == {}
    settings.SECRET_KEY_FALLBACKS = ["an older one", old]
    assert key in still_valid([key])
    _change_password(user)
    assert still_valid([key]) == {}


def _revoke(user: User) -> None:
    ApiToken.objects.update(revoked_at=timezone.now())


def _deactivate(user: User) -> None:
    User.objects.update(is_active=False)


def _expire(user: User) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def _sign_out(user: User) -> None:
    Session.objects.all().delete()


def _change_password(user: User) -> None:
    user.set_password("another")
    user.save()


@pytest.mark.parametrize(
    ("make", "end"),
    [
        (by_token, _revoke),
        (by_token, _deactivate),
        (by_session, _deactivate),
        (by_session, _expire),
        (by_session, _sign_out),
        (by_session, _change_password),
    ],
)
def test_what_has_ended_opens_nothing(
    user: User, make: Callable[[User], Viewer], end: Callable[[User], None]
) -> None:
    key = credential(make(user))
    assert key in still_valid([key])
    end(user)
    assert still_valid([key]) == {}


def test_a_session_in_which_nobody_signed_in_opens_nothing(user: User) -> None:
    client = Client()
    session = client.session
    session["words"] = 1
    session.save()
    key = str(session.session_key)
    assert viewer_from_session(key) is None
    assert still_valid([Credential(Kind.SESSION, key)]) == {}


@pytest.mark.parametrize("part", [BACKEND_SESSION_KEY, HASH_SESSION_KEY])
def test_a_session_that_lacks_a_part_opens_nothing(user: User, part: str) -> None:
    client = Client()
    client.force_login(user)
    session = client.session
    del session[part]
    session.save()
    assert viewer_from_session(str(session.session_key)) is None


@pytest.mark.parametrize("key", ["", "x" * 41, "a b", "é", "\x00"])
def test_what_is_no_key_is_not_asked_for(
    key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert viewer_from_session(key) is None
