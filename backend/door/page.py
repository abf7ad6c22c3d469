"""The page that a browser gets at /graphql: how to call, as lines to copy."""

import base64
import hashlib
from pathlib import Path

from django.http import HttpResponse
from django.template import Context, Engine

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_PAGE = Engine().from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(base_url: str) -> HttpResponse:
    """The page, with this scheme and host in its lines."""
    return HttpResponse(
        _PAGE.render(Context({"base_url": base_url, "style": _STYLE})),
        headers={
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-store",
            "Vary": "Accept",
        },
    )
