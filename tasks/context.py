"""What a task can do while it runs: report progress, notice that it must stop, read and save.

A bare `Context()` keeps everything in memory, so a definition is tested as a plain function. The
executor gives a `Context` whose `Backing` is the live run.
"""

import atexit
import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, Self, TypeVar
from uuid import UUID, uuid4

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from tasks.exceptions import Failure
from tasks.status import Level
from tasks.text import cleaned, is_file_name, is_media_type, is_text

T = TypeVar("T")

LINE_LENGTH = 2_000
KEY_LENGTH = 200
INT_MAX = 2**31 - 1  # GraphQL's Int; https://spec.graphql.org/October2021/#sec-Int


class Progress(NamedTuple):
    """How far a run has come: `done` of `total` (None when unknown), both 0 to 2^31-1."""

    done: int
    total: int | None = None
    message: str | None = None


class LogLine(NamedTuple):
    """One line that a task wrote for the readers of its run."""

    message: str
    level: Level = Level.INFO


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
        return {"type": "string", "format": "uuid", "description": "The id of a file."}

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


class FileWriter(io.BufferedRandom):
    """A file on its way out: a binary stream with at most `limit` bytes; `file` once it is saved.

    A write that failed is raised again at the end of the block, so that a file of which something
    is missing is never kept, even if the error was lost on the way.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        super().__init__(io.FileIO(path, "x+"))
        self._path = path
        self._limit = limit
        self._error: Exception | None = None
        self._file: File | None = None

    @property
    def file(self) -> File:
        """The saved file, fit for a field of the task's result."""
        if self._file is None:
            raise ValueError("The file is saved at the end of the `with` block: ask for it then.")
        return self._file

    def saved_as(self, file: File) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        with self._remembering(), memoryview(data) as view:
            self._check_size(self.tell() + view.nbytes)
            return super().write(data)

    def flush(self) -> None:
        with self._remembering():
            super().flush()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.close()
        if kind is None:
            if self._error is not None:
                raise self._error
            self._check_size(self._path.stat().st_size)  # truncate() makes holes without a write

    def _check_size(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            message = f"A file may have at most {self._limit} bytes."
            raise Failure(message, code="FILE_TOO_LARGE")

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._error = error
            raise


class Backing(Protocol):
    """What stands behind a Context. `progress` is read by whoever wants to know the latest.

    `is_due` says that somebody does, or that `check` would raise.
    """

    progress: Progress | None
    is_due: bool

    def report(self, progress: Progress) -> None:
        """Keep it as the latest."""

    def check(self) -> None:
        """Raise Stopped (Fenced, Canceled, Released) when this attempt must stop."""

    def log(self, line: LogLine) -> None:
        """Keep the line with the run."""

    def effect(self, key: str, act: Callable[[str], Any]) -> Any:
        """What `act` returned, now or in an earlier attempt."""

    def once(self, key: str, act: Callable[[], Any]) -> Any:
        """What `act` returned, now or in an earlier attempt."""

    def open(self, file: File) -> BinaryIO:
        """The file's bytes, to be closed by the caller."""

    def path(self, file: File) -> contextlib.AbstractContextManager[Path]:
        """The file on the local disk for as long as the context is open."""

    def save(self, name: str, content_type: str) -> contextlib.AbstractContextManager[FileWriter]:
        """A stream for a new file of the run, which is kept if the block ends well."""


class InMemory:
    """The backing of a bare Context: remembers progress, lines and effects, has local files."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.lines: list[LogLine] = []
        self.is_due = True
        self._effects: dict[str, Any] = {}

    def check(self) -> None:
        """Nothing can take a run away that nobody holds."""

    def report(self, progress: Progress) -> None:
        self.progress = progress

    def log(self, line: LogLine) -> None:
        self.lines.append(line)

    def effect(self, key: str, act: Callable[[str], Any]) -> Any:
        if key not in self._effects:
            self._effects[key] = act(f"run:{key}")
        return self._effects[key]

    def once(self, key: str, act: Callable[[], Any]) -> Any:
        return self.effect(key, lambda _: act())

    def open(self, file: File) -> BinaryIO:
        return self._local(file).open("rb")

    def path(self, file: File) -> contextlib.AbstractContextManager[Path]:
        return contextlib.nullcontext(self._local(file))

    @contextlib.contextmanager
    def save(self, name: str, content_type: str) -> Iterator[FileWriter]:
        path = _folder() / str(uuid4())
        try:
            with FileWriter(path) as writer:
                yield writer
        except BaseException:
            path.unlink()
            raise
        writer.saved_as(File(uuid4(), name, content_type, path.stat().st_size, path))

    @staticmethod
    def _local(file: File) -> Path:
        if file.path is None:
            message = "A bare Context reads only files that it saved, or File.from_path(...) made."
            raise ValueError(message)
        return file.path


@cache
def _folder() -> Path:
    """Where bare contexts keep what they save: one folder, as long as the process lives."""
    folder = tempfile.mkdtemp(prefix="downbeat-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


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
        noticed (Fenced), and a cancel (Canceled).
        """
        if not 0 <= done <= INT_MAX or (total is not None and not 0 <= total <= INT_MAX):
            raise ValueError("Progress counts from 0 to 2147483647: use a larger unit.")
        self._backing.check()
        self._backing.report(Progress(done, total, message and cleaned(message[:200])))

    def track(
        self, items: Iterable[T], message: str | None = None, total: int | None = None
    ) -> Iterator[T]:
        """Yield the items, reporting each as progress when the loop comes back for the next.

        What nobody would see is left out, so a tight loop costs little more than without it.
        """
        if total is None and isinstance(items, Sized):
            total = len(items)
        self.progress(0, total, message)
        backing, done, first = self._backing, 0, self._backing.progress
        try:
            for item in items:
                yield item
                done += 1
                if backing.is_due:
                    self.progress(done, total, message)
        finally:
            last = backing.progress  # the function may have reported something of its own
            if first is not None and last is not None and last[1:] == first[1:]:
                backing.report(last._replace(done=max(last.done, min(done, INT_MAX))))

    def check(self) -> None:
        """Raise Stopped when this attempt must stop: canceled, fenced, or its worker shuts down.

        Call it in long loops that report nothing. Let what it raises pass; clean up in `finally`.
        """
        self._backing.check()

    def log(self, message: str, level: Level | str = Level.INFO) -> None:
        """Write a line for the run's readers, as an event of kind LOGGED; cut at 2,000 characters.

        `level` is DEBUG, INFO, WARNING or ERROR. An attempt may write 1,000 lines; what comes
        after them is dropped, and one last line says so. No place for secrets.
        """
        level = Level[level.upper()] if isinstance(level, str) else Level(level)
        self._backing.log(LogLine(cleaned(str(message)[:LINE_LENGTH]), level))

    def effect(self, key: str, act: Callable[[str], T]) -> T:
        """Do something to the outside world under a key of this run, such as "charge".

        `act` is called with an idempotency key to hand on to the other side, and returns a JSON
        value. If an earlier attempt has done it, `act` is not called and its value is given back.
        Raise Failure or Retry inside `act` when it is sure that nothing happened; after any other
        exception, or a death in the middle, it may have happened: a task with on_lost="park" is
        then not performed again, and one with "rerun" says mayHaveRepeated when it does it again.
        """
        _check_key(key)
        return self._backing.effect(key, act)  # type: ignore[no-any-return]

    def once(self, key: str, act: Callable[[], T]) -> T:
        """Change Downbeat's own database exactly once in the life of the run.

        `act` runs in a transaction that commits only if this attempt still holds the run, together
        with the mark that it was done; it returns a JSON value, which later attempts are given.
        """
        _check_key(key)
        return self._backing.once(key, act)  # type: ignore[no-any-return]

    def open(self, file: File) -> BinaryIO:
        """The bytes of an input file, as a binary stream to be closed by the caller."""
        return self._backing.open(file)

    def path(self, file: File) -> contextlib.AbstractContextManager[Path]:
        """The input file as a path on this machine: `with ctx.path(file) as path:`."""
        return self._backing.path(file)

    def save(
        self, name: str, *, content_type: str = "application/octet-stream"
    ) -> contextlib.AbstractContextManager[FileWriter]:
        """Save a file with the run: `with ctx.save("sums.csv", content_type="text/csv") as sums:`.

        The block writes bytes to a binary stream (text: through `io.TextIOWrapper`, closed before
        the block ends). Afterwards `sums.file` is the saved File, fit for a field of the result. If
        the block raises, nothing is kept. A file of this name that the run saved before, perhaps in
        an earlier attempt, is replaced; what an attempt saved stays when it fails later.
        """
        if not is_file_name(name):
            raise ValueError("A file has a plain name of 1 to 255 characters, without a folder.")
        if not is_media_type(content_type):
            raise ValueError("A content type is a media type such as text/csv.")
        return self._backing.save(name, content_type.lower())


def _check_key(key: str) -> None:
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LENGTH or not is_text(key):
        raise ValueError(f"The key of an effect is a text of 1 to {KEY_LENGTH} characters.")
