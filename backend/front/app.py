"""The ASGI application: reads requests on the event loop, hops once into Django, answers."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from backend import trace
from backend.front.address import as_sent
from backend.front.answer import ALIVE, Answer, Refusal, send_answer
from backend.front.asgi import Disconnected, Headers, Receive, Scope, Send, header
from backend.front.body import Crowd, Intake
from backend.front.environ import make_environ
from backend.front.guards import GUARDS, guarded
from backend.front.headers import check_headers
from backend.front.hop import WSGIApplication, perform
from backend.front.pool import Full, Pool
from backend.front.serving import opened, send_part
from backend.front.staging import staged, upload_address
from tasks.files import Allowance, upload_allowance

logger = logging.getLogger("downbeat.front")

STOP_SECONDS = 10.0
# Uploads that one process receives at once. Each takes a file, half a megabyte and a thread for its
# writing; and of nobody's there may be so many that others find no place.
UPLOADS = 64
UPLOADS_OF_AN_OWNER = 16
UPLOADS_OF_A_FILE = 2  # a client that tries again before we heard that the first try is over
HEALTH = "/healthz"
OF_FILES = ("/uploads/", "/files/")
LATER: Headers = [(b"retry-after", b"5")]


class Live(Protocol):
    """What answers later, or more than once."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    def leave(self) -> None: ...

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def send(
        self, later: Any, answer: Answer, scope: Scope, receive: Receive, send: Send
    ) -> None: ...


class Front:
    """Everything that comes in by the one port.

    `application` is Django's WSGI handler; `live` serves WebSockets and what Django leaves for
    later; `request_size` bounds every body but an upload's, which is staged in `staging`; pages of
    `origins` may read what the front itself refuses; so many `proxies` of ours stand before it;
    every answer has the headers of `guards`.
    """

    def __init__(
        self,
        application: WSGIApplication,
        pool: Pool,
        live: Live,
        *,
        request_size: int,
        staging: Path,
        origins: frozenset[str],
        proxies: int,
        guards: Headers = GUARDS,
    ) -> None:
        self._application = application
        self._pool = pool
        self._live = live
        self._request_size = request_size
        self._staging = staging
        self._origins = origins
        self._proxies = proxies
        self._guards = guards
        self._crowd = Crowd()
        self._uploads: Counter[str] = Counter()  # by file, and by owner
        self._uploading_now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        # The server runs each request as a task, so that what is bound here ends with it.
        trace.begin(header(scope, trace.HEADER), scope["type"])
        if scope["type"] == "http":
            await self._http(as_sent(scope, self._proxies), receive, send)
        else:
            await self._live.socket(as_sent(scope, self._proxies), receive, send)

    def leave(self) -> None:
        """The server will stop: end the streams, which would never end by themselves."""
        self._live.leave()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        intake = Intake(scope, receive)
        try:
            check_headers(scope)
            answer = await self._answer(scope, intake)
            stream = None if answer.part is None else await opened(answer.part)
        except Disconnected:
            return  # nobody is left to answer
        except Refusal as refusal:
            is_graphql = not scope["path"].startswith(OF_FILES)
            answer = self._readable(refusal.answer(is_graphql=is_graphql), scope)
            stream = None
        answer = guarded(answer, self._guards)
        if stream is not None and answer.part is not None:
            length = 0 if scope["method"] == "HEAD" else answer.part.length
            await send_part(scope, receive, send, answer, stream, length)
        elif answer.later is not None:
            await self._live.send(answer.later, answer, scope, receive, send)
        elif intake.ended:
            await send_answer(send, answer, head=scope["method"] == "HEAD")
        else:
            await _answer_and_hang_up(send, intake, answer)

    async def _answer(self, scope: Scope, intake: Intake) -> Answer:
        address = upload_address(scope)
        if address is None:
            body = await intake.whole(self._request_size, self._crowd)
            if scope["path"] == HEALTH and scope["method"] in ("GET", "HEAD"):
                return ALIVE  # without Django: a full pool is busy, not dead
            return await self._hop(make_environ(scope, body))
        allowance = upload_allowance(*address)
        if allowance is None:  # Django says why, and the body stays unread
            return await self._hop(make_environ(scope, b""))
        with self._uploading(address[0], allowance):
            async with staged(self._staging, intake, allowance) as upload:
                return await self._hop(make_environ(scope, b"", upload))

    @contextlib.contextmanager
    def _uploading(self, file_id: str, allowance: Allowance) -> Iterator[None]:
        """Few at once of one file, of one owner, and of all: what they stage is on the disk."""
        if self._uploads[file_id] >= UPLOADS_OF_A_FILE:
            raise Refusal(429, "RATE_LIMITED", "This file is being uploaded already.", LATER)
        if self._uploads[allowance.owner] >= UPLOADS_OF_AN_OWNER:
            message = f"At most {UPLOADS_OF_AN_OWNER} of your files may be uploaded at once."
            raise Refusal(429, "RATE_LIMITED", message, LATER)
        if self._uploading_now >= UPLOADS:
            message = "Too many files are being uploaded; try again in a few seconds."
            raise Refusal(503, "UNAVAILABLE", message, LATER)
        held = Counter([file_id, allowance.owner])
        self._uploads += held
        self._uploading_now += 1
        try:
            yield
        finally:
            self._uploads -= held  # which drops what comes to 0
            self._uploading_now -= 1

    async def _hop(self, environ: dict[str, object]) -> Answer:
        try:
            return await self._pool.run(partial(perform, self._application, environ))
        except Full:
            message = "Too many requests are waiting; try again in a second."
            raise Refusal(503, "UNAVAILABLE", message, [(b"retry-after", b"1")]) from None
        except Exception as error:
            with trace.current() as reference:
                logger.error("A request failed by a mistake of ours.", exc_info=error)
            message = f"Something went wrong on our side. Reference: {reference}."
            raise Refusal(500, "INTERNAL", message) from error

    def _readable(self, answer: Answer, scope: Scope) -> Answer:
        """The same answer with CORS headers: Django's middleware did not see this request."""
        origin = header(scope, b"origin")
        if origin is None or origin.decode("latin-1") not in self._origins:
            return answer
        cors: Headers = [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"Retry-After"),
            (b"vary", b"origin"),
        ]
        return Answer(answer.status, [*answer.headers, *cors], answer.body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._pool.start()
        self._live.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._live.stop()
        await asyncio.to_thread(self._pool.stop, STOP_SECONDS)
        await send({"type": "lifespan.shutdown.complete"})


async def _answer_and_hang_up(send: Send, intake: Intake, answer: Answer) -> None:
    """Answer before the body has come to its end, and close the connection.

    The rest of the body is thrown away for a moment first: closing at once would reset the
    connection, and a client that is still sending would never see the answer.
    """
    headers = [*answer.headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    await intake.discard()
    await send({"type": "http.response.body", "body": b""})
