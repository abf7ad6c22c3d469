"""People sign in and out, and change their password; other sessions end with the old one."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import User
from tests.backend.people.conftest import ORIGIN, PASSWORD, Spa, code, content

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    "who", [{"username": "ada"}, {"email": "ada@example.org"}, {"email": "ADA@example.org"}]
)
def test_a_name_or_an_address_signs_in(ada: User, spa: Spa, who: dict[str, str]) -> None:
    answer = content(spa.sign_in(**who))
    assert answer["meta"] == {"is_authenticated": True}
    assert answer["data"]["user"]["id"] == str(ada.pk)
    assert answer["data"]["user"]["display"] == "ada"
    assert spa.graphql() == {"data": {"viewer": {"displayName": "ada"}}}


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(ada: User, spa: Spa) -> None:
    wrong = spa.sign_in("wrong")
    unknown = spa.sign_in(username="nobody")
    assert code(wrong) == (400, "username_password_mismatch")
    assert wrong.content == unknown.content
    unknown = spa.sign_in(email="nobody@example.org")
    assert spa.sign_in("wrong", email="ada@example.org").content == unknown.content
    assert spa.session == ""


def test_who_may_not_sign_in_is_no_further_than_with_a_wrong_password(ada: User, spa: Spa) -> None:
    User.objects.update(is_active=False)
    assert spa.sign_in().status_code == 401
    assert not spa.is_signed_in()


def test_a_session_that_somebody_planted_is_not_the_one_that_is_signed_in(
    ada: User, spa: Spa
) -> None:
    planted = Client().session
    planted["planted"] = True
    planted.save()
    spa.cookies["sessionid"] = planted.session_key
    spa.sign_in()
    assert spa.session != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()


def test_the_sessions_cookie_is_for_no_script_and_no_other_site(ada: User, spa: Spa) -> None:
    spa.sign_in()
    cookie = spa.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


def test_sign_out_ends_the_session(ada: User, spa: Spa) -> None:
    spa.sign_in()
    stolen = Spa()
    stolen.cookies["sessionid"] = spa.session
    assert stolen.is_signed_in()
    assert spa.sign_out().status_code == 401  # allauth's word for: nobody is signed in
    assert not stolen.is_signed_in()
    assert spa.graphql() == {"data": {"viewer": None}}


def test_who_is_signed_in_already_signs_out_first(ada: User, spa: Spa) -> None:
    spa.sign_in()
    assert code(spa.sign_in()) == (409, "conflict")


def test_another_password_ends_the_other_sessions(ada: User, spa: Spa) -> None:
    spa.sign_in()
    other = Spa()
    other.sign_in()
    before = spa.session
    new = "staple battery horse"
    answer = spa.post("account/password/change", current_password=PASSWORD, new_password=new)
    assert answer.status_code == 200
    assert spa.is_signed_in()
    assert spa.session != before
    assert not other.is_signed_in()
    assert other.graphql() == {"data": {"viewer": None}}
    assert code(Spa().sign_in())[0] == 400
    assert Spa().sign_in(new).status_code == 200


@pytest.mark.parametrize("new", ["short", "password1", "12345678901", "ada@example.org"])
def test_a_password_that_is_soon_guessed_is_refused(ada: User, spa: Spa, new: str) -> None:
    spa.sign_in()
    answer = spa.post("account/password/change", current_password=PASSWORD, new_password=new)
    assert content(answer)["errors"][0]["param"] == "new_password"
    assert answer.status_code == 400
    assert Spa().sign_in().status_code == 200


def test_a_password_is_changed_by_who_knows_it(ada: User, spa: Spa) -> None:
    spa.sign_in()
    new = "staple battery horse"
    answer = spa.post("account/password/change", current_password="wrong", new_password=new)
    assert code(answer) == (400, "enter_current_password")
    answer = Spa().post("account/password/change", current_password=PASSWORD, new_password=new)
    assert answer.status_code == 401
    assert Spa().sign_in().status_code == 200


@pytest.mark.parametrize("path", ["auth/login", "account/password/change"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_csrftoken": "aB3" * 10 + "xy"},
        {"origin": ORIGIN},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
    ids=["nothing", "a wrong token", "no token", "another origin", "null"],
)
def test_what_no_page_of_ours_sends_is_refused(
    ada: User, spa: Spa, path: str, headers: dict[str, str]
) -> None:
    token = spa.csrf()
    if headers.get("origin", ORIGIN) != ORIGIN:
        headers = {**headers, "x_csrftoken": token}
    body = {"username": "ada", "password": PASSWORD}
    answer = spa.browser.post(
        f"/_allauth/browser/v1/{path}", body, "application/json", headers=headers
    )
    assert code(answer) == (403, "csrf_failed")
    assert spa.session == ""


def test_a_session_starts_runs_only_with_the_proof(ada: User, spa: Spa) -> None:
    spa.sign_in()
    mutation = {"query": 'mutation { countWords(input: {text: "a"}) { run { id } } }'}
    headers = {"origin": ORIGIN}
    unproven = spa.browser.post("/graphql", mutation, "application/json", headers=headers)
    assert unproven.status_code == 403
    answer = spa.send("POST", "/graphql", mutation, origin="https://evil.example")
    assert answer.status_code == 403
    assert ada.runs.count() == 0
    assert "errors" not in spa.graphql(mutation["query"])
    assert ada.runs.count() == 1
