"""A token opens what its user may see, is stored only as a digest, and can be taken back."""

import io
import time
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import tokens
from accounts.credentials import from_authorization, still_valid
from accounts.models import ApiToken, User
from accounts.recent import Recent
from accounts.tokens import create_token
from accounts.viewer import (
    ACT_AS,
    ADMIN,
    RUNS_READ,
    SCOPES,
    TASKS_START,
    TOKENS_MANAGE,
    BadCredential,
)

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
    tokens.recent.clear()
    with django_assert_num_queries(1):
        from_authorization(header)
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert timezone.now() - used < timedelta(seconds=10)


def test_a_busy_client_costs_no_query_for_a_few_seconds(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "recent", Recent(0.2, 10))
    header = f"Bearer {create_token(make_user().pk).text}"
    viewer = from_authorization(header)
    with django_assert_num_queries(0):
        assert from_authorization(header) == viewer
    ApiToken.objects.update(revoked_at=timezone.now())  # as another process does
    assert from_authorization(header) == viewer
    time.sleep(0.25)
    with pytest.raises(BadCredential):
        from_authorization(header)


def test_what_this_process_takes_back_opens_nothing_at_once() -> None:
    user = make_user()
    revoked, deleted, locked = (f"Bearer {create_token(user.pk).text}" for _ in range(3))
    rows = list(ApiToken.objects.order_by("id"))
    for header in (revoked, deleted, locked):
        from_authorization(header)
    tokens.revoke(ApiToken.objects.filter(pk=rows[0].pk))
    rows[1].delete()
    for header in (revoked, deleted):
        with pytest.raises(BadCredential):
            from_authorization(header)
    from_authorization(locked)
    user.is_active = False
    user.save()
    with pytest.raises(BadCredential):
        from_authorization(locked)


def test_a_token_that_was_seen_a_moment_ago_expires_in_time() -> None:
    soon = timezone.now() + timedelta(seconds=60)
    header = f"Bearer {create_token(make_user().pk, expires_at=soon).text}"
    from_authorization(header)
    with time_machine.travel(soon), pytest.raises(BadCredential):
        from_authorization(header)


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


def test_a_token_that_has_expired_is_refused() -> None:
    token = create_token(make_user().pk, expires_at=timezone.now() + timedelta(hours=1))
    assert from_authorization(f"Bearer {token.text}").expires_at == token.row.expires_at
    with time_machine.travel(timezone.now() + timedelta(hours=2)), pytest.raises(BadCredential):
        from_authorization(f"Bearer {token.text}")


@pytest.mark.parametrize(
    ("scopes", "may", "may_not"),
    [
        ([TASKS_START], ["count_words", "profile_dataset"], []),
        (["tasks:start:count_words"], ["count_words"], ["profile_dataset", "count"]),
        ([RUNS_READ], [], ["count_words"]),
    ],
)
def test_a_token_starts_what_its_scopes_name(
    scopes: list[str], may: list[str], may_not: list[str]
) -> None:
    viewer = from_authorization(f"Bearer {create_token(make_user().pk, scopes).text}")
    assert all(map(viewer.may_start, may))
    assert not any(map(viewer.may_start, may_not))
    assert viewer.may_start_some is bool(may)


def test_the_scope_admin_counts_while_the_user_is_a_superuser() -> None:
    user = make_user()
    header = f"Bearer {create_token(user.pk, [ADMIN]).text}"
    assert not from_authorization(header).is_admin
    user.is_superuser = True
    user.save()
    viewer = from_authorization(header)
    assert viewer.is_admin
    assert viewer.may(RUNS_READ)


SERVICE = [ACT_AS, RUNS_READ, TASKS_START, TOKENS_MANAGE, ADMIN]


def test_a_service_acts_for_its_subjects_who_are_users_of_their_own() -> None:
    service = User.objects.create_superuser("service")
    header = f"Bearer {create_token(service.pk, SERVICE).text}"
    viewer = from_authorization(header, "ada@example.org")
    assert viewer.user.subject == "ada@example.org"
    assert viewer.user.display_name == "ada@example.org"
    assert not viewer.user.has_usable_password()
    assert viewer.scopes == {RUNS_READ, TASKS_START}
    assert not viewer.is_staff
    assert from_authorization(header, "ada@example.org").user_id == viewer.user_id
    assert from_authorization(header, "grace").user_id not in (viewer.user_id, service.pk)


def test_a_known_subject_costs_one_query_more(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    header = f"Bearer {create_token(make_user().pk, SERVICE).text}"
    from_authorization(header, "grace")
    with django_assert_num_queries(2):
        from_authorization(header, "grace")


def test_subjects_of_two_services_are_two_users() -> None:
    one, two = (
        from_authorization(f"Bearer {create_token(make_user(name).pk, SERVICE).text}", "grace")
        for name in ("one", "two")
    )
    assert one.user_id != two.user_id


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\0b", "a\nb", "Zoë", "ZoÃ«", " ada", "ada "])
def test_what_is_no_name_of_a_subject_is_refused(subject: str) -> None:
    header = f"Bearer {create_token(make_user().pk, SERVICE).text}"
    with pytest.raises(BadCredential, match="printable"):
        from_authorization(header, subject)
    assert User.objects.count() == 1


def test_a_token_without_the_scope_acts_for_nobody() -> None:
    header = f"Bearer {create_token(make_user().pk).text}"
    with pytest.raises(BadCredential, match=ACT_AS):
        from_authorization(header, "grace")
    assert User.objects.count() == 1


def test_a_subject_who_was_deactivated_is_refused() -> None:
    header = f"Bearer {create_token(make_user().pk, SERVICE).text}"
    viewer = from_authorization(header, "grace")
    assert viewer.credential is not None
    assert viewer.credential in still_valid([viewer.credential])
    User.objects.filter(pk=viewer.user_id).update(is_active=False)
    assert still_valid([viewer.credential]) == {}
    with pytest.raises(BadCredential, match="deactivated"):
        from_authorization(header, "grace")


@pytest.mark.parametrize("scopes", [[ACT_AS, RUNS_READ], [RUNS_READ]])
def test_who_is_acted_for_is_found_again_while_the_token_may(scopes: list[str]) -> None:
    token = create_token(make_user().pk, SERVICE)
    viewer = from_authorization(f"Bearer {token.text}", "grace")
    assert viewer.credential is not None
    ApiToken.objects.update(scopes=scopes)
    found = still_valid([viewer.credential])
    assert (viewer.credential in found) is (ACT_AS in scopes)
    if found:
        assert found[viewer.credential].user_id == viewer.user_id
        assert found[viewer.credential].scopes == {RUNS_READ}


@pytest.mark.parametrize(
    "arguments", [["--scope", "runs:write"], ["--scope", "tasks:start:"], ["--days", "0"]]
)
def test_the_command_refuses_what_makes_no_token(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("api_token", "ada", *arguments)
    assert not ApiToken.objects.exists()


def test_the_command_makes_a_token_that_expires() -> None:
    call_command("api_token", "ada", "--scope", "tasks:start:count_words", "--days", "7")
    token = ApiToken.objects.get()
    assert token.scopes == ["tasks:start:count_words"]
    assert token.expires_at is not None
    assert timedelta(days=6) < token.expires_at - timezone.now() <= timedelta(days=7)
