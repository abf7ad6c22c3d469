"""What a task can do while it runs: report progress, notice that it must stop, read files.

A bare `Context()` keeps everything in memory, so a definition is tested as a plain function. The
executor gives a `Context` whose `Backing` is the live run.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, Self, TypeVar
from uuid import UUID, uuid4

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from tasks.text import cleaned

T = TypeVar("T")

INT_MAX = 2**31 - 1  # GraphQL's Int; https://spec.graphql.org/October2021/#sec-Int


class Progress(NamedTuple):
    """How far a run has come: `done` of `total` (None when unknown), both 0 to 2^31-1."""

    done: int
    total: int | None = None
    message: str | None = None


@dataclass(frozen=True)
class File:
    """Bytes that come in or go out. `path` is set only for a local file given in a test."""

    id: UUID
    name: str = ""
    content_type: str = "application/octet-stream"
    size: int = 0
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """A file on this disk, for calling a definition as a plain function."""
        path = Path(path)
        return cls(id=uuid4(), name=path.name, size=path.stat().st_size, path=path)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda file: str(file.id), return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "uuid", "description": "The id of an uploaded file."}

    @classmethod
    def _validate(cls, value: Any, info: core_schema.ValidationInfo) -> "File":
        """A File, or the UUID of one of the validation context's `files` (any id without one)."""
        if isinstance(value, File):
            return value
        try:
            key = UUID(value)
        except (TypeError, ValueError, AttributeError):
            raise PydanticCustomError("file_id", "Not the id of a file.") from None
        files: dict[UUID, File] | None = (info.context or {}).get("files")
        if files is None:
            return cls(id=key)
        if key not in files:
            raise PydanticCustomError("file_missing", "There is no such file (any more).")
        return files[key]


class Backing(Protocol):
    """What stands behind a Context. `progress` is read by whoever wants to know the latest."""

    progress: Progress | None

    def check(self) -> None:
        """Raise Fenced when this attempt must stop."""

    def open(self, file: File) -> BinaryIO:
        """The file's bytes, to be closed by the caller."""

    def path(self, file: File) -> contextlib.AbstractContextManager[Path]:
        """The file on the local disk for as long as the context is open."""


class InMemory:
    """The backing of a bare Context: remembers the last progress, reads local files."""

    def __init__(self) -> None:
        self.progress: Progress | None = None

    def check(self) -> None:
        """Nothing can take a run away that nobody holds."""

    def open(self, file: File) -> BinaryIO:
        return self._local(file).open("rb")

    def path(self, file: File) -> contextlib.AbstractContextManager[Path]:
        return contextlib.nullcontext(self._local(file))

    @staticmethod
    def _local(file: File) -> Path:
        if file.path is None:
            raise ValueError("A bare Context reads only files made by File.from_path(...).")
        return file.path


class Context:
    """The first argument of every task."""

    def __init__(self, backing: Backing | None = None) -> None:
        self._backing: Backing = InMemory() if backing is None else backing

    @property
    def last_progress(self) -> Progress | None:
        """The progress reported last."""
        return self._backing.progress

    def progress(self, done: int, total: int | None = None, message: str | None = None) -> None:
        """Report how far the work has come; only the last report is kept, so call it freely.

        `done` and `total` count anything from 0 to 2^31-1 (count larger things in larger units,
        else ValueError); the message is cut at 200 characters. Also a point where a lost lease is
        noticed (Fenced).
        """
        if not 0 <= done <= INT_MAX or (total is not None and not 0 <= total <= INT_MAX):
            raise ValueError("Progress counts from 0 to 2147483647: use a larger unit.")
        self._backing.check()
        self._backing.progress = Progress(done, total, message and cleaned(message[:200]))

    def track(
        self, items: Iterable[T], message: str | None = None, total: int | None = None
    ) -> Iterator[T]:
        """Yield the items, reporting each as progress when the loop comes back for the next."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        self.progress(0, total, message)
        for done, item in enumerate(items, 1):
            yield item
            self.progress(done, total, message)

    def check(self) -> None:
        """Raise Fenced when this attempt must stop. Call it in long loops that report nothing."""
        self._backing.check()

    def open(self, file: File) -> BinaryIO:
        """The bytes of an input file, as a binary stream to be closed by the caller."""
        return self._backing.open(file)

    def path(self, file: File) -> contextlib.AbstractContextManager[Path]:
        """The input file as a path on this machine: `with ctx.path(file) as path:`."""
        return self._backing.path(file)
