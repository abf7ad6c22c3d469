"""Stands before allauth's views: what comes in is a small object of texts, what goes out is JSON.

allauth's own views recurse into deep JSON, take a list for a password, and answer in HTML.
"""

from collections.abc import Callable
from functools import wraps

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase

from backend.door.errors import RequestRefused, mask
from backend.door.requests import load_json
from backend.people.adapter import MailFailed, Throttled
from backend.people.replies import method_not_allowed, refusal, throttled

TEXT_LENGTH = 1_024  # of a name, an address, a password, a key
WINDOW_SECONDS = 60  # of allauth's limits other than that of failed attempts

View = Callable[[HttpRequest], HttpResponseBase]


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def guarded(view: View, *methods: str) -> View:
    """The view behind checks of method and body; whatever it does, the answer is JSON."""

    @wraps(view)
    def guard(request: HttpRequest) -> HttpResponseBase:
        if request.method not in methods:
            return method_not_allowed(request, *methods)
        try:
            if request.method != "GET":
                _check_body(request)
            return _explained(view(request))
        except _Refused as refused:
            return refusal(refused.status, refused.code, refused.message)
        except Throttled as error:
            return throttled(error.seconds)
        except MailFailed:
            message = "The mail could not be sent; try again later."
            return refusal(503, "unavailable", message)
        except (OperationalError, InterfaceError):
            message = "The database does not answer; try again in a moment."
            return refusal(503, "unavailable", message)
        except SuspiciousOperation:
            raise  # Django's own 400
        except Exception as error:
            message, _ = mask(error)
            return refusal(500, "internal", message)

    return guard


def _check_body(request: HttpRequest) -> None:
    if request.content_type != "application/json":
        if request.content_type or request.body:
            message = "Send the header `Content-Type: application/json`."
            raise _Refused(415, "unsupported_media_type", message)
        return
    if not request.body:
        return  # the view says what is missing
    try:
        content = load_json(request.body)
    except RequestRefused as refused:
        raise _Refused(400, "invalid_body", refused.errors[0]["message"]) from None
    if not isinstance(content, dict):
        raise _Refused(400, "invalid_body", 'The body is a JSON object: {"name": "text"}.')
    for name, value in content.items():
        if not isinstance(value, str):
            raise _Refused(400, "invalid_body", f"{name[:50]!r} must be a text.")
        if len(value) > TEXT_LENGTH:
            message = f"{name[:50]!r} may have {TEXT_LENGTH} letters, not more."
            raise _Refused(400, "invalid_body", message)


def _explained(response: HttpResponseBase) -> HttpResponseBase:
    """The response, or one with words where allauth gives the bare status."""
    if response.status_code == 429:
        return throttled(WINDOW_SECONDS)
    if response.status_code == 409:
        message = "Somebody is signed in already: sign out first."
        return refusal(409, "conflict", message)
    return response
