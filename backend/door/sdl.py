"""Serves the schema as text, so that code generators need no introspection."""

import hashlib

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import condition, require_safe


class SchemaView:
    """This SDL under a strong ETag; 404 where introspection is off."""

    def __init__(self, sdl: str, *, introspection: bool) -> None:
        self._text = sdl.encode()
        self._etag = f'"{hashlib.sha256(self._text).hexdigest()}"'
        self._introspection = introspection
        self._view = require_safe(condition(etag_func=lambda _: self._etag)(self._respond))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._introspection:
            raise Http404
        return self._view(request)

    def _respond(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse(
            self._text,
            content_type="text/plain; charset=utf-8",
            headers={"Cache-Control": "no-cache"},
        )
