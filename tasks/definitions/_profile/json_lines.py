"""Checks every line of a JSON Lines file and learns its keys."""

import codecs
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from tasks import Failure
from tasks.definitions._profile.limits import MAX_LEVELS, MAX_LINE
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.shape import check_columns, check_name
from tasks.definitions._profile.text import too_long

_EVERY = 10_000  # lines between two reports


def without_mark(source: Path, scratch: Path) -> Path:
    """A copy without the byte order mark, which DuckDB refuses in JSON."""
    copy = scratch / "rows.jsonl"
    with source.open("rb") as stream, copy.open("wb") as out:
        stream.seek(len(codecs.BOM_UTF8))
        shutil.copyfileobj(stream, out)
    return copy


def check_json_lines(path: Path, report: Meter) -> list[str]:
    """The keys of all lines in the order of their first appearance."""
    keys: dict[str, None] = {}
    size, done = path.stat().st_size, 0
    with path.open("rb") as stream:
        for number, line in enumerate(_lines(stream), 1):
            if line.strip(b" \t\r\n"):
                row = _object(line, number)
                if row.keys() - keys.keys():
                    keys.update(dict.fromkeys(row))
                    check_columns(len(keys))
                    for key in row:
                        check_name(key)
                    _refuse_case(keys, number)
            done += len(line)
            if not number % _EVERY:
                report(done / size)
    if not keys:
        raise Failure('No line has a key: write {"name": value, ...}.', code="NO_COLUMNS")
    return list(keys)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines, each cut where it is too long to be kept: `for line in stream` keeps any."""
    return iter(lambda: stream.readline(MAX_LINE + 2), b"")


def _refuse_case(keys: Iterable[str], number: int) -> None:
    """DuckDB's names of columns do not differ by case."""
    known: dict[str, str] = {}
    for key in keys:
        other = known.setdefault(key.lower(), key)
        if other != key:
            raise Failure(
                f"Line {number} brings the key {key[:100]!r}, and {other[:100]!r} is one already: "
                "rename one, for they differ only by case.",
                code="DUPLICATE_COLUMN",
            )


def refuse_repeated_keys(path: Path) -> None:
    """Find the first line whose object has a key twice, if there is one."""

    with path.open("rb") as stream:
        for number, line in enumerate(_lines(stream), 1):
            if line.strip(b" \t\r\n") and json.loads(line, object_pairs_hook=_repeats):
                raise _bad(number, "it has a key twice")


def _repeats(pairs: list[tuple[str, Any]]) -> bool:
    """Whether a key stands twice among them; asked of the outermost object last."""
    return len(dict(pairs)) < len(pairs)


def _object(line: bytes, number: int) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise too_long(number)
    try:
        value = _DECODER.decode(line.decode().strip())
        if b"\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _bad(number, "a text holds half a surrogate pair") from None
    except RecursionError:
        raise _bad(number, "it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _bad(number, f"{error.msg} at column {error.colno}") from None
    except ValueError as error:
        raise _bad(number, str(error)) from None
    # How far Python's decoder goes differs by its version.
    if line.count(b"{") + line.count(b"[") > MAX_LEVELS and _is_deeper(value, MAX_LEVELS):
        raise _bad(number, "it is nested too deeply")
    if not isinstance(value, dict):
        raise _bad(number, 'it is valid JSON, but no object such as {"name": 1}')
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other more than so many times."""
    level = [value]
    for _ in range(levels + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _bad(line: int, reason: str) -> Failure:
    return Failure(
        f"Line {line} is no JSON object: {reason}. Write one object per line.",
        code="BAD_JSON_LINE",
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


# Numbers stay text: they need no conversion here, and one of a million digits would take long.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)
