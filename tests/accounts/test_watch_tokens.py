"""A watch token shows one run of one owner, in its time, as long as its maker's token lives."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.core import signing
from django.utils import timezone
from pytest_django import Settings

from accounts.credentials import from_authorization, still_valid
from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.viewer import ACT_AS, ADMIN, RUNS_READ, BadCredential, Credential, Kind, Viewer
from accounts.watch_tokens import WatchToken, create_watch_token

pytestmark = pytest.mark.django_db

RUN = uuid4()


@pytest.fixture
def maker() -> Viewer:
    user = User.objects.create_user("ada")
    return from_authorization(f"Bearer {create_token(user.pk, [RUNS_READ]).text}")


def made(maker: Viewer, seconds: int = 60) -> WatchToken:
    return create_watch_token(maker, RUN, maker.user_id, seconds)


def opened(token: WatchToken) -> Viewer:
    return from_authorization(f"Bearer {token.text}")


def test_it_shows_one_run_and_does_nothing_else(maker: Viewer) -> None:
    viewer = opened(made(maker))
    assert (viewer.user_id, viewer.run_id) == (maker.user_id, RUN)
    assert viewer.scopes == {RUNS_READ}
    assert not viewer.owns(maker.user_id)
    assert viewer.counted_as == str(RUN)


def test_it_ends_in_its_time(maker: Viewer) -> None:
    token = made(maker)
    key = Credential(Kind.WATCH, token.text)
    assert key in still_valid([key])
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert still_valid([key]) == {}
        with pytest.raises(BadCredential):
            opened(token)


@pytest.mark.parametrize("change", ["the token", "the owner", "the key"])
def test_it_ends_with_what_has_made_it(maker: Viewer, change: str, settings: Settings) -> None:
    token = made(maker)
    assert opened(token)
    if change == "the token":
        ApiToken.objects.update(revoked_at=timezone.now())
    elif change == "the owner":
        User.objects.update(is_active=False)
    else:
        settings.SECRET_KEY = "x" * 50
    with pytest.raises(BadCredential):
        opened(token)


def test_it_lasts_no_longer_than_its_makers_token() -> None:
    user = User.objects.create_user("ada")
    until = timezone.now() + timedelta(seconds=30)
    text = create_token(user.pk, [RUNS_READ], expires_at=until).text
    token = made(from_authorization(f"Bearer {text}"))
    assert token.expires_at <= until


def test_what_an_admin_shows_of_others_ends_with_the_admin() -> None:
    owner, root = User.objects.create_user("ada"), User.objects.create_superuser("root")
    maker = from_authorization(f"Bearer {create_token(root.pk, [ADMIN]).text}")
    token = create_watch_token(maker, RUN, owner.pk, 60)
    assert opened(token).user_id == owner.pk
    User.objects.filter(pk=root.pk).update(is_superuser=False)
    with pytest.raises(BadCredential):
        opened(token)


def test_one_for_whom_a_service_acts_is_shown_with_its_token() -> None:
    service = User.objects.create_user("service")
    text = create_token(service.pk, [ACT_AS, RUNS_READ]).text
    token = made(from_authorization(f"Bearer {text}", "grace"))
    assert opened(token).user.subject == "grace"
    ApiToken.objects.update(revoked_at=timezone.now())
    with pytest.raises(BadCredential):
        opened(token)


def test_who_signed_in_by_a_session_makes_one_that_lasts_by_itself(maker: Viewer) -> None:
    session = Viewer(maker.user_id, maker.scopes, Credential(Kind.SESSION, "abc"))
    token = made(session)
    ApiToken.objects.all().delete()
    assert opened(token).run_id == RUN


def test_a_session_shows_nothing_of_an_owner_who_was_deactivated(maker: Viewer) -> None:
    token = made(Viewer(maker.user_id, maker.scopes, Credential(Kind.SESSION, "abc")))
    User.objects.filter(pk=maker.user_id).update(is_active=False)
    with pytest.raises(BadCredential):
        opened(token)


def test_a_forged_one_opens_nothing(maker: Viewer) -> None:
    text = made(maker).text
    other = signing.dumps([RUN.hex, maker.user_id.hex, "", 2**40], salt="downbeat.upload")
    content, _, signature = text.rpartition(":")
    for forged in (f"{text}x", text[:-1], f"dbw_{other}", f"{content[:-2]}xx:{signature}", "dbw_"):
        with pytest.raises(BadCredential):
            from_authorization(f"Bearer {forged}")


def test_it_acts_for_nobody(maker: Viewer) -> None:
    with pytest.raises(BadCredential, match="API token"):
        from_authorization(f"Bearer {made(maker).text}", "grace")
