"""Tells a page of another origin its CSRF token: it cannot read our cookie."""

from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import get_token

from backend.people.replies import method_not_allowed


def csrf(request: HttpRequest) -> JsonResponse:
    """`{"csrfToken": ...}` for the header X-CSRFToken, and the cookie that belongs to it.

    Any page can make a browser ask, but only those of our origin and of CORS_ORIGINS can read the
    answer. Signing in makes the token a new one.
    """
    if request.method != "GET":
        return method_not_allowed(request, "GET")
    content = {"csrfToken": get_token(request)}
    return JsonResponse(content, headers={"Cache-Control": "no-store"})
