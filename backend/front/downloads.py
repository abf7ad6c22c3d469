"""The Django view behind `GET /files/<id>`: checks the signature, says what the front sends."""

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from backend.front.ranges import Unsatisfiable, wanted_range
from tasks import downloads
from tasks.downloads import StoredPart
from tasks.models import File

# Whatever the bytes are, they open in no page of ours, and in no cache but the asker's own disk.
HARMLESS = {
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


class PartResponse(HttpResponse):
    """A response without a body of its own: the front sends `part` after the headers."""

    def __init__(self, part: StoredPart, *, status: int, content_type: str) -> None:
        super().__init__(status=status, content_type=content_type)
        self.part = part
        self.headers["Content-Length"] = str(part.length)


@csrf_exempt  # nothing is written here, and so another method gets its 405
@require_http_methods(["GET", "HEAD", "OPTIONS"])
def download(request: HttpRequest, file_id: str) -> HttpResponseBase:
    """The file, whole or in part, for whoever has a signed URL."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": "GET, HEAD, OPTIONS"})
    until = downloads.signed_until(file_id, request.GET.get("signature", ""))
    if until is None:
        return _error(403, "FORBIDDEN", "This download URL is not signed by us.")
    if until < timezone.now():
        message = "This download URL has expired: ask for File.download again."
        return _error(410, "DOWNLOAD_EXPIRED", message)
    try:
        file = downloads.find(file_id)
    except (OperationalError, InterfaceError):
        return _error(503, "UNAVAILABLE", "The database does not answer; try again in a moment.")
    if file is None or file.storage_name is None:
        return _error(404, "NOT_FOUND", "There is no such file (any more).")
    return _response(request, file, file.storage_name)


def _response(request: HttpRequest, file: File, storage_name: str) -> HttpResponseBase:
    etag = f'"{file.sha256}"'
    # A range is defined for GET alone.
    header = request.headers.get("range") if request.method == "GET" else None
    if_range = request.headers.get("if-range")
    # Preconditions come before the range (RFC 9110, section 13.2.2).
    if (answer := get_conditional_response(request, etag=etag)) is not None:
        return _harmless(answer, etag)
    response: HttpResponse
    try:
        part = wanted_range(header, file.size, etag=etag, if_range=if_range)
    except Unsatisfiable:
        response = _error(416, "BAD_REQUEST", f"The file has {file.size} bytes.")
        response.headers["Content-Range"] = f"bytes */{file.size}"
    else:
        start, stop = (0, file.size) if part is None else (part.start, part.stop)
        response = PartResponse(
            StoredPart(storage_name, file.size, start, stop - start),
            status=200 if part is None else 206,
            content_type=file.content_type,
        )
        if part is not None:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
        response.headers["Content-Disposition"] = str(content_disposition_header(True, file.name))
    return _harmless(response, etag)


def _harmless(response: HttpResponse, etag: str) -> HttpResponse:
    for name, value in {**HARMLESS, "Accept-Ranges": "bytes", "ETag": etag}.items():
        response.headers[name] = value
    return response


def _error(status: int, code: str, message: str) -> JsonResponse:
    response = JsonResponse({"errors": [{"message": message, "code": code}]}, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
