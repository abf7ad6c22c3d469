"""Who sends an HTTP request: by a bearer token, or by the session of our own pages."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware

from accounts import credentials
from accounts.viewer import BadCredential, Viewer


class Forged(Exception):
    """The session's cookie came without the proof that a page of ours has sent it."""


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, that says why instead of answering with a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        raise Forged(
            f"{reason} Beside a session cookie, send the value of the cookie "
            f"{settings.CSRF_COOKIE_NAME} as the header X-CSRFToken."
        )


_check = _CsrfCheck(lambda request: None)  # type: ignore[arg-type]


def viewer_of(request: HttpRequest) -> Viewer | None:
    """The viewer; None when nobody is signed in. Raises BadCredential, ProviderAway and Forged."""
    header, act_as = request.headers.get("authorization"), request.headers.get("act-as")
    if header is not None:
        return credentials.from_authorization(header, act_as)
    if act_as is not None:
        raise BadCredential("Act-As goes with an API token in the header Authorization.")
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    viewer = credentials.from_session(key) if key else None
    if viewer is not None:
        _check.process_view(request, None, (), {})  # type: ignore[arg-type]
    return viewer
