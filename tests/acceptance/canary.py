"""Sends a canary to every place where a request may hold something.

The canary is a word that no line of the log may hold, wherever it was sent.
"""

import json
import socket
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.acceptance.client import UPLOAD, Client
from tests.acceptance.jobs import ROOT
from tests.acceptance.spa import Spa, make_user
from tests.stacks.service import Service

CANARY = "canary"
SENTINEL = "sentinel"  # a task logs it, to show that its lines are looked at
PASSWORD = f"{CANARY}-of-the-superuser"
HEADERS = {
    "User-Agent": f"{CANARY}/1.0",
    "Referer": f"http://{CANARY}.example/{CANARY}",
    "X-Forwarded-For": CANARY,
    "X-Anything": CANARY,
    "Cookie": f"sessionid={CANARY}; csrftoken={CANARY}; other={CANARY}",
    "X-CSRFToken": CANARY,
}
ISSUER = "https://id.example"
JWT_KEY = "-".join([CANARY] * 6)
SETTINGS = {
    "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    "EMAIL_URL": "smtp://127.0.0.1:9",  # where nobody listens
    "APP_URL": f"https://{CANARY}.example",
    "EMAIL_FROM": f"{CANARY}@app.example",
    "SIGN_UP": "true",
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": ISSUER,
    "JWT_ALGORITHM": "HS256",
    "JWT_KEY": JWT_KEY,
}
KINDS = ("return", "chain", "exit", "model", "group", "type", "thread", "database", "say", "die")
SOURCE = '''"""A task that ends in every way, with its input in each message."""
import logging, os, signal, threading
from pydantic import BaseModel
from tasks import Context, File, task

class Said(BaseModel):
    text: str

@task(on_lost="park", retries=0)
def say_text(ctx: Context, *, text: str, kind: str, file: File | None = None) -> Said:
    ctx.log(text)
    ctx.progress(1, 2, text)
    if kind == "chain":
        try:
            raise KeyError(text)
        except KeyError as error:
            error.add_note(text)
            raise ValueError(text) from error
    if kind == "exit":
        raise SystemExit(text)
    if kind == "model":
        Said.model_validate({"text": [text]})
    if kind == "group":
        raise ExceptionGroup(text, [OSError(5, text, text)])
    if kind == "thread":
        thread = threading.Thread(target=lambda: int(text))
        thread.start()
        thread.join()
    if kind == "database":
        from accounts.models import User
        User.objects.create(username=text)
        User.objects.create(username=text)
    if kind == "say":
        logging.getLogger("night_jobs").info("sentinel %s", file)
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if file is not None:
        with ctx.open(file) as stream:
            stream.read().decode("utf-16-be").encode("ascii")
    return text if kind == "type" else Said(text=text)
'''
SAY = """mutation Canary($input: SayTextInput!, $options: RunOptions) {
  sayText(input: $input, options: $options, waitSeconds: 25) {
    run { id status isFinal } errors { field code message } } }"""
WATCH = "subscription($id: ID!) { run(id: $id) { status } }"


def package(folder: Path) -> dict[str, str]:
    """The settings of a service that knows the task, and lets people in by every way."""
    (folder / "night_jobs").mkdir()
    (folder / "night_jobs" / "__init__.py").touch()
    (folder / "night_jobs" / "say.py").write_text(SOURCE)
    return {
        **SETTINGS,
        "TASK_PACKAGES": "tasks.definitions,night_jobs",
        "PYTHONPATH": f"{folder}:{ROOT}",
    }


