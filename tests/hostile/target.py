"""The service that is attacked, what it holds, and how it is looked at from behind."""

import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any

import httpx

from tests.acceptance.client import COUNT, Client
from tests.stacks.service import Service, Stack, running

NO_LIMIT = dict.fromkeys(("REQUESTS_PER_MINUTE", "COST_PER_MINUTE", "ANONYMOUS_PER_MINUTE"), "0")
SETTINGS = {"INTROSPECTION": "false", "CORS_ORIGINS": "https://app.example", **NO_LIMIT}
"""As in production; but we have only one address, and little time."""

AT_ONCE = 32
STORED = b"a,b\n"
HELD = """
import json
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote
from django.conf import settings
from django.test import Client
from django.utils import timezone
from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.watch_tokens import create_watch_token
from schema.events import BY_NUMBER
from schema.ids import to_global_id
from schema.pages import to_cursor
from accounts.viewer import ACT_AS, RUNS_READ, SCOPES, TASKS_START, Viewer
from tasks import downloads, files, runs, submission
from tasks.models import Run
from tasks.registry import REGISTRY
from tasks.submission import RunOptions

now = timezone.now()

def viewer(name):
    user, _ = User.objects.get_or_create(username=name)
    return user, Viewer(user.pk, frozenset(SCOPES))

def run(viewer, text, **options):
    given = {"run_at": now + timedelta(days=30), **options}
    task = REGISTRY["count_words"]
    return submission.submit(viewer, task, {"text": text}, RunOptions(**given)).run

def file(viewer, late=False):
    made = files.create_upload(viewer, name="a.csv", size=4, content_type="text/csv",
        sha256=sha256(b"a,b\\n").hexdigest())
    if late:
        made.upload_until = now - timedelta(minutes=1)
    return made, quote(files.upload_signature(made), safe="")

def token(user, scopes=SCOPES):
    return create_token(user.pk, scopes).text

ada, me = viewer("ada")
eve, other = viewer("eve")
old, _ = viewer("old")
mine, theirs = run(me, "mine", idempotency_key="taken"), run(other, "theirs", tags=("secret",))
runs.cancel(other, [theirs.pk])
(my, again), (promised, upload), (late, late_signature) = file(me), file(me), file(me, late=True)
their, their_upload = file(other)
words = {
    "my run": to_global_id("Run", mine.pk), "other run": to_global_id("Run", theirs.pk),
    "my file": to_global_id("File", my.pk), "other file": to_global_id("File", their.pk),
    "promised": to_global_id("File", promised.pk), "other user": to_global_id("User", eve.pk),
    "other attempt": to_global_id("Attempt", f"{theirs.pk}:1"),
    "other event": to_global_id("Event", f"{theirs.pk}:1"), "other tag": "secret",
    "my key": str(my.pk), "other key": str(their.pk), "promised key": str(promised.pk),
    "late key": str(late.pk), "late": late_signature, "upload": upload, "again": again,
    "upload cut": upload[:-2], "key": "taken", "event cursor": to_cursor(1, BY_NUMBER),
    "token": token(ada), "reader": token(ada, [RUNS_READ]), "starter": token(ada, [TASKS_START]),
    "revoked": token(ada), "retired": token(old), "actor": token(ada, [RUNS_READ, ACT_AS]),
    "other token": to_global_id("ApiToken", create_token(eve.pk).row.pk),
    "watch": create_watch_token(me, mine.pk, ada.pk, 3_600).text,
    "old watch": create_watch_token(me, mine.pk, ada.pk, -60).text,
    "in a week": (now + timedelta(days=7)).isoformat(),
    "in a month": (now + timedelta(days=30)).isoformat(),
}
for name in ("token", "watch"):
    words[f"{name} cut"] = words[name][:-1]
ApiToken.objects.filter(prefix=words["revoked"][:10]).update(revoked_at=now)
User.objects.filter(pk=old.pk).update(is_active=False)
for name, until in (("download", downloads.expiry()), ("old download", now - timedelta(days=1))):
    words[name] = quote(downloads.signature(my.pk, until), safe="")
words["download cut"] = words["download"][:-2]
page = Client()
page.force_login(ada)
words["session"] = page.cookies[settings.SESSION_COOKIE_NAME].value
words["csrf"] = "a" * 32
print(json.dumps(words))
"""
_WORD = re.compile(r"<([a-z][a-z ]*)>")


class Target:
    """A running service with two owners: `ada`, who attacks, and `eve`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        made = service.manage("shell", "-v0", "-c", HELD)
        self._words: dict[str, str] = {**json.loads(made.splitlines()[-1]), "url": service.url}
        (self._database,) = service.home.rglob("*.sqlite3")
        self.web = service.part("web").pid
        self._upload(STORED)
        self._client = Client(service, "ada")
        self._lines = len(service.log.lines)

    def _upload(self, content: bytes) -> None:
        url = self.fill(f"{self.service.url}/uploads/<my key>?signature=<again>")
        assert httpx.put(url, content=content).status_code == 204

    def fill(self, text: str) -> str:
        """The text with what is held in place of the words in angle brackets."""
        return _WORD.sub(lambda found: self._words.get(found[1], found[0]), text)

    def fill_in(self, value: Any) -> Any:
        """The same for all texts of a JSON value."""
        if isinstance(value, str):
            return self.fill(value)
        if isinstance(value, dict):
            return {key: self.fill_in(item) for key, item in value.items()}
        return [self.fill_in(item) for item in value] if isinstance(value, list) else value

    def rows(self) -> dict[str, int]:
        """How many rows each table has, straight from the database."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
                for (name,) in names.fetchall()
            }

    def check_alive(self) -> None:
        """A good request gets its answer."""
        assert self._client.ask("{ viewer { displayName } }") == {"viewer": {"displayName": "ada"}}

    def check_worker(self) -> None:
        """The worker performs a run, and no process has been replaced."""
        run = self._client.started(COUNT, text="to be or not to be")
        assert self._client.finished(run)["result"] == {"words": 6, "longest": "not"}
        assert self.service.part("web").pid == self.web

    def together(self, query: str, count: int, **variables: Any) -> list[dict[str, Any]]:
        """The data of the answers to so many equal requests, many of them at once."""
        body = json.dumps({"query": query, "variables": variables})
        headers = {
            "Authorization": f"Bearer {self._client.token}",
            "Content-Type": "application/json",
        }

        def ask(_: int) -> dict[str, Any]:
            with closing(HTTPConnection("127.0.0.1", self.service.port, timeout=30)) as connection:
                connection.request("POST", "/graphql", body, headers)
                data: dict[str, Any] = json.loads(connection.getresponse().read())["data"]
                return data

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(ask, range(count)))

    def errors(self) -> list[str]:
        """What the service has logged of trouble on its own side since this was asked last."""
        lines = self.service.log.lines[self._lines :]
        self._lines += len(lines)
        return [line for line in lines if re.search(r"Traceback|ERROR|CRITICAL|Exception", line)]


@contextmanager
def attacked() -> Iterator[Target]:
    """A target of its own."""
    with running(Stack("hostile"), **SETTINGS) as service:
        yield Target(service)
