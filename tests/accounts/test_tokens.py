"""A token opens what its user may see, is stored only as a digest, and can be taken back."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.credentials import from_authorization
from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.viewer import RUNS_READ, SCOPES, BadCredential

pytestmark = pytest.mark.django_db


def make_user(name: str = "ada") -> User:
    return User.objects.create_user(name)


def test_a_token_signs_its_user_in() -> None:
    user = make_user()
    viewer = from_authorization(f"Bearer {create_token(user.pk, [RUNS_READ]).text}")
    assert viewer is not None
    assert (viewer.user_id, viewer.scopes) == (user.pk, frozenset([RUNS_READ]))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer  ", "Basic abc", "dbt_abc", "Bearer ü"])
def test_a_header_that_is_no_token_is_refused(header: str) -> None:
    with pytest.raises(BadCredential):
        from_authorization(header)


def test_an_unknown_token_is_refused() -> None:
    with pytest.raises(BadCredential):
        from_authorization("Bearer dbt_unknown")


def test_a_revoked_token_is_refused() -> None:
    token = create_token(make_user().pk).text
    ApiToken.objects.update(revoked_at=timezone.now())
    with pytest.raises(BadCredential):
        from_authorization(f"Bearer {token}")


def test_the_token_of_a_locked_user_is_refused() -> None:
    token = create_token(make_user().pk).text
    User.objects.update(is_active=False)
    with pytest.raises(BadCredential):
        from_authorization(f"Bearer {token}")


def test_only_a_digest_is_stored() -> None:
    token = create_token(make_user().pk).text
    row = ApiToken.objects.values().get()
    assert token not in str(row)
    assert token.startswith(row["prefix"])
    assert len(row["prefix"]) < len(token) / 2


def test_the_last_use_is_kept_to_the_minute(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    header = f"Bearer {create_token(make_user().pk).text}"
    with django_assert_num_queries(2):
        from_authorization(header)
    with django_assert_num_queries(1):
        from_authorization(header)
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert timezone.now() - used < timedelta(seconds=10)


def test_the_command_prints_the_token_last_and_makes_the_user() -> None:
    out = io.StringIO()
    call_command("api_token", "grace", stdout=out)
    viewer = from_authorization(f"Bearer {out.getvalue().split()[-1]}")
    assert viewer is not None
    assert viewer.scopes == set(SCOPES)
    assert User.objects.get().username == "grace"
    assert not User.objects.get().has_usable_password()


def test_the_command_gives_only_the_scopes_that_were_named() -> None:
    make_user("grace")
    out = io.StringIO()
    call_command("api_token", "grace", "--scope", RUNS_READ, stdout=out)
    assert ApiToken.objects.get().scopes == [RUNS_READ]
    assert User.objects.count() == 1


def test_the_display_name_is_the_full_name_if_there_is_one() -> None:
    user = make_user()
    assert user.display_name == "ada"
    user.first_name, user.last_name = "Ada", "Lovelace"
    assert user.display_name == "Ada Lovelace"
