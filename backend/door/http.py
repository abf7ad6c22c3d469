"""The Django view behind /graphql: GraphQL by POST, and a page for browsers."""

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from accounts.identity_provider import ProviderAway
from accounts.viewer import BadCredential
from backend.door import negotiation
from backend.door.errors import RequestRefused, mask, unavailable
from backend.door.execute import Door
from backend.door.negotiation import Choice
from backend.door.page import page
from backend.door.reply import refuse, respond
from backend.door.requests import read_request
from backend.door.signing_in import Forged, viewer_of
from backend.door.watches import Outcome
from schema.context import RequestContext
from schema.errors import Code


class GraphQLView:
    """One door for POST, one page for GET."""

    csrf_exempt = True  # a token needs no such proof; where a session counts, it is asked for

    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            return self._post(request)
        if request.method in ("GET", "HEAD") and negotiation.wants_page(
            request.headers.get("accept", "")
        ):
            return self._page(request)
        response = refuse(405, Code.BAD_REQUEST, "Send GraphQL by POST, as application/json.")
        response.headers["Allow"] = "POST"
        return response

    def _page(self, request: HttpRequest) -> HttpResponse:
        try:
            is_open = self._door.may_introspect(viewer_of(request))
        except (BadCredential, ProviderAway):
            is_open = False
        return page(request, base_url(request), with_graphiql=is_open)

    def _post(self, request: HttpRequest) -> HttpResponse:
        choice = negotiation.choose(request.headers.get("accept"))
        if choice.answer is None:
            message = f"Accept {negotiation.GRAPHQL} or {negotiation.JSON}."
            return refuse(406, Code.BAD_REQUEST, message)
        if not _is_json(request):
            message = "Send the header `Content-Type: application/json`."
            return refuse(415, Code.BAD_REQUEST, message)
        try:
            return self._execute(request, choice)
        except RequestRefused as refused:
            return respond(Outcome({"errors": refused.errors}, refused.fault), choice)
        except Forged as error:
            return refuse(403, Code.FORBIDDEN, str(error))
        except ProviderAway as error:
            response = refuse(503, Code.UNAVAILABLE, str(error))
            response.headers["Retry-After"] = "10"
            return response
        except (OperationalError, InterfaceError) as error:
            return refuse(503, Code.UNAVAILABLE, unavailable(error))
        except Exception as error:
            message, reference = mask(error)
            return refuse(500, Code.INTERNAL, message, reference=reference)

    def _execute(self, request: HttpRequest, choice: Choice) -> HttpResponse:
        graphql_request = read_request(request.body)
        address = request.META["REMOTE_ADDR"]
        try:
            viewer = viewer_of(request)
        except BadCredential as error:
            self._door.rates.purse(None, address).pay_request()
            response = refuse(401, Code.UNAUTHENTICATED, str(error))
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        context = RequestContext(viewer, base_url(request), address)
        return respond(self._door.execute(graphql_request, context), choice)


def base_url(request: HttpRequest) -> str:
    """Scheme and host under which the client sees us."""
    configured: str | None = settings.PUBLIC_URL
    return configured or f"{request.scheme}://{request.get_host()}"


def _is_json(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    return request.content_type == "application/json" and charset in ("utf-8", "utf8")
