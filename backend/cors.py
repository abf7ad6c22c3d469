"""Which pages of other origins may read what we answer: those of CORS_ORIGINS, letter by letter."""

from collections.abc import Callable
from urllib.parse import SplitResult

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.csrf import csrf_failure

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ExactCorsMiddleware(CorsMiddleware):
    """django-cors-headers, but an origin with a path behind it is no origin of the list."""

    def origin_found_in_white_lists(self, origin: str, url: SplitResult) -> bool:
        return origin in settings.CORS_ALLOWED_ORIGINS


def admin_apart(get_response: GetResponse) -> GetResponse:
    """Middleware: the admin is for its own pages alone.

    A listed origin may act for its visitors, as an app does. Were one of them staff, a flaw of that
    app would act in the admin too.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        origin = request.headers.get("origin")
        if origin is None or not request.path_info.startswith("/admin/"):
            return get_response(request)
        if origin in (settings.PUBLIC_URL, f"{request.scheme}://{request.get_host()}"):
            return get_response(request)
        return csrf_failure(request, f"{origin} is another origin.")

    return respond