class Bird:
    """A client that sends the canary; `references` are those of the errors that it got."""

    def __init__(self, service: Service) -> None:
        self.client = Client(service, CANARY)
        self.secrets = [self.client.token]
        self.references: list[str] = []
        self.runs: list[str] = []
        self._service = service
        self._http = httpx.Client(base_url=service.url, headers=HEADERS, timeout=60)

    def fly(self) -> None:
        """Everywhere."""
        with self._http:
            for kind in KINDS:
                self._run_task(kind)
            self._send_files()
            self._come_in_otherwise()
            self._ask_badly()
            self._use_the_admin()
            self._open_sockets()
            self._meet_bugs()

    def post(self, body: Any, **headers: str) -> httpx.Response:
        """A request with everything wrong in it but what the body and the headers say."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **headers}
        answer = self._http.post(f"/graphql?{CANARY}=1", content=content, headers=given)
        with suppress(ValueError, KeyError):
            self._note(answer.json()["errors"])
        return answer

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        given = {"Authorization": f"Bearer {self.client.token}"}
        answer = self.post({"query": query, "variables": variables}, **given)
        return dict(answer.json())

    def _note(self, errors: list[dict[str, Any]]) -> None:
        found = [error.get("extensions", {}).get("reference") for error in errors]
        self.references += [each for each in found if each]

    def _run_task(self, kind: str, **given: Any) -> None:
        options = {"idempotencyKey": f"{CANARY}-{kind}", "tags": [CANARY]}
        data = self.ask(SAY, input={"text": CANARY, "kind": kind, **given}, options=options)["data"]
        assert data["sayText"]["errors"] == []
        assert data["sayText"]["run"]["isFinal"], (kind, data)
        self.runs.append(data["sayText"]["run"]["id"])

    def _send_files(self) -> None:
        content = f"a,b\n1,{CANARY}\n".encode()
        given = {"name": f"{CANARY}.csv", "size": len(content), "contentType": "text/csv"}
        upload = self.client.ask(UPLOAD, input=given)["createUpload"]["upload"]
        url = upload["url"]
        self.secrets.append(url.partition("signature=")[2])
        for target, body in ((f"{url}{CANARY}", content), (url, b"x"), (url, content)):
            answer = self._http.put(target, content=body)
        assert answer.status_code == 204, answer.text
        self._run_task("read", file=upload["id"])
        query = "query($id: ID!) { node(id: $id) { ... on File { name download { url } } } }"
        url = self.client.ask(query, id=upload["id"])["node"]["download"]["url"]
        self.secrets.append(url.partition("signature=")[2])
        assert self._http.get(url).content == content
        assert self._http.get(f"{url}{CANARY}").status_code == 403

    def _come_in_otherwise(self) -> None:
        claims = {"iss": ISSUER, "aud": ISSUER, "sub": CANARY, "exp": int(time.time()) + 300}
        good = jwt.encode(claims, JWT_KEY, "HS256")
        bad = jwt.encode({**claims, "aud": CANARY}, JWT_KEY, "HS256")
        forged = jwt.encode(claims, JWT_KEY[::-1], "HS256")
        query = "mutation($id: ID!) { createWatchToken(id: $id) { token errors { message } } }"
        watch = self.ask(query, id=self.runs[0])["data"]["createWatchToken"]["token"]
        service = self._service.token(f"{CANARY}-service", "users:act-as", "runs:read")
        self.secrets += [good, bad, forged, watch, service]
        for token, status in ((good, 200), (bad, 401), (forged, 401), (watch, 200), (service, 200)):
            named = {"Act-As": f"{CANARY}-subject"} if token is service else {}
            body = {"query": "query($id: ID!) { run(id: $id) { id } }", "variables": {"id": CANARY}}
            assert self.post(body, Authorization=f"Bearer {token}", **named).status_code == status
        person = Spa(self._service)
        make_user(self._service, f"{CANARY}-person")
        given = {"email": f"{CANARY}@example.org", "password": f"{CANARY}-{CANARY}-1"}
        assert person.send("POST", "auth/signup", **given).status_code == 503  # no mail server
        address = f"{CANARY}-person@example.org"
        assert person.send("POST", "auth/password/request", email=address).status_code == 503
        assert person.send(
            "POST", "auth/password/reset", key=CANARY, password=CANARY
        ).is_client_error
        assert person.sign_in(f"{CANARY}-person", CANARY).is_client_error
        assert person.sign_in(f"{CANARY}-person").status_code == 200
        self.secrets.append(person.http.cookies["sessionid"])
        person.http.close()

    def _ask_badly(self) -> None:
        own = {"Authorization": f"Bearer {self.client.token}"}
        for body in (
            f'{{"query": "{CANARY}'.encode(),
            f"{CANARY} \xff".encode("latin-1"),
            CANARY.encode() * 100_000,
            {"query": f"{{ {CANARY} }}", "operationName": CANARY},
            {"query": f'{{ node(id: "{CANARY}") {{ id }} }}'},
            {"query": f'mutation {{ countWords(input: {{text: 1, minimum: "{CANARY}"}}) }}'},
            {"query": SAY, "variables": {"input": {"text": [CANARY], CANARY: 1}}},
            {"query": SAY, "variables": {"input": {"text": CANARY, "kind": {"a": CANARY}}}},
            {"query": "query { runs(after: $x) { nodes { id } } }", "variables": {"x": CANARY}},
            {"query": CANARY * 20_000},
        ):
            self.post(body, **own)
            self.post(body, Accept="text/event-stream", **own)
        query = {"query": "{ viewer { id } }", "extensions": {CANARY: CANARY}}
        for wrong in ({"Authorization": f"Bearer {CANARY}"}, {"Authorization": f"Basic {CANARY}"},
                      {"Host": f"{CANARY}.example"}, {"Origin": f"https://{CANARY}.example"},
                      {"Accept": CANARY}, {"traceparent": CANARY}, {"X-Large": CANARY * 5_000},
                      {"Content-Type": f"application/{CANARY}"}):  # fmt: skip
            self.post(query, **wrong)
        for path in ("/", "/nowhere/", "/schema.graphql", "/files/", "/readyz", "/static/"):
            self._http.get(f"{path}{CANARY}?{CANARY}={CANARY}")
            self._http.request("DELETE", path, params={CANARY: CANARY})
        with socket.create_connection(("127.0.0.1", self._service.port), timeout=10) as raw:
            raw.sendall(f"{CANARY} {CANARY}\r\n\r\n".encode())
            raw.recv(1_000)

    def _use_the_admin(self) -> None:
        names = (
            "createsuperuser",
            "--noinput",
            "--username",
            f"{CANARY}-admin",
            "--email",
            "ada@downbeat.example",
        )
        self._service.manage(*names)
        form = {"username": CANARY, "password": CANARY, "next": f"/{CANARY}"}
        for origin in ({}, {"Origin": f"https://{CANARY}.example"}):
            assert self._http.post("/admin/login/", data=form, headers=origin).status_code == 403
        headers = {"User-Agent": CANARY}
        with httpx.Client(base_url=self._service.url, headers=headers) as browser:

            def keep_cookies(_: httpx.Response) -> None:
                for cookie in browser.cookies.jar:
                    cookie.secure = False  # no proxy speaks TLS here

            browser.event_hooks = {"response": [keep_cookies]}
            browser.get("/admin/login/")
            form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
            assert browser.post("/admin/login/", data=form).status_code == 200
            form.update(username=f"{CANARY}-admin", password=PASSWORD, next="/admin/")
            assert browser.post("/admin/login/", data=form).status_code == 302
            self.secrets += [browser.cookies["sessionid"], browser.cookies["csrftoken"]]
            for query in (f"q={CANARY}", f"{CANARY}__x={CANARY}", f"password__startswith={CANARY}"):
                browser.get(f"/admin/accounts/user/?{query}")
            browser.get(f"/admin/accounts/user/{CANARY}/change/")
            browser.post("/graphql", json={"query": f"{{ {CANARY} }}"})  # without its CSRF token
            with broken(self._service, "django_session"):
                assert browser.get(f"/admin/?q={CANARY}").status_code == 500
                assert browser.post("/graphql", json={"query": CANARY}).status_code in (500, 503)

    def _open_sockets(self) -> None:
        for address in (f"/{CANARY}", f"/graphql?{CANARY}={CANARY}"):
            with suppress(InvalidStatus, ConnectionClosed), self._socket(address) as wire:
                init = {"authorization": f"Bearer {CANARY}", CANARY: CANARY}
                wire.send(json.dumps({"type": "connection_init", "payload": init}))
                wire.recv(20)
        for last in (
            f'{{"type": "{CANARY}"}}',
            f'{{"{CANARY}',
            CANARY.encode(),
            b"\xff" + b"canary",
        ):
            with self._socket() as wire:
                self._greet(wire, self.client.token)
                wire.send(json.dumps({"type": "ping", "payload": {CANARY: CANARY}}))
                wire.recv(20)
                for query in (CANARY, f"{{ {CANARY} }}", f'{{ node(id: "{CANARY}") {{ id }} }}'):
                    payload = {"query": query, "variables": {CANARY: CANARY}}
                    wire.send(json.dumps({"id": CANARY, "type": "subscribe", "payload": payload}))
                    assert json.loads(wire.recv(20))["type"] in ("error", "next")
                with suppress(ConnectionClosed):
                    wire.send(last, text=last[:1] == b"\xff")
                    while True:
                        wire.recv(20)

    def _socket(self, address: str = "/graphql") -> ClientConnection:
        headers = {name: value for name, value in HEADERS.items() if name != "User-Agent"}
        return connect(
            f"ws://127.0.0.1:{self._service.port}{address}",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            additional_headers=headers,
            user_agent_header=CANARY,
        )

    def _greet(self, wire: ClientConnection, token: str) -> None:
        payload = {"authorization": f"Bearer {token}", CANARY: CANARY}
        wire.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(wire.recv(20))["type"] == "connection_ack"

    def _meet_bugs(self) -> None:
        """What no program writes into a row breaks the resolver that reads it."""
        trigger = "tasks_run_guard"
        where = " ON tasks_run" if "DATABASE_URL" in self._service.env else ""
        change(
            self._service,
            f"DROP TRIGGER {trigger}{where}",
            f"UPDATE tasks_run SET status = '{CANARY}'",  # noqa: S608 - both are constants
        )
        before = len(self.references)
        run, own = self.runs[0], {"Authorization": f"Bearer {self.client.token}"}
        self.ask("query($id: ID!) { run(id: $id) { status } }", id=run)
        body = {"query": WATCH, "variables": {"id": run}}
        stream = self.post(body, Accept="text/event-stream", **own).text
        told = next(line for line in stream.splitlines() if line.startswith("data: {"))
        self._note(json.loads(told.removeprefix("data: "))["errors"])
        with self._socket() as wire:
            self._greet(wire, self.client.token)
            wire.send(json.dumps({"id": CANARY, "type": "subscribe", "payload": body}))
            self._note(json.loads(wire.recv(20))["payload"]["errors"])
        assert len(self.references) == before + 3, self.references


class broken:  # noqa: N801 - read as a word of the test
    """A database without this table, for the length of a block."""

    def __init__(self, service: Service, table: str) -> None:
        self._service = service
        self._table = table

    def __enter__(self) -> None:
        change(self._service, f"ALTER TABLE {self._table} RENAME TO {self._table}_away")

    def __exit__(self, *_: object) -> None:
        change(self._service, f"ALTER TABLE {self._table}_away RENAME TO {self._table}")


def change(service: Service, *statements: str) -> None:
    """Change the service's database behind its back."""
    url = service.env.get("DATABASE_URL")
    if url is None:
        with sqlite3.connect(service.home / "db.sqlite3", timeout=20) as lite:
            for statement in statements:
                lite.execute(statement)
        lite.close()
        return
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
