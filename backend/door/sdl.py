"""Serves the schema as text, so that code generators need no introspection."""

import hashlib

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import condition, require_safe

from accounts.identity_provider import ProviderAway
from accounts.viewer import BadCredential
from backend.door.execute import Door
from backend.door.signing_in import viewer_of


class SchemaView:
    """This SDL under a strong ETag; 404 for whoever may not introspect."""

    def __init__(self, sdl: str, door: Door) -> None:
        self._text = sdl.encode()
        self._etag = f'"{hashlib.sha256(self._text).hexdigest()}"'
        self._door = door
        self._view = require_safe(condition(etag_func=lambda _: self._etag)(self._respond))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            viewer = viewer_of(request)
        except (BadCredential, ProviderAway):
            viewer = None
        if not self._door.may_introspect(viewer):
            raise Http404
        return self._view(request)

    def _respond(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse(
            self._text,
            content_type="text/plain; charset=utf-8",
            headers={"Cache-Control": "no-cache"},
        )
