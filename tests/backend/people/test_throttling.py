"""Attempts to sign in are counted for the account and for the address, wherever they are made."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.backend.people.conftest import BASE, PASSWORD, Spa, code, content

pytestmark = pytest.mark.database

OF_ACCOUNT = 5  # failures in five minutes
OF_ADDRESS = 10  # in a minute


def fail(times: int, who: str = "ada", spa: Spa | None = None) -> None:
    for _ in range(times):
        assert (spa or Spa()).sign_in("wrong", username=who).status_code == 400


def test_an_account_is_throttled_from_every_address(ada: User) -> None:
    for number in range(OF_ACCOUNT):
        fail(1, spa=Spa(f"203.0.113.{number}"))
    answer = Spa("198.51.100.1").sign_in()
    assert code(answer) == (429, "rate_limited")
    assert 290 <= int(answer.headers["Retry-After"]) <= 300
    assert f"in {answer.headers['Retry-After']} seconds" in content(answer)["errors"][0]["message"]
    assert Spa().sign_in(username="ADA").status_code == 429


def test_no_header_is_a_way_around(ada: User, spa: Spa) -> None:
    for number in range(OF_ACCOUNT + 1):
        headers = {"host": f"localhost:{number + 1}", "x_forwarded_for": f"198.51.100.{number}"}
        body = {"username": "ada", "password": "wrong"}
        answer = spa.send("POST", "auth/login", body, **headers, origin="https://app.example")
    assert answer.status_code == 429


def test_throttled_is_who_is_not_checked(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(OF_ACCOUNT)
    monkeypatch.setattr(MD5PasswordHasher, "verify", None)
    monkeypatch.setattr(MD5PasswordHasher, "encode", None)
    assert Spa().sign_in().status_code == 429


def test_an_address_is_throttled_for_every_account(ada: User) -> None:
    for number in range(OF_ADDRESS):
        fail(1, who=f"nobody{number}")
    answer = Spa().sign_in()
    assert code(answer) == (429, "rate_limited")
    assert 50 <= int(answer.headers["Retry-After"]) <= 60
    assert Spa("198.51.100.1").sign_in().status_code == 200


def test_it_ends_by_itself(ada: User) -> None:
    fail(OF_ACCOUNT)
    wait = int(Spa().sign_in().headers["Retry-After"])
    with time_machine.travel(timezone.now() + timedelta(seconds=wait + 1)):
        assert Spa().sign_in().status_code == 200


def test_who_signs_in_is_not_counted(ada: User) -> None:
    for _ in range(OF_ADDRESS + 1):
        assert Spa().sign_in().status_code == 200
    fail(OF_ACCOUNT)


def sign_in_to_admin(password: str = PASSWORD) -> HttpResponse:
    return Client(REMOTE_ADDR="198.51.100.1").post(
        "/admin/login/?next=/admin/", {"username": "ada", "password": password}
    )  # type: ignore[return-value]


@pytest.fixture
def _staff(ada: User) -> None:
    User.objects.update(is_staff=True, is_superuser=True)


@pytest.mark.usefixtures("_staff")
def test_the_admin_has_the_same_brake() -> None:
    assert sign_in_to_admin().status_code == 302
    for _ in range(OF_ACCOUNT):
        answer = sign_in_to_admin("wrong")
        assert (answer.status_code, b"correct username" in answer.content) == (200, True)
    answer = sign_in_to_admin()
    assert answer.status_code == 429
    assert 290 <= int(answer.headers["Retry-After"]) <= 300
    assert b"Too many attempts" in answer.content
    assert Spa().sign_in().status_code == 429


@pytest.mark.usefixtures("_staff")
def test_what_failed_elsewhere_counts_in_the_admin() -> None:
    fail(OF_ACCOUNT)
    assert sign_in_to_admin().status_code == 429


@pytest.mark.usefixtures("_staff")
def test_the_admin_signs_in_as_before() -> None:
    client = Client()
    assert client.get("/admin/", follow=True).status_code == 200
    client.post("/admin/login/?next=/admin/", {"username": "ada", "password": PASSWORD})
    assert b"Site administration" in client.get("/admin/").content
    User.objects.update(is_staff=False)
    answer = sign_in_to_admin()
    assert (answer.status_code, b"staff account" in answer.content) == (200, True)
    for missing in (
        {},
        {"username": "ada"},
        {"password": "x"},
        {"username": "a\0", "password": "x"},
    ):
        assert Client().post("/admin/login/", missing).status_code == 200


def test_each_kind_of_attempt_says_when_to_come_back(ada: User, spa: Spa) -> None:
    spa.sign_in()
    for _ in range(5):
        spa.post("account/password/change", current_password="wrong", new_password=PASSWORD)
    answer = spa.post("account/password/change", current_password=PASSWORD, new_password="x")
    assert code(answer) == (429, "rate_limited")
    assert answer.headers["Retry-After"] == "60"


def test_many_requests_of_an_address_are_throttled_too(ada: User) -> None:
    for _ in range(30):
        assert Spa().send("POST", f"{BASE}/auth/login", {}).status_code == 400
    assert code(Spa().sign_in()) == (429, "rate_limited")
