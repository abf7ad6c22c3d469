"""Pages of listed origins, letter by letter, may read and send with cookies; no other page may."""

from typing import Any

import pytest

from accounts.models import User
from tests.backend.people.conftest import BASE, ORIGIN, PASSWORD, Spa, code, content

NO_ORIGINS = [
    "null",
    "https://evil.example",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://evilapp.example",
    "https://app.example/",
    "https://app.example/evil",
    "https://APP.example",
    "https://user@app.example",
    "https://app.example, https://evil.example",
    "https://[",
    "*",
    "",
]
PATHS = ["/csrf", f"{BASE}/auth/session", f"{BASE}/nothing", "/schema.graphql"]


def cors(response: Any) -> dict[str, str]:
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in response.headers.items()
        if name.lower().startswith("access-control-")
    }


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_a_listed_origin_may_read(spa: Spa, path: str) -> None:
    answer = spa.browser.get(path, headers={"origin": ORIGIN})
    assert cors(answer) == {
        "allow-origin": ORIGIN,
        "allow-credentials": "true",
        "expose-headers": "Accept-Ranges, Content-Disposition, Content-Range, ETag, Retry-After",
    }
    assert "origin" in answer.headers["Vary"].lower()


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", NO_ORIGINS)
def test_a_page_of_another_origin_may_not(spa: Spa, path: str, origin: str) -> None:
    headers = {"origin": origin, "access_control_request_method": "POST"}
    assert cors(spa.browser.get(path, headers=headers)) == {}
    assert cors(spa.browser.options(path, headers=headers)) == {}


@pytest.mark.parametrize("path", ["/graphql", *PATHS])
def test_a_preflight_is_kept_for_a_day(spa: Spa, path: str) -> None:
    asked = {
        "origin": ORIGIN,
        "access_control_request_method": "POST",
        "access_control_request_headers": "content-type,x-csrftoken",
    }
    answer = spa.browser.options(path, headers=asked)
    assert answer.status_code == 200
    told = cors(answer)
    assert (told["allow-origin"], told["max-age"]) == (ORIGIN, "86400")
    allowed = told["allow-headers"].split(", ")
    assert {"content-type", "authorization", "x-csrftoken", "x-password-reset-key"} <= {*allowed}


def test_the_admin_is_for_no_page_of_another_origin(spa: Spa) -> None:
    for path in ("/admin/login/", "/healthz", "/"):
        assert cors(spa.browser.get(path, headers={"origin": ORIGIN})) == {}


def test_the_token_comes_with_its_cookie_and_is_kept_by_no_cache(spa: Spa) -> None:
    answer = spa.browser.get("/csrf", headers={"origin": ORIGIN})
    assert list(content(answer)) == ["csrfToken"]
    assert "csrftoken" in spa.cookies
    assert answer.headers["Cache-Control"] == "no-store"
    assert content(spa.browser.get("/csrf"))["csrfToken"] != content(answer)["csrfToken"]  # masked


@pytest.mark.django_db
def test_signing_in_makes_the_token_a_new_one(ada: User, spa: Spa) -> None:
    before = spa.csrf()
    spa.sign_in()
    query = {"query": "{ viewer { displayName } }"}
    assert spa.send("POST", "/graphql", query, x_csrftoken=before).status_code == 403
    assert spa.send("POST", "/graphql", query).status_code == 200


def test_the_token_is_for_the_asking_alone(spa: Spa) -> None:
    assert code(spa.send("POST", "/csrf", {})) == (405, "method_not_allowed")


def test_a_person_in_the_admin_sees_why_as_a_page(spa: Spa) -> None:
    answer = spa.browser.post("/admin/login/", {"username": "ada", "password": "x"})
    assert answer.status_code == 403
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.django_db
@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example", "null"])
def test_the_admin_takes_nothing_from_another_origin(spa: Spa, origin: str) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    assert spa.browser.login(username="root", password=PASSWORD)
    token = content(spa.browser.get("/csrf", headers={"origin": ORIGIN}))["csrfToken"]
    form = {"username": "eve", "password1": "abc-123-xyz", "password2": "abc-123-xyz"}
    headers = {"origin": origin, "x_csrftoken": token}
    answer = spa.browser.post("/admin/accounts/user/add/", form, headers=headers)
    assert (answer.status_code, User.objects.filter(username="eve").exists()) == (403, False)
    own = {"origin": "http://testserver", "x_csrftoken": token}
    assert spa.browser.post("/admin/accounts/user/add/", form, headers=own).status_code != 403
