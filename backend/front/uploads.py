"""The Django view behind `PUT /uploads/<id>`: hands the staged bytes to the files."""

import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from backend.front.environ import STAGED
from tasks.exceptions import RefusalCode, Refused
from tasks.files import complete_upload

logger = logging.getLogger("downbeat.front")

STATUS = {
    RefusalCode.FORBIDDEN: 403,
    RefusalCode.NOT_FOUND: 404,
    RefusalCode.UPLOAD_EXPIRED: 410,
}


@csrf_exempt  # the signature in the URL is the only credential; cookies count for nothing here
@require_http_methods(["PUT", "OPTIONS"])
def upload(request: HttpRequest, file_id: str) -> HttpResponse:
    """204 once the file is stored, also when the same bytes come again."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": "PUT, OPTIONS"})
    signature = request.GET.get("signature", "")
    try:
        complete_upload(file_id, signature, request.META.get(STAGED))
    except Refused as refused:
        problem = refused.problems[0]
        return _error(STATUS.get(problem.code, 400), problem.code, problem.message)
    except (OperationalError, InterfaceError):
        return _error(503, "UNAVAILABLE", "The database does not answer; send the file again.")
    except OSError:  # a full disk, a storage that is away: the operator's to mend
        logger.exception("An upload could not be stored.")
        return _error(503, "UNAVAILABLE", "The file cannot be stored now; send it again later.")
    return HttpResponse(status=204)


def _error(status: int, code: str, message: str) -> JsonResponse:
    return JsonResponse({"errors": [{"message": message, "code": code}]}, status=status)
