"""Receives an upload's bytes into a file, holding neither the event loop nor a pool thread."""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs

from backend.front.answer import Refusal
from backend.front.asgi import Scope
from backend.front.body import Intake
from tasks.files import Allowance, StagedUpload

CHUNK = 262_144  # bytes gathered before a thread is asked to write them
PIECE = 65_536  # bytes that a client must send within IDLE_SECONDS, or all that is left
IDLE_SECONDS = 30.0

logger = logging.getLogger("downbeat.front")


def upload_address(scope: Scope) -> tuple[str, str] | None:
    """The file's id and the signature, if this is `PUT /uploads/<id>?signature=...`."""
    path: str = scope["path"]
    if scope["method"] != "PUT" or not path.startswith("/uploads/"):
        return None
    file_id = path.removeprefix("/uploads/")
    if not file_id or "/" in file_id:
        return None
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return file_id, query.get("signature", [""])[0]


class Receiver:
    """Writes an upload to disk in threads, counting and digesting it on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self.size = 0

    async def receive(self, intake: Intake, most: int) -> None:
        """Take the whole body; Refusal beyond so many bytes, or when little comes for long."""
        while not intake.ended:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._gather(intake, most)
            except TimeoutError:
                raise _too_slow() from None
            if len(self._waiting) >= CHUNK or intake.ended:
                await asyncio.to_thread(self._write)

    async def _gather(self, intake: Intake, most: int) -> None:
        """Take a piece, or what is left."""
        enough = self.size + PIECE
        while self.size < enough and not intake.ended:
            chunk = await intake.chunk()
            self.size += len(chunk)
            if self.size > most:
                raise _too_many(most)
            self._waiting += chunk

    def _write(self) -> None:
        self._digest.update(self._waiting)
        self._file.write(self._waiting)
        self._waiting = bytearray()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextlib.asynccontextmanager
async def staged(folder: Path, intake: Intake, allowance: Allowance) -> AsyncIterator[StagedUpload]:
    """The upload in a file of this folder, which is gone afterwards unless the body moved it."""
    if intake.declared > allowance.size:
        raise _too_many(allowance.size)
    path = folder / f"{secrets.token_hex(16)}.part"
    try:
        try:
            with path.open("xb") as file:
                receiver = Receiver(file)
                async with asyncio.timeout(allowance.until - time.time()):
                    await receiver.receive(intake, allowance.size)
        except TimeoutError:
            message = "The bytes did not come before the URL expired: nothing stored."
            raise Refusal(410, "UPLOAD_EXPIRED", message) from None
        except OSError as error:  # no space, no right to write: the operator's to mend
            logger.exception("An upload could not be staged.")
            message = "Uploads cannot be stored at the moment; try again later."
            raise Refusal(503, "UNAVAILABLE", message) from error
        yield StagedUpload(path, receiver.size, receiver.sha256)
    finally:
        path.unlink(missing_ok=True)


def _too_slow() -> Refusal:
    message = f"Less than {PIECE} bytes came within {IDLE_SECONDS:g} seconds: nothing stored."
    return Refusal(408, "BAD_REQUEST", message)


def _too_many(most: int) -> Refusal:
    message = f"Expected {most} bytes, got more: nothing stored."
    return Refusal(413, "UPLOAD_MISMATCH", message)
