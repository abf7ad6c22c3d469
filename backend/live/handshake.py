"""Which WebSockets are let in, and what credential came with them."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import parse_cookie
from django.http.request import split_domain_port, validate_host

from accounts import credentials
from accounts.viewer import BadCredential, Viewer
from backend.front.answer import Refusal
from backend.front.asgi import Scope, header
from backend.front.headers import check_headers

PATH = "/graphql"
_SCHEMES = {"ws": "http", "wss": "https"}


def check(scope: Scope) -> None:
    """Refusal for another address, a host or an origin that is not ours, or too many headers.

    Cookies come with a socket whatever page opens it, so a browser's page must be one of ours or
    of CORS_ORIGINS; programs send no Origin.
    """
    check_headers(scope)
    if scope["path"] != PATH:
        raise Refusal(404, "NOT_FOUND", f"WebSockets are served at {PATH}.")
    if sum(name == b"host" for name, _ in scope["headers"]) != 1:
        raise Refusal(400, "BAD_REQUEST", "Send the header Host, once.")
    domain, _ = split_domain_port(_text(scope, b"host"))
    allowed = settings.ALLOWED_HOSTS or (["localhost", "127.0.0.1", "[::1]"] * settings.DEBUG)
    if not domain or not validate_host(domain, allowed):
        message = "This host name is not allowed here: its operator can add it to ALLOWED_HOSTS."
        raise Refusal(400, "BAD_REQUEST", message)
    origin = _text(scope, b"origin")
    if origin and origin not in (_own_origin(scope), *settings.CORS_ALLOWED_ORIGINS):
        message = "Pages of this origin may not call: the operator can add it to CORS_ORIGINS."
        raise Refusal(403, "FORBIDDEN", message)


def base_url(scope: Scope) -> str:
    """Scheme and host under which the client sees us."""
    configured: str | None = settings.PUBLIC_URL
    return configured or f"{_SCHEMES[scope['scheme']]}://{_text(scope, b'host')}"


def sign_in(scope: Scope, authorization: str | None, act_as: str | None) -> Viewer | None:
    """The viewer by the `Authorization` of connection_init, of the handshake, or by the session.

    `act_as`: for whom a token acts, from connection_init; else the handshake's header. None: nobody
    signed in. Raises BadCredential and ProviderAway. Asks the database.
    """
    # An empty one is a mistake of whoever sends it, and must not open more than what was meant.
    given = _given(scope, b"authorization") if authorization is None else authorization
    subject = _given(scope, b"act-as") if act_as is None else act_as
    if given is not None:
        return credentials.from_authorization(given, subject)
    if subject is not None:
        raise BadCredential("Act-As goes with an API token in Authorization.")
    key = parse_cookie(_text(scope, b"cookie")).get(settings.SESSION_COOKIE_NAME)
    return credentials.from_session(key) if key else None


def _own_origin(scope: Scope) -> str:
    parts = urlsplit(base_url(scope))
    return f"{parts.scheme}://{parts.netloc}"


def _text(scope: Scope, name: bytes) -> str:
    return _given(scope, name) or ""


def _given(scope: Scope, name: bytes) -> str | None:
    value = header(scope, name)
    return None if value is None else value.decode("latin-1")
