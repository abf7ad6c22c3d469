"""What Django itself refuses, in words for programs."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.csrf import csrf_failure


def bad_request(_request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 for a request that Django finds suspicious; a wrong host says which setting names it."""
    message = "The request cannot be read."
    if isinstance(exception, DisallowedHost):
        message = "This host name is not allowed here: its operator can add it to ALLOWED_HOSTS."
    content = {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
    return JsonResponse(content, status=400)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """403 without the proof that a page of ours sends the request: JSON, but to people in the admin
    a page.
    """
    if request.path_info.startswith("/admin/"):
        return csrf_failure(request, reason)
    message = f"{reason} Ask for /csrf, and send its csrfToken as the header X-CSRFToken."
    content = {"status": 403, "errors": [{"message": message, "code": "csrf_failed"}]}
    return JsonResponse(content, status=403)
