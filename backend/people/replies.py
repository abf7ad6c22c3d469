"""What we answer ourselves at allauth's addresses, in the shape of its own errors."""

from django.http import HttpRequest, JsonResponse


def refusal(status: int, code: str, message: str, **headers: str) -> JsonResponse:
    """`{"status": ..., "errors": [{"message": ..., "code": ...}]}`, kept by no cache."""
    content = {"status": status, "errors": [{"message": message, "code": code}]}
    return JsonResponse(content, status=status, headers={"Cache-Control": "no-store", **headers})


def method_not_allowed(request: HttpRequest, *methods: str) -> JsonResponse:
    allowed = ", ".join(methods)
    message = f"{request.method} means nothing here; use {allowed}."
    return refusal(405, "method_not_allowed", message, Allow=allowed)


def throttled(seconds: int) -> JsonResponse:
    """429: too many attempts; one more may be made after so many seconds."""
    message = f"Too many attempts; try again in {seconds} seconds."
    return refusal(429, "rate_limited", message, **{"Retry-After": str(seconds)})
