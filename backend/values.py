"""What a setting may be: types whose errors say how to write it."""

import importlib.util
import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import dj_database_url
import dj_email_url
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from accounts.viewer import SCOPES, SPECIAL, is_scope

KEY_LENGTH = 50
KEY_LETTERS = 10  # different ones, which fifty random ones have in any alphabet
MAIL_EXAMPLE = "submission://user:password@host:587, smtp://host:25 or console:"

# As browsers write an origin: in lower case, an international name in its ASCII form.
_ORIGIN = re.compile(r"(https?)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_OWN_PORTS = {"http": "80", "https": "443"}


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


def _like(pattern: str, example: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.match(pattern, value):
            raise ValueError(f"write it like {example}")
        return value

    return check


def _read_json(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('write a JSON object, such as {"acme.jobs.Report": "A"}') from None


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        if "*" in origin:
            raise ValueError(
                "name each origin; with a wildcard any page could act for whoever is signed in"
            )
        found = _ORIGIN.fullmatch(origin)
        if found is None or int(found[2] or 0) > 65_535:
            raise ValueError(
                f"{origin!r} is no origin: write https://app.example.org or "
                "http://localhost:5173, in lower case, without a path or a final slash"
            )
        if found[2] == _OWN_PORTS[found[1]]:
            raise ValueError(f"{origin!r}: browsers leave the port out, so leave it out too")
    return value


def _mail_server(value: str) -> str:
    try:
        dj_email_url.parse(value)
    except ValueError:
        raise ValueError(f"write it like {MAIL_EXAMPLE}") from None
    return value


def _not_guessable(value: str) -> str:
    is_short = len(value) < KEY_LENGTH or len(set(value)) < KEY_LETTERS
    if is_short or value.startswith("django-insecure-"):
        raise ValueError(
            f"too easy to guess: take {KEY_LENGTH} random characters or more, as from "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    return value


def _importable(value: tuple[str, ...]) -> tuple[str, ...]:
    for app in value:
        if importlib.util.find_spec(app.partition(".")[0]) is None:
            raise ValueError(f"there is no module {app.partition('.')[0]!r} to import")
    return value


def _database(value: str) -> str:
    if not value.startswith(("postgres://", "postgresql://", "sqlite:///")):
        raise ValueError("use postgres://user:password@host/name or sqlite:///path")
    dj_database_url.parse(value)
    return value


def _keys_place(value: str) -> str:
    if not re.match(r"https://.|http://(127\.0\.0\.1|localhost)[:/]", value):
        raise ValueError("use https://, so that nobody on the way can put keys of his own there")
    return value


def _scopes_of_all(value: tuple[str, ...]) -> tuple[str, ...]:
    for word in value:
        if not is_scope(word) or word in SPECIAL:
            raise ValueError(f"{word!r} is no scope for everybody: use {', '.join(SCOPES)}")
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several words in one variable, separated by commas."""

Apps = Annotated[Words, AfterValidator(_importable)]
Origins = Annotated[Words, AfterValidator(_origins)]
Scopes = Annotated[Words, AfterValidator(_scopes_of_all)]
TypeNames = Annotated[dict[str, str], NoDecode, BeforeValidator(_read_json)]

PublicUrl = Annotated[
    str,
    AfterValidator(
        _like(r"https?://[^/]+$", "https://downbeat.example.org (no path, no final slash)")
    ),
]
AppUrl = Annotated[
    str, AfterValidator(_like(r"https?://.*[^/]$", "https://app.example.org (no final slash)"))
]
BrokerUrl = Annotated[
    str,
    AfterValidator(
        _like(
            r"(redis|rediss|unix|redis\+socket|amqps?)://.",
            "redis://host:6379/0 or amqp://user:password@host//",
        )
    ),
]
RedisUrl = Annotated[str, AfterValidator(_like(r"(redis|rediss|unix)://.", "redis://host:6379/0"))]
MailUrl = Annotated[
    str,
    AfterValidator(_like(r"(smtp|submission)://[^/]|console:", MAIL_EXAMPLE)),
    AfterValidator(_mail_server),
]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
KeysUrl = Annotated[str, AfterValidator(_keys_place)]

SecretKey = Annotated[str, AfterValidator(_not_guessable)]
LinesOfText = Annotated[str, AfterValidator(lambda value: value.replace("\\n", "\n"))]
"""A text whose line breaks are written as \\n."""

Algorithm = Literal["RS256", "RS512", "PS256", "ES256", "ES512", "EdDSA", "HS256", "HS512"]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]
