"""Turns an ASGI scope into the WSGI environ that Django reads (PEP 3333)."""

import sys
from functools import lru_cache
from io import BytesIO
from typing import Any

from backend.front.address import client_address
from backend.front.asgi import Scope
from tasks.files import StagedUpload

STAGED = "downbeat.staged"  # the key under which the upload's view finds the bytes


def make_environ(scope: Scope, body: bytes, staged: StagedUpload | None = None) -> dict[str, Any]:
    """The environ of a request whose whole body is known, or staged in a file."""
    root = scope.get("root_path", "")
    host, port = scope.get("server") or ("unknown", None)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _wsgi_string(root),
        "PATH_INFO": _wsgi_string(scope["path"].removeprefix(root)),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client_address(scope),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        STAGED: staged,
    }
    _add_headers(environ, scope)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _add_headers(environ: dict[str, Any], scope: Scope) -> None:
    for name, value in scope["headers"]:
        key = _header_key(name)
        if key is None:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text


def _header_key(name: bytes) -> str | None:
    """The header's key; None for one that could pass for another (`X_Real` for `X-Real`)."""
    if b"_" in name:
        return None
    return _known_key(name) if len(name) <= 40 else _make_key(name)


@lru_cache(maxsize=256)
def _known_key(name: bytes) -> str:
    return _make_key(name)


def _make_key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _wsgi_string(text: str) -> str:
    """WSGI's strings hold bytes: text in UTF-8, read as Latin-1."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")
