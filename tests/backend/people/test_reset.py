"""A forgotten password is replaced by who reads the account's mail; nobody learns who has one."""

import re
from smtplib import SMTPServerDisconnected
from typing import Never

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend

from accounts.models import User
from tests.backend.people.conftest import ORIGIN, PASSWORD, Spa, code, content

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("mail")]

NEW = "staple battery horse"


def key_in(mail: EmailMessage) -> str:
    """The key in the link of the mail."""
    found = re.search(rf"{ORIGIN}/account/password/reset/key/(\S+)", str(mail.body))
    assert found, mail.body
    return found[1]


def ask(email: str = "ada@example.org") -> None:
    answer = Spa().post("auth/password/request", email=email)
    assert content(answer) == {"status": 200}


def test_the_link_in_the_mail_replaces_the_password_once(
    ada: User, spa: Spa, mailoutbox: list[EmailMessage]
) -> None:
    spa.sign_in()
    ask("ADA@example.org")
    (mail,) = mailoutbox
    assert (mail.to, mail.from_email) == (["ada@example.org"], "downbeat@app.example")
    key = key_in(mail)
    found = spa.send("GET", "auth/password/reset", x_password_reset_key=key)
    assert content(found)["data"]["user"]["display"] == "ada"
    assert Spa().post("auth/password/reset", key=key, password=NEW).status_code == 401
    assert not spa.is_signed_in()
    assert Spa().sign_in().status_code == 400
    assert Spa().sign_in(NEW).status_code == 200
    again = Spa().post("auth/password/reset", key=key, password=PASSWORD)
    assert code(again) == (400, "invalid_password_reset")
    assert Spa().sign_in(NEW).status_code == 200


def test_an_unknown_address_is_answered_alike_and_gets_a_mail_too(
    ada: User, mailoutbox: list[EmailMessage]
) -> None:
    ask()
    ask("nobody@example.org")
    known, unknown = mailoutbox
    assert unknown.to == ["nobody@example.org"]
    assert ORIGIN in str(known.body)
    assert "There is no such account." in str(unknown.body)
    assert f"{ORIGIN}/account/signup" in str(unknown.body)


def test_who_cannot_sign_up_is_not_sent_to_do_so(
    db: None, settings: pytest.FixtureRequest, mailoutbox: list[EmailMessage]
) -> None:
    settings.SIGN_UP = False  # type: ignore[attr-defined]
    ask("nobody@example.org")
    assert "signup" not in str(mailoutbox[0].body)


def test_no_mail_says_what_the_host_header_says(
    ada: User, spa: Spa, mailoutbox: list[EmailMessage]
) -> None:
    spa.send("POST", "auth/password/request", {"email": ada.email}, host="localhost:666")
    assert "localhost" not in f"{mailoutbox[0].subject}{mailoutbox[0].body}"
    assert "app.example" in str(mailoutbox[0].body)


@pytest.mark.parametrize(
    "key", ["", "x", "-", "x-y", "zz" * 16 + "-a", "\0", "a\0-b", f"{'0' * 32}-c-d"]
)
def test_a_key_that_is_none_opens_nothing(ada: User, spa: Spa, key: str) -> None:
    assert spa.post("auth/password/reset", key=key, password=NEW).status_code == 400
    assert spa.send("GET", "auth/password/reset", x_password_reset_key=key).status_code == 400
    assert spa.send("GET", "auth/password/reset").status_code == 400
    assert Spa().sign_in().status_code == 200


def test_the_key_of_one_is_not_the_key_of_another(
    ada: User, mailoutbox: list[EmailMessage]
) -> None:
    grace = User.objects.create_user("grace", "grace@example.org", PASSWORD)
    ask()
    secret = key_in(mailoutbox[0]).partition("-")[2]
    answer = Spa().post("auth/password/reset", key=f"{grace.pk.hex}-{secret}", password=NEW)
    assert code(answer) == (400, "invalid_password_reset")


def test_a_password_that_is_soon_guessed_is_refused(
    ada: User, spa: Spa, mailoutbox: list[EmailMessage]
) -> None:
    ask()
    key = key_in(mailoutbox[0])
    assert spa.post("auth/password/reset", key=key, password="short").status_code == 400
    assert spa.post("auth/password/reset", key=key, password=NEW).status_code == 401


def test_mails_to_an_address_are_few(db: None) -> None:
    for _ in range(5):
        ask()
    answer = Spa("198.51.100.1").post("auth/password/request", email="ada@example.org")
    assert code(answer) == (429, "rate_limited")


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
def test_a_mail_server_that_is_away_is_503(
    ada: User,
    spa: Spa,
    email: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> Never:
        raise SMTPServerDisconnected("no route to 10.0.0.1")

    monkeypatch.setattr(EmailBackend, "send_messages", fail)
    answer = spa.post("auth/password/request", email=email)
    assert code(answer) == (503, "unavailable")
    assert b"10.0.0.1" not in answer.content
    assert "EMAIL_URL" in caplog.text
