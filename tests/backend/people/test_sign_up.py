"""Nobody makes an account unless the operator says so; an address is confirmed before it counts."""

import re
from urllib.parse import unquote

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.mail import EmailMessage
from django.urls import include, path
from pytest_django import Settings

from accounts.models import User
from backend.people.urls import addresses
from backend.urls import urlpatterns as real
from tests.backend.people.conftest import ORIGIN, PASSWORD, Spa, code, content

pytestmark = pytest.mark.database

handler400 = "backend.refusals.bad_request"
urlpatterns = [  # with SIGN_UP=true, but without mail
    path("_allauth/browser/v1/", include(addresses(sign_up=True, sends_mail=False))),
    *real,
]


def test_it_is_off_by_itself(db: None, spa: Spa) -> None:
    for body in ({"username": "eve", "password": PASSWORD}, {}):
        assert code(spa.post("auth/signup", **body)) == (403, "sign_up_off")
    assert not User.objects.exists()
    settings = content(spa.send("GET", "config"))["data"]["account"]
    assert settings["is_open_for_signup"] is False
    flows = content(spa.send("GET", "auth/session"))["data"]["flows"]
    assert flows == [{"id": "login"}]


@pytest.fixture
def _without_mail(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.SIGN_UP = True


@pytest.mark.usefixtures("_without_mail")
def test_without_mail_a_name_is_all(db: None, spa: Spa) -> None:
    answer = spa.post("auth/signup", username="eve", password=PASSWORD, email="ada@example.org")
    assert answer.status_code == 200
    assert spa.graphql() == {"data": {"viewer": {"displayName": "eve"}}}
    eve = User.objects.get()
    assert (eve.email, eve.is_staff, eve.is_superuser) == ("", False, False)
    answer = Spa().post("auth/signup", username="EVE", password=PASSWORD)
    assert code(answer) == (400, "username_taken")


@pytest.mark.usefixtures("_without_mail")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "eve"},
        {"username": "eve", "password": "short"},
        {"username": "e v e", "password": PASSWORD},
        {"username": "e\0", "password": PASSWORD},
        {"username": "e" * 151, "password": PASSWORD},
        {"username": "eve", "password": f"{PASSWORD}\0"},
    ],
)
def test_what_is_no_account_is_refused(db: None, spa: Spa, body: dict[str, str]) -> None:
    answer = spa.post("auth/signup", **body)
    assert answer.status_code == 400
    assert content(answer)["errors"][0]["param"] in ("username", "password")
    assert not User.objects.exists()


def key_in(mail: EmailMessage) -> str:
    found = re.search(rf"{ORIGIN}/account/verify-email/(\S+)", str(mail.body))
    assert found, mail.body
    return unquote(found[1])


@pytest.mark.usefixtures("mail")
def test_an_account_opens_when_its_address_is_confirmed(
    db: None, spa: Spa, mailoutbox: list[EmailMessage]
) -> None:
    answer = spa.post("auth/signup", email="Eve@example.org", password=PASSWORD)
    assert answer.status_code == 401
    pending = {"id": "verify_email", "is_pending": True}
    assert pending in content(answer)["data"]["flows"]
    assert User.objects.get().email == "eve@example.org"
    for who in ({"email": "eve@example.org"}, {"username": "eve"}):
        answer = Spa().sign_in(**who)
        assert answer.status_code == 401
        assert pending in content(answer)["data"]["flows"]
    key = key_in(mailoutbox[0])
    found = spa.send("GET", "auth/email/verify", x_email_verification_key=key)
    assert content(found)["data"]["email"] == "eve@example.org"
    assert spa.post("auth/email/verify", key=key).status_code == 401
    assert not spa.is_signed_in()
    assert spa.sign_in(email="eve@example.org").status_code == 200
    assert code(Spa().post("auth/email/verify", key=key))[0] == 400
    assert len(mailoutbox) == 1  # the others were within the pause


@pytest.mark.usefixtures("mail")
@pytest.mark.parametrize("key", ["", "x", "a:b:c", "\0", ":" * 1_000])
def test_a_key_that_is_none_confirms_nothing(db: None, spa: Spa, key: str) -> None:
    assert spa.post("auth/email/verify", key=key).status_code == 400
    assert spa.send("GET", "auth/email/verify", x_email_verification_key=key).status_code == 400


@pytest.mark.usefixtures("mail")
def test_nobody_learns_that_an_address_has_an_account(
    ada: User, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counting(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    first = Spa().post("auth/signup", email="eve@example.org", password=PASSWORD)
    new = len(hashed)
    second = Spa().post("auth/signup", email="ada@example.org", password=PASSWORD)
    assert first.content == second.content
    assert User.objects.count() == 2
    assert (new, len(hashed)) == (1, 2)  # the time would tell, too
    assert [mail.to for mail in mailoutbox] == [["eve@example.org"], ["ada@example.org"]]
    assert "already exists" in str(mailoutbox[1].body)
    assert Spa().sign_in().status_code == 200


@pytest.mark.usefixtures("mail")
@pytest.mark.parametrize("email", ["", "ada@example.org"])
def test_whom_an_operator_made_a_user_confirms_nothing(
    db: None, spa: Spa, email: str, mailoutbox: list[EmailMessage]
) -> None:
    User.objects.create_user("ada", email, PASSWORD)
    if email:
        Spa().post("auth/password/request", email=email)
    assert spa.sign_in().status_code == 200
    assert [mail.subject for mail in mailoutbox] == ["Password Reset Email"] * bool(email)
