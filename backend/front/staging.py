"""Receives an upload's bytes into a file, holding neither the event loop nor a pool thread."""

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs

from backend.front.answer import Refusal
from backend.front.asgi import Scope
from backend.front.body import Intake, too_slow
from tasks.files import StagedUpload

CHUNK = 262_144  # bytes gathered before a thread is asked to write them
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

    async def receive(self, intake: Intake, allowance: int) -> None:
        """Take the whole body; Refusal beyond the allowance, or when nothing comes for long."""
        while not intake.ended:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    chunk = await intake.chunk()
            except TimeoutError:
                raise too_slow(IDLE_SECONDS) from None
            self.size += len(chunk)
            if self.size > allowance:
                raise _too_many(allowance)
            self._waiting += chunk
            if len(self._waiting) >= CHUNK or intake.ended:
                await asyncio.to_thread(self._write)

    def _write(self) -> None:
        self._digest.update(self._waiting)
        self._file.write(self._waiting)
        self._waiting = bytearray()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextlib.asynccontextmanager
async def staged(folder: Path, intake: Intake, allowance: int) -> AsyncIterator[StagedUpload]:
    """The upload in a file of this folder, which is gone afterwards unless the body moved it."""
    if intake.declared > allowance:
        raise _too_many(allowance)
    path = folder / f"{secrets.token_hex(16)}.part"
    try:
        try:
            with path.open("xb") as file:
                receiver = Receiver(file)
                await receiver.receive(intake, allowance)
        except OSError as error:  # no space, no right to write: the operator's to mend
            logger.exception("An upload could not be staged.")
            message = "Uploads cannot be stored at the moment; try again later."
            raise Refusal(503, "UNAVAILABLE", message) from error
        yield StagedUpload(path, receiver.size, receiver.sha256)
    finally:
        path.unlink(missing_ok=True)


def _too_many(allowance: int) -> Refusal:
    message = f"Expected {allowance} bytes, got more: nothing stored."
    return Refusal(413, "UPLOAD_MISMATCH", message)
