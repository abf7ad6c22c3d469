"""Sends a stored file, or a part of it, holding neither the event loop nor a pool thread."""

import asyncio
import logging
from typing import BinaryIO

from backend.front.answer import Answer, Refusal
from backend.front.asgi import Receive, Scope, Send, hang_up
from tasks.downloads import StoredPart, Truncated, open_part

CHUNK = 262_144  # bytes for which a thread is asked to read
PIECE = 65_536  # bytes that a client must take within IDLE_SECONDS
IDLE_SECONDS = 30.0

logger = logging.getLogger("downbeat.front")


async def opened(part: StoredPart) -> BinaryIO:
    """The stored file at the part's first byte, to be closed by `send_part`; or Refusal."""
    try:
        return await asyncio.to_thread(open_part, part)
    except (FileNotFoundError, Truncated) as error:
        logger.error("The storage has lost %s: %s", part.storage_name, error)
        message = "The file's bytes are lost."
        raise Refusal(500, "INTERNAL", message) from error
    except OSError as error:  # a storage that is away: the operator's to mend
        logger.exception("A stored file could not be opened.")
        message = "Files cannot be read at the moment; try again later."
        raise Refusal(503, "UNAVAILABLE", message) from error


async def send_part(
    scope: Scope, receive: Receive, send: Send, answer: Answer, stream: BinaryIO, length: int
) -> None:
    """The answer's headers, then so many bytes of the stream, which is closed in any case.

    Hangs up on a client that takes nothing, and when the storage breaks off: what has come then is
    shorter than its Content-Length, so that nobody takes it for the file.
    """
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        if not await _send_bytes(send, stream, length, gone):
            hang_up(scope)
            await asyncio.wait([gone], timeout=1)  # so that the server knows before we return
    finally:
        gone.cancel()
        await asyncio.to_thread(stream.close)


async def _send_bytes(
    send: Send, stream: BinaryIO, length: int, gone: "asyncio.Future[None]"
) -> bool:
    """Whether all that could be done was done; False when the connection must be cut."""
    left = length
    while not gone.done():
        try:
            chunk = await asyncio.to_thread(stream.read, min(CHUNK, left))
        except OSError:
            logger.exception("A stored file could not be read to its end.")
            return False
        if left and not chunk:
            logger.error("A stored file ended %d bytes early.", left)
            return False
        for at in range(0, len(chunk), PIECE) or (0,):
            piece = chunk[at : at + PIECE]
            left -= len(piece)
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
            except TimeoutError:
                return False
        if not left:
            return True
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
