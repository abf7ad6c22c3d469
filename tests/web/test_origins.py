"""Pages of other origins in a real browser: a listed one signs in and works, others do nothing."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.spa import PASSWORD, make_user
from tests.stacks.machine import absent
from tests.stacks.service import Stack, running
from tests.web.conftest import ROOT, make

pytestmark = pytest.mark.xdist_group("browser")
PAGE = (ROOT / "docs/signing-in.md").read_text()
BLOCKS = dict(re.findall(r"^```js\n// (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
FAILED = "TypeError"  # what fetch says of an answer that the page may not read
OPAQUE = "opaque"  # sent, but neither status nor body can be seen


@contextmanager
def serving(files: dict[str, str]) -> Iterator[str]:
    """A server of these files; its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = files.get(self.path)
            self.send_response(200 if text is not None else 404)
            kind = "text/javascript" if self.path.endswith(".js") else "text/html"
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def seen(chromium: str) -> Iterator[dict[str, Any]]:
    """What web/browser/origins.mjs saw, and how many runs there are after it."""
    for needed in ("node", "web/node_modules/.installed"):
        is_there, words = make(needed)
        if not is_there:
            absent(words)
    # All three are of one site, so that the browser sends the session's cookie to the service.
    page = "<!doctype html><link rel=icon href=data:,><title>A page</title>"
    files = {"/": page}
    with ExitStack() as stack:
        listed = stack.enter_context(serving(files))
        unlisted = stack.enter_context(serving({"/": page}))
        service = stack.enter_context(running(Stack("embedded"), CORS_ORIGINS=listed))
        api = service.url.replace("127.0.0.1", "localhost")
        files["/session.js"] = BLOCKS["session.js"].replace("https://api.example.org", api)
        make_user(service, "ada")
        done = subprocess.run(
            ("node", "web/browser/origins.mjs", chromium, api, listed, unlisted, PASSWORD),
            cwd=ROOT, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stderr}\n{done.stdout}\n{service.log.tail()}"
        runs = Client(service).ask("{ runs { totalCount } }")["runs"]["totalCount"]
        yield {**json.loads(done.stdout), "runs": runs}


def test_an_app_of_a_listed_origin_signs_in_and_starts(seen: dict[str, Any]) -> None:
    app = seen["app"]
    assert app["before"] == 401
    assert app["wrong"]["status"] == 400
    assert app["wrong"]["errors"][0]["code"] == "username_password_mismatch"
    assert app["signedIn"]["status"] == 200
    assert app["signedIn"]["data"]["user"]["username"] == "ada"
    assert app["started"]["data"]["countWords"]["errors"] == []
    assert app["started"]["data"]["countWords"]["run"]["id"]


def test_its_websocket_is_signed_in_by_the_cookie(seen: dict[str, Any]) -> None:
    assert seen["app"]["socket"] == {"data": {"viewer": {"displayName": "ada"}}}


def test_it_can_read_when_to_try_again(seen: dict[str, Any]) -> None:
    throttled = seen["app"]["throttled"]
    assert throttled["status"] == 429
    assert throttled["errors"][0]["code"] == "rate_limited"
    assert 200 < int(throttled["retryAfter"]) <= 300


def test_it_signs_out_and_in_again(seen: dict[str, Any]) -> None:
    assert (seen["app"]["after"], seen["app"]["again"]) == (401, 200)


def test_without_the_proof_its_mutation_is_refused(seen: dict[str, Any]) -> None:
    assert seen["app"]["unproven"] == 403


def test_a_page_of_another_origin_reads_nothing(seen: dict[str, Any]) -> None:
    tries = seen["unlisted"]
    for name in ("csrf", "session", "json", "proven", "sign in", "plain"):
        assert tries[name] == FAILED, name


def test_what_it_sends_blindly_is_refused(seen: dict[str, Any]) -> None:
    blind = {name: kind for name, kind in seen["unlisted"].items() if name.startswith("blind")}
    assert set(blind.values()) == {OPAQUE}
    assert len(blind) == 5
    posted = [status for method, status in seen["statuses"] if method == "POST"]
    assert len(posted) == 5  # that of "plain" is kept from this test too
    assert set(posted) <= {403, 415}


def test_its_forms_are_refused(seen: dict[str, Any]) -> None:
    assert set(seen["forms"].values()) <= {403, 415}
    assert len(seen["forms"]) == 3


def test_its_websocket_is_refused(seen: dict[str, Any]) -> None:
    assert seen["unlisted"]["socket"] == "refused"


def test_a_page_without_an_origin_is_refused_too(seen: dict[str, Any]) -> None:
    opaque = dict(seen["opaque"])
    assert opaque.pop("origin") == "null"
    assert opaque.pop("socket") == "refused"
    assert {kind for name, kind in opaque.items() if not name.startswith("blind")} == {FAILED}


def test_nobody_else_has_started_anything(seen: dict[str, Any]) -> None:
    assert seen["runs"] == 1
    assert seen["stillSignedIn"] == 200
