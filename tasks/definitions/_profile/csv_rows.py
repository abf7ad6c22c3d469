"""Checks every row of a CSV or TSV and readies it for DuckDB.

DuckDB's reader is fast, but lenient about a trailing field and lossy where kinds of newlines mix.
So Python decides what a row is: text without quotes is only counted through, any other text is
read by the csv module and written anew with every field quoted.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from tasks import Failure
from tasks.definitions._profile.limits import MAX_LINE
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.shape import checked_names
from tasks.definitions._profile.text import Traits, too_long

_EVERY = 20_000  # rows between two reports


@dataclass(frozen=True)
class CheckedCsv:
    """A text of rows of one width, in a dialect that leaves DuckDB no choice."""

    path: Path
    names: list[str]
    has_header: bool
    quote: str


def check_csv(
    source: Path, scratch: Path, delimiter: str, traits: Traits, report: Meter
) -> CheckedCsv:
    """The file itself when its lines are its rows, else a copy in plain quoting."""
    if traits.is_plain:
        with source.open("rb") as stream:
            names = _count_fields(stream, delimiter.encode(), report, source.stat().st_size)
        return CheckedCsv(source, names, has_header=True, quote="")
    copy = scratch / "rows.csv"
    with (
        source.open(encoding="utf-8-sig", newline="") as stream,
        copy.open("w", encoding="utf-8", newline="") as out,
    ):
        names = _rewrite(stream, out, delimiter, report, traits.feeds or traits.returns)
    return CheckedCsv(copy, names, has_header=False, quote='"')


def _count_fields(stream: BinaryIO, delimiter: bytes, report: Meter, size: int) -> list[str]:
    header = stream.readline().decode("utf-8-sig").strip("\r\n")
    names = checked_names(header.split(delimiter.decode()))
    between, single, done = len(names) - 1, len(names) == 1, 0
    for number, line in enumerate(stream, 2):
        if line.count(delimiter) != between and (single or line.strip(b"\r\n")):
            raise _ragged(number, line.count(delimiter) + 1, len(names))
        if len(line) > MAX_LINE:
            raise too_long(number)
        done += len(line)
        if not number % _EVERY:
            report(done / size)
    return names


def _rewrite(stream: TextIO, out: TextIO, delimiter: str, report: Meter, lines: int) -> list[str]:
    rows = _Rows(stream, delimiter)
    header = next(rows, [])
    names = checked_names(header)
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for count, row in enumerate(rows, 1):
        if not row and len(names) > 1:
            continue
        if len(row) != len(names) and row:
            raise _ragged(rows.start, len(row), len(names))
        writer.writerow(row or [""])
        if not count % _EVERY:
            report(rows.start / lines)
    return names


class _Rows(Iterator[list[str]]):
    """The rows of a CSV text, and at which line the last one started."""

    def __init__(self, stream: TextIO, delimiter: str) -> None:
        self._reader = csv.reader(self._bounded(stream), delimiter=delimiter, strict=True)
        self._length = 0
        self.start = 1

    def __next__(self) -> list[str]:
        self.start, self._length = self._reader.line_num + 1, 0
        try:
            return next(self._reader)
        except csv.Error as error:
            raise _misquoted(self.start, str(error)) from None

    def _bounded(self, stream: TextIO) -> Iterator[str]:
        """The lines, as long as those of one row do not add up to a flood."""
        for line in stream:
            self._length += len(line)
            if self._length > MAX_LINE:
                raise too_long(self.start)
            yield line


def sniff_delimiter(path: Path) -> str:
    """The delimiter by which most of the first rows are as wide as the header, and widest."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        head = stream.read(1 << 16)
        is_whole = not stream.read(1)
    lines = list(io.StringIO(head, newline=""))
    if not is_whole and len(lines) > 1:
        lines.pop()

    def rank(delimiter: str) -> tuple[float, int]:
        widths = list(_widths(lines, delimiter))
        header = widths[0] if widths else 0
        return (widths.count(header) / len(widths), header) if header > 1 else (0.0, header)

    return max(",;\t|", key=rank)


def _widths(lines: Iterable[str], delimiter: str) -> Iterator[int]:
    rows = csv.reader(lines, delimiter=delimiter)
    try:
        for row in itertools.islice(rows, 200):
            if row:
                yield len(row)
    except csv.Error:
        return  # a flood: what came before it has to do, the check will name the line


def _ragged(line: int, found: int, expected: int) -> Failure:
    return Failure(
        f"Line {line} has {found} field{'s' * (found != 1)}, but the header has {expected}: "
        "correct that line, or quote a field that holds the delimiter.",
        code="RAGGED_ROW",
    )


def _misquoted(line: int, error: str) -> Failure:
    if "field limit" in error:
        return Failure(
            f"The row at line {line} holds a value of more than 131072 characters: is a quote "
            "left open there?",
            code="VALUE_TOO_LONG",
        )
    if "end of data" in error:
        return Failure(
            f"The row at line {line} opens a quote that is never closed.", code="UNTERMINATED_QUOTE"
        )
    return Failure(
        f"The row at line {line} is quoted wrongly: after a closing quote the next field must "
        'begin, and a quote within a quoted field is written twice ("").',
        code="BAD_QUOTES",
    )
