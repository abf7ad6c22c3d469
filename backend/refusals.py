"""What Django itself refuses, in the words of GraphQL's errors."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse


def bad_request(_request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 for a request that Django finds suspicious; a wrong host says which setting names it."""
    message = "The request cannot be read."
    if isinstance(exception, DisallowedHost):
        message = "This host name is not allowed here: its operator can add it to ALLOWED_HOSTS."
    content = {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
    return JsonResponse(content, status=400)
