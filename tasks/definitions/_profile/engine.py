"""A DuckDB database in a scratch folder: bounded in memory and disk, its queries stoppable."""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from tasks import Failure
from tasks.definitions._profile.limits import MEMORY, THREADS

POLL_SECONDS = 0.1

Row: TypeAlias = tuple[Any, ...]


class Engine:
    """Runs SQL in a thread of its own, so that a lost lease or a time limit can interrupt it.

    No SQL can reach anything but the scratch folder and the file that is given as `source`, load an
    extension, or change a setting.
    """

    def __init__(self, scratch: Path, source: Path, disk_limit: int) -> None:
        import duckdb  # here: only a worker that profiles needs its 50 MB

        self._scratch, self._disk_limit = scratch, disk_limit
        self._pool = ThreadPoolExecutor(1)
        self._out_of_memory = duckdb.OutOfMemoryException
        self._connection = duckdb.connect(
            scratch / "table.duckdb",
            config={
                "memory_limit": MEMORY,
                "threads": THREADS,
                "temp_directory": str(scratch / "spill"),
                "max_temp_directory_size": f"{disk_limit}B",
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
            },
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = true")  # else there is no progress
        self._connection.execute("SET enable_progress_bar_print = false")
        self._lock(scratch, source)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        self._connection.close()

    def _lock(self, scratch: Path, source: Path) -> None:
        """DuckDB follows links before it asks whether a file is allowed."""
        self._connection.execute(f"SET allowed_directories = [{_quoted(scratch.resolve())}]")
        self._connection.execute(f"SET allowed_paths = [{_quoted(source.resolve())}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def rows(
        self, sql: str, parameters: Sequence[Any] = (), *, report: Callable[[float], None]
    ) -> list[Row]:
        """All rows of a query that has few; `report` gets the share done, and may raise."""
        future = self._pool.submit(self._fetch, sql, parameters)
        try:
            while not wait([future], POLL_SECONDS).done:
                report(self._connection.query_progress() / 100)
                self._check_disk()
        except BaseException:
            self._interrupt(future)
            raise
        try:
            return future.result()
        except self._out_of_memory:
            raise _too_large() from None

    def row(
        self, sql: str, parameters: Sequence[Any] = (), *, report: Callable[[float], None]
    ) -> Row:
        """The only row of a query."""
        (row,) = self.rows(sql, parameters, report=report)
        return row

    def _fetch(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        rows: list[Row] = self._connection.execute(sql, list(parameters)).fetchall()
        return rows

    def _interrupt(self, future: Future[list[Row]]) -> None:
        """Until it has ended: an interrupt that comes before the query began is forgotten."""
        while not future.done():
            self._connection.interrupt()
            wait([future], POLL_SECONDS)

    def _check_disk(self) -> None:
        """A small Parquet file can unfold into terabytes."""
        held = 0
        with contextlib.suppress(FileNotFoundError):  # a spilled file that DuckDB just removed
            for path in self._scratch.rglob("*"):
                held += path.lstat().st_size
        if held > self._disk_limit:
            raise _too_large()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _too_large() -> Failure:
    return Failure(
        f"The table unfolds into more data than a worker may hold, {MEMORY} of it in memory: split "
        "it, or drop columns with long values.",
        code="TABLE_TOO_LARGE",
    )
