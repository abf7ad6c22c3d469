"""A GraphQL request with a token takes a short way to the door.

What stands before the door otherwise is for browsers: sessions, cookies, pages. A request with
`Authorization` uses none of it, and would pay more for it than for reading a run. The headers that
those middlewares set, the front sets on every answer.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve

from backend.cors import ExactCorsMiddleware, GetResponse

PATH = "/graphql"


class ShortWayMiddleware:
    """The first of all; every other request goes on as ever."""

    def __init__(self, get_response: GetResponse) -> None:
        self._long_way = get_response
        self._short_way = ExactCorsMiddleware(_door)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if (
            request.path_info != PATH
            or request.method != "POST"
            or "HTTP_AUTHORIZATION" not in request.META
        ):
            return self._long_way(request)
        request.get_host()  # DisallowedHost for a stranger's, as CommonMiddleware asks
        return self._short_way(request)  # type: ignore[return-value] # it is sync, as `_door` is


def _door(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase = resolve(PATH).func(request)
    return response
