"""The page that a browser gets at /graphql: GraphiQL, or how to call as lines to copy."""

import base64
import hashlib
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template import Context, Engine

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_LINES = Engine().from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def page(request: HttpRequest, base_url: str, *, with_graphiql: bool) -> HttpResponse:
    """GraphiQL where `make web` has built it, else lines that name this scheme and host.

    Without introspection GraphiQL has nothing to show, so it is for those who may introspect.
    """
    graphiql: str | None = settings.GRAPHIQL_PAGE
    if graphiql is not None and with_graphiql:
        get_token(request)  # sets the cookie that the page's requests give back
        return _respond(graphiql, _graphiql_policy(base_url))
    shown = {"base_url": base_url, "style": _STYLE, "with_graphiql": with_graphiql}
    text = _LINES.render(Context(shown))
    return _respond(text, f"{_CLOSED}; style-src 'sha256-{_STYLE_HASH}'")


def _graphiql_policy(base_url: str) -> str:
    # To older browsers 'self' has no WebSockets; a policy cannot name an IPv6 address.
    socket = "" if "[" in base_url else base_url.replace("http", " ws", 1)
    return (
        f"{_CLOSED}; script-src 'self'; worker-src 'self'; connect-src 'self'{socket}; "
        # The editor makes style elements, and its lines have style attributes.
        "style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:"
    )


def _respond(text: str, policy: str) -> HttpResponse:
    return HttpResponse(
        text,
        headers={
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Vary": "Accept, Cookie",
        },
    )
