"""Hostile sign-ins: what comes from foreign pages, and bodies that are none."""

from tests.hostile.requests import BOMB, http
from tests.hostile.table import Case, Request

ORIGIN = "https://app.example"
BROWSER = "/_allauth/browser/v1"
LOGIN = f"{BROWSER}/auth/login"
WHO = b'{"username": "ada", "password": "x"}'


def _from_page(
    body: bytes = WHO, path: str = LOGIN, method: str = "POST", **headers: str | None
) -> bytes:
    """As a page of the app sends it; `_` in the name of a header is `-`."""
    given = {"Authorization": None, "Cookie": "csrftoken=<csrf>", "X-CSRFToken": "<csrf>",
             "Origin": ORIGIN}  # fmt: skip
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return http(body, {**given, **changed}, method, path)


def _to_page(code: str) -> str:
    return f"{code}, for {ORIGIN}"


BAD_BODY = _to_page("400 invalid_body")
BODIES = {
    "no JSON": b"{",
    "a list": b"[]",
    "a text": b'"ada"',
    "NaN": b'{"username": NaN, "password": "x"}',
    "invalid UTF-8": b'{"username": "\xff", "password": "x"}',
    "half a surrogate pair": b'{"username": "\\ud800", "password": "x"}',
    "a name that is a list": b'{"username": ["ada"], "password": "x"}',
    "a password that is an object": b'{"username": "ada", "password": {"$ne": ""}}',
    "a password that is a number": b'{"username": "ada", "password": 1}',
    "a name of 100,000 letters": b'{"username": "' + b"a" * 100_000 + b'", "password": "x"}',
    "a password of 200,000 letters": b'{"username": "a", "password": "' + b"x" * 200_000 + b'"}',
    "100,000 lists within each other": BOMB % (b"[" * 100_000 + b"]" * 100_000),
}

CASES: dict[str, Case] = {
    **{
        f"sign-in: {name}": Request(_from_page(body), BAD_BODY) for name, body in BODIES.items()
    },
    **{
        f"sign-in: {name}": Request(content, answer)
        for name, content, answer in (
            ("by a foreign page", _from_page(Origin="https://evil.example"), "403 csrf_failed"),
            ("by a sandboxed page", _from_page(Origin="null"), "403 csrf_failed"),
            ("without a proof", _from_page(X_CSRFToken=None), _to_page("403 csrf_failed")),
            ("with a false proof", _from_page(X_CSRFToken="b" * 32), _to_page("403 csrf_failed")),
            ("without the proof's cookie", _from_page(Cookie=None), _to_page("403 csrf_failed")),
            ("a form", _from_page(b"username=ada&password=x",
                                  Content_Type="application/x-www-form-urlencoded"),
             _to_page("415 unsupported_media_type")),
            ("by GET", _from_page(b"", method="GET"), _to_page("405 method_not_allowed")),
            ("by PUT", _from_page(method="PUT"), _to_page("405 method_not_allowed")),
            ("as an app without a browser", _from_page(path="/_allauth/app/v1/auth/login"),
             _to_page("404 not_found")),
            ("at an address that is none", _from_page(path=f"{BROWSER}/auth/nothing"),
             _to_page("404 not_found")),
            ("sign-up where it is off", _from_page(path=f"{BROWSER}/auth/signup"),
             _to_page("403 sign_up_off")),
            ("a new password by nobody", _from_page(b'{"new_password": "correct horse"}',
                                                    f"{BROWSER}/account/password/change"),
             _to_page("401 data")),
            ("a proof for a foreign page", _from_page(b"", "/csrf", "GET",
                                                      Origin="https://evil.example"), "200 data"),
            ("the admin by a token", http(b"", method="GET", path="/admin/tasks/run/"),
             "302 plain"),
            ("the schema by nobody", http(b"", {"Authorization": None}, "GET", "/schema.graphql"),
             "404 plain"),
        )
    },
}  # fmt: skip
