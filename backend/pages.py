"""What the pages of the admin may load; GraphiQL and what is downloaded have policies of their own.

Everything else is answered under the front's policy, by which a browser loads and runs nothing.
"""

from typing import Any

from csp.constants import HEADER, NONE, SELF
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest

PAGES = ("/admin/", "/static/")
DEBUG_PAGES = (404, 500)
POLICY: dict[str, list[str]] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}


class PagePolicyMiddleware(CSPMiddleware):
    """django-csp's, for the addresses of pages alone."""

    def __call__(self, request: HttpRequest) -> Any:
        is_page = request.path_info.startswith(PAGES)
        response: Any = super().__call__(request) if is_page else self.get_response(request)
        if settings.DEBUG and response.status_code in DEBUG_PAGES:
            response.headers.setdefault(HEADER, "frame-ancestors 'none'")  # they style themselves
        return response
