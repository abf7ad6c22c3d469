"""The Django view behind /graphql: JSON by POST, and a page for browsers."""

import json
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from accounts.tokens import BadCredential, viewer_from_authorization
from backend.door import negotiation
from backend.door.errors import Fault, RequestRefused, mask, unavailable
from backend.door.execute import Door, Outcome
from backend.door.page import page
from backend.door.requests import read_request
from schema.context import RequestContext
from schema.errors import Code

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class GraphQLView:
    """One door for POST, one page for GET."""

    csrf_exempt = True  # only bearer tokens open anything here; cookies are not even read

    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            return self._post(request)
        if request.method in ("GET", "HEAD") and negotiation.wants_page(
            request.headers.get("accept", "")
        ):
            return page(request, base_url(request))
        response = _error(405, Code.BAD_REQUEST, "Send GraphQL by POST, as application/json.")
        response.headers["Allow"] = "POST"
        return response

    def _post(self, request: HttpRequest) -> HttpResponse:
        media_type = negotiation.choose(request.headers.get("accept"))
        if media_type is None:
            message = f"Accept {negotiation.GRAPHQL} or {negotiation.JSON}."
            return _error(406, Code.BAD_REQUEST, message)
        if not _is_json(request):
            message = "Send the header `Content-Type: application/json`."
            return _error(415, Code.BAD_REQUEST, message)
        try:
            return self._execute(request, media_type)
        except RequestRefused as refused:
            return _respond(Outcome({"errors": refused.errors}, refused.fault), media_type)
        except BadCredential as error:
            response = _error(401, Code.UNAUTHENTICATED, str(error))
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        except (OperationalError, InterfaceError) as error:
            return _error(503, Code.UNAVAILABLE, unavailable(error))
        except Exception as error:
            message, reference = mask(error)
            return _error(500, Code.INTERNAL, message, reference=reference)

    def _execute(self, request: HttpRequest, media_type: str) -> HttpResponse:
        graphql_request = read_request(request.body)
        viewer = viewer_from_authorization(request.headers.get("authorization"))
        context = RequestContext(viewer, base_url(request))
        return _respond(self._door.execute(graphql_request, context), media_type)


def base_url(request: HttpRequest) -> str:
    """Scheme and host under which the client sees us."""
    configured: str | None = settings.PUBLIC_URL
    return configured or f"{request.scheme}://{request.get_host()}"


def _is_json(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    return request.content_type == "application/json" and charset in ("utf-8", "utf8")


def _respond(outcome: Outcome, media_type: str) -> HttpResponse:
    is_refused = outcome.fault is Fault.REQUEST or (
        outcome.fault is Fault.DOCUMENT and media_type == negotiation.GRAPHQL
    )
    return _json(400 if is_refused else 200, media_type, outcome.response)


def _error(status: int, code: Code, message: str, **extensions: str) -> HttpResponse:
    error = {"message": message, "extensions": {"code": code, **extensions}}
    return _json(status, negotiation.JSON, {"errors": [error]})


def _json(status: int, media_type: str, content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(
        _encode(content).encode("utf-8", "replace"),
        status=status,
        content_type=f"{media_type}; charset=utf-8",
        headers={"Vary": "Accept", "Cache-Control": "no-store"},
    )
