"""A file that is made to burst a worker ends in a Failure, in bounded memory and time."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.definitions._profile.limits import MAX_FOOTER
from tests.tasks.definitions import parquet_bombs as bombs

PEAK = 600  # MiB: 80 for Python and DuckDB's code, 300 for its data, and what the reader holds
SECONDS = 60  # each takes less than ten on a quiet machine; what is not refused, hours or for ever
MEBI = 1 << 20
UNFOLDED = 700 * MEBI

Profile = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def survivor() -> Iterator["subprocess.Popen[str]"]:
    """One process for all bombs: the next one shows that it lived on."""
    command = [sys.executable, "-m", "tests.tasks.definitions.survivor"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.fixture
def profile(survivor: "subprocess.Popen[str]", tmp_path: Path) -> Profile:
    """`profile(name, content)`: what came of it, how long it took (seconds), and its peak (MiB)."""

    def profile(name: str, content: bytes | Iterable[bytes]) -> dict[str, Any]:
        path = tmp_path / name
        with path.open("wb") as out:
            out.writelines([content] if isinstance(content, bytes) else content)
        try:
            assert survivor.stdin is not None
            assert survivor.stdout is not None
            survivor.stdin.write(json.dumps(str(path)) + "\n")
            survivor.stdin.flush()
            told: dict[str, Any] = json.loads(survivor.stdout.readline())
        finally:
            path.unlink()
        assert str(tmp_path) not in told["message"]
        return told

    return profile


def much(*parts: tuple[bytes, int]) -> Iterator[bytes]:
    """Each piece so many times, written in larger ones."""
    for piece, times in parts:
        at_once = max(1, MEBI // len(piece))
        whole, rest = divmod(times, at_once)
        for _ in range(whole):
            yield piece * at_once
        yield piece * rest


def flat(columns: int) -> bytes:
    schema = [bombs.leaf(b"a%d" % number) for number in range(columns)]
    return bombs.empty_table([bombs.group(b"root", columns), *schema])


def nested(levels: int) -> bytes:
    schema = [bombs.group(b"root", 1), *[bombs.group(b"a", 1)] * levels, bombs.leaf()]
    return bombs.empty_table(schema)


def zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("t.csv", "a\n1\n")
    return archive.getvalue()


ZSTD = b"\x28\xb5\x2f\xfd\x04\0"  # Python has no zstd before 3.14

PARQUET: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "1e9 rows": (lambda: bombs.repeating(10**9), "TABLE_TOO_LARGE", "more than 500000000 values"),
    "1e10 rows": (lambda: bombs.repeating(10**10), "TABLE_TOO_LARGE", "10000000000 rows"),
    "100,000 columns": (lambda: flat(100_000), "TABLE_TOO_LARGE", "lists more than 10000 columns"),
    "5,000 columns": (lambda: flat(5_000), "TOO_MANY_COLUMNS", "80"),
    "1,000 levels": (lambda: nested(1_000), "BAD_PARQUET", "damaged"),
    "a claim of 3e6 columns": (lambda: bombs.claiming(3 * 10**6), "TABLE_TOO_LARGE", "10000"),
    "a claim of 2e9 columns": (lambda: bombs.claiming(2 * 10**9), "TABLE_TOO_LARGE", "10000"),
    "a claim of 9,999 columns": (lambda: bombs.claiming(9_999), "BAD_PARQUET", "damaged"),
    "an endless footer": (
        lambda: bombs.with_footer(b"\x15\0" * MAX_FOOTER),
        "TABLE_TOO_LARGE",
        "has 8388608 bytes, and may have 4194304",
    ),
    "a footer of structs": (lambda: bombs.with_footer(b"\x1c" * MEBI), "BAD_PARQUET", "damaged"),
    "a footer of lists": (
        lambda: bombs.with_footer(b"\x19" + b"\x19" * MEBI),
        "BAD_PARQUET",
        "damaged",
    ),
    "a footer longer than the file": (
        lambda: b"PAR1" + b"\xff\xff\xff\xff" + b"PAR1",
        "BAD_PARQUET",
        "damaged",
    ),
    "a page of gzip": (
        lambda: bombs.unfolding(bombs.zeros_in_gzip(UNFOLDED), UNFOLDED, bombs.GZIP),
        "TABLE_TOO_LARGE",
        "300MB",
    ),
    "a page of snappy": (
        lambda: bombs.unfolding(bombs.zeros_in_snappy(UNFOLDED), UNFOLDED, bombs.SNAPPY),
        "TABLE_TOO_LARGE",
        "300MB",
    ),
    "a page of zstd": (
        lambda: bombs.unfolding(bombs.zeros_in_zstd(UNFOLDED), UNFOLDED, bombs.ZSTD),
        "TABLE_TOO_LARGE",
        "300MB",
    ),
    "a page that claims 2 GiB": (
        lambda: bytes(bombs.Column([bombs.Page(b"\0" * 8, 2, bombs.PLAIN, bombs.MOST)], rows=2)),
        "TABLE_TOO_LARGE",
        "300MB",
    ),
    "texts that grow": (lambda: bombs.growing(200_000), "TABLE_TOO_LARGE", "300MB"),
    "pages in another file": (
        lambda: bombs.repeating(9, about={1: b"/etc/passwd"}),
        "BAD_PARQUET",
        "damaged",
    ),
}

TEXT: dict[str, tuple[str, Callable[[], Iterable[bytes]], str, str]] = {
    "a quote never closed": (
        "t.csv", lambda: much((b'a,b\n1,"', 1), (b"x", 400 * MEBI)), "LINE_TOO_LONG", "1 MiB",
    ),
    "one line": ("t.csv", lambda: much((b"x", 1 << 30)), "LINE_TOO_LONG", "line 1"),
    "one line of JSON": (
        "t.jsonl", lambda: much((b'{"a":"', 1), (b"x", 400 * MEBI)), "LINE_TOO_LONG", "line 1",
    ),
    "a million columns": ("t.csv", lambda: much((b"a,", 10**6)), "LINE_TOO_LONG", "line 1"),
    "400,000 columns": ("t.csv", lambda: much((b"a,", 400_000)), "TOO_MANY_COLUMNS", "80"),
    "a row of a million fields": (
        "t.csv", lambda: much((b"a,b\n", 1), (b",", 10**6)), "RAGGED_ROW", "Line 2 has 1000001",
    ),
    "quotes alone": (
        "t.csv", lambda: much((b"a,b\n", 1), (b'"', 100 * MEBI)), "LINE_TOO_LONG", "line 2",
    ),
    "quoted newlines": (
        "t.csv", lambda: much((b"a,b\n", 1), (b'"\n",', 10**7)), "LINE_TOO_LONG", "line 2",
    ),
    "NULs": ("t.csv", lambda: much((b"\0", 100 * MEBI)), "NOT_A_TABLE", "NUL"),
    "names that fill the memory": (
        "t.jsonl",
        lambda: (b'{"%s%d": 1}\n' % (b"k" * 900_000, number) for number in range(79)),
        "NAME_TOO_LONG",
        "10000",
    ),
    "100,000 lists in each other": (
        "t.jsonl", lambda: much((b'{"a":', 1), (b"[", 100_000)), "BAD_JSON_LINE", "nested",
    ),
    "a million keys": (
        "t.jsonl",
        lambda: [b"{" + b",".join(b'"k%d":1' % number for number in range(10**6)) + b"}"],
        "LINE_TOO_LONG",
        "line 1",
    ),
    "80,000 keys": (
        "t.jsonl",
        lambda: [b"{" + b",".join(b'"k%d":1' % number for number in range(80_000)) + b"}"],
        "TOO_MANY_COLUMNS",
        "80",
    ),
    "150,000 times one key": (
        "t.jsonl",
        lambda: [b"{" + b",".join([b'"a":1'] * 150_000) + b"}"],
        "BAD_JSON_LINE",
        "twice",
    ),
    "gzip": ("t.csv", lambda: [gzip.compress(bytes(10**7))], "COMPRESSED_FILE", "gzip"),
    "bzip2": ("t.csv", lambda: [bz2.compress(bytes(10**7))], "COMPRESSED_FILE", "bzip2"),
    "xz": ("t.jsonl", lambda: [lzma.compress(bytes(10**7))], "COMPRESSED_FILE", "xz"),
    "zstd": ("t.csv", lambda: [ZSTD], "COMPRESSED_FILE", "zstd"),
    "zip": ("t.csv", lambda: [zipped()], "COMPRESSED_FILE", "ZIP"),
}  # fmt: skip

HEAVY: dict[str, tuple[str, Callable[[], Iterable[bytes]]]] = {
    "200 GB of one text": ("t.parquet", lambda: [bombs.repeating(2 * 10**6, b"x" * 100_000)]),
    "texts that grow a little": ("t.parquet", lambda: [bombs.growing(20_000)]),
    "empty lines": ("t.csv", lambda: much((b"a,b\n", 1), (b"\n", 10**7))),
    "numbers that are none": (
        "t.jsonl", lambda: [b'{"a": 1e999}\n{"a": %s}\n{"a": -1e-999}\n' % (b"9" * 10_000)],
    ),
    "keys within": (
        "t.jsonl",
        lambda: [b'{"a":{%s}}\n' % b",".join(b'"k%d":1' % n for n in range(80_000))] * 5,
    ),
}  # fmt: skip


def check(told: dict[str, Any]) -> None:
    assert told["peak"] < PEAK
    assert told["seconds"] < SECONDS


@pytest.mark.parametrize("name", PARQUET)
def test_a_hostile_parquet_file_is_refused(profile: Profile, name: str) -> None:
    make, code, words = PARQUET[name]
    told = profile("t.parquet", make())
    assert (told["code"], words in told["message"]) == (code, True), told
    check(told)


@pytest.mark.parametrize("name", TEXT)
def test_a_hostile_text_is_refused(profile: Profile, name: str) -> None:
    file, make, code, words = TEXT[name]
    told = profile(file, make())
    assert (told["code"], words in told["message"]) == (code, True), told
    check(told)


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_only_heavy_is_carried(profile: Profile, name: str) -> None:
    file, make = HEAVY[name]
    told = profile(file, make())
    assert told["code"] == "OK", told
    check(told)


def test_the_bombs_are_tables_but_for_their_size(profile: Profile) -> None:
    """Else a mistake in how they are built would be what is refused."""
    for size in (1_000, MEBI):
        for packed, codec in (
            (bombs.zeros_in_snappy(size), bombs.SNAPPY),
            (bombs.zeros_in_zstd(size), bombs.ZSTD),
        ):
            assert profile("t.parquet", bombs.unfolding(packed, size, codec))["code"] == "OK"
    packed = bombs.zeros_in_gzip(MEBI)
    small = [bombs.unfolding(packed, MEBI, bombs.GZIP), bombs.repeating(9), bombs.growing(9)]
    for content in [*small, flat(80), nested(3)]:
        assert profile("t.parquet", content)["code"] == "OK"
