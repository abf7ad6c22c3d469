"""The real application plus one view that tells of its thread; served by test_server."""

import gc
import os
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

from backend.asgi import application  # sets Django up, which the urls need
from backend.urls import handler400
from backend.urls import urlpatterns as real

__all__ = ["application", "handler400", "urlpatterns"]

settings.ROOT_URLCONF = __name__


def whereabouts(_request: HttpRequest) -> JsonResponse:
    """Which thread answers, over which database connection; and what no collection looks at."""
    connection.ensure_connection()
    return JsonResponse(
        {
            "thread": threading.current_thread().name,
            "connection": id(connection.connection),
            "frozen": gc.get_freeze_count(),
        }
    )


urlpatterns = [*real, path("whereabouts", whereabouts)]
