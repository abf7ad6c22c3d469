"""What is no table is refused with a sentence that says what to do."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tasks import Context, Failure
from tasks.definitions._profile import engine as engine_module
from tasks.definitions._profile import shape
from tasks.definitions._profile.engine import Engine
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.models import (
    TableFormat,
)
from tests.tasks.definitions.profiling import Tables


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "EMPTY_FILE", "empty"),
        (b"\xef\xbb\xbf \n\n", "EMPTY_FILE", "empty"),
        (b"\n1,2\n", "NO_HEADER", "first line is blank"),
        (b",,\n1,2,3\n", "NO_HEADER", "first line is blank"),
        (b"a,b\n1,2\n3\n", "RAGGED_ROW", "Line 3 has 1 field, but the header has 2"),
        (b"a,b\n1,2\n3,4,5\n", "RAGGED_ROW", "Line 3 has 3 fields, but the header has 2"),
        (b"a,b\r\n1,2,\r\n", "RAGGED_ROW", "Line 2 has 3 fields"),
        (b"a,b\n  \n", "RAGGED_ROW", "Line 2 has 1 field"),
        (b'a,b\n"x\ny\nz",2\n3\n', "RAGGED_ROW", "Line 5 has 1 field"),
        (b'a,b\n1,2\n"x\ny",2,3\n', "RAGGED_ROW", "Line 3 has 3 fields"),
        (b'a,b\r1,2\r"x",2,3\r', "RAGGED_ROW", "Line 3 has 3 fields"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "UNTERMINATED_QUOTE", "line 3"),
        (b'a,b\n1,"2"x\n', "BAD_QUOTES", "line 2"),
        (b'a,b\n1,"' + b"2" * 140_000, "VALUE_TOO_LONG", "line 2"),
        (b"a,b\n1,2\n" + b'"\n",' * 400_000, "LINE_TOO_LONG", "line 3"),
        (b"a,b\n1,2\n" + b"x" * 3_000_000, "LINE_TOO_LONG", "line 3"),
        (b"a,b\n1,2\n3,\xe9\n", "NOT_UTF8", "Line 3 holds the byte 0xE9"),
        (b"a,b\n1,2\n3,\xe2\x82", "NOT_UTF8", "Line 3 holds the byte 0xE2"),
        (b"a,b\r1,2\r3,\xe9\r", "NOT_UTF8", "Line 3"),
        (b"a,b\n1,\x00\n", "NOT_A_TABLE", "Line 2 holds a NUL byte"),
        (bytes(range(256)) * 9, "NOT_A_TABLE", "Line 1"),
        ("a,b\n1,2\n".encode("utf-16"), "NOT_UTF8", "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "NOT_A_TABLE", "UTF-8"),
        (b"PK\x03\x04" + b"x" * 99, "COMPRESSED_FILE", "unpack it"),
        (b"\x1f\x8b\x08" + b"x" * 99, "COMPRESSED_FILE", "unpack it"),
        (b"a,b,a\n1,2,3\n", "DUPLICATE_COLUMN", "'a'"),
        (b",column 1\n1,2\n", "DUPLICATE_COLUMN", "'column 1'"),
        (b",".join(b"c%d" % at for at in range(81)), "TOO_MANY_COLUMNS", "80"),
        (b"a," + b"b" * 10_001 + b"\n1,2\n", "NAME_TOO_LONG", "'bbb"),
        (b"PAR1" + b"x" * 200, "BAD_PARQUET", "damaged"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(
    tables: Tables, content: bytes, code: str, words: str
) -> None:
    refusal = tables.refusal(content)
    assert refusal.code == code
    assert words in refusal.message


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b'{"a": 1}\n\n{"a": }\n', "BAD_JSON_LINE", "Line 3 is no JSON object: Expecting value"),
        (b'{"a": 1}\n[1]\n', "BAD_JSON_LINE", "Line 2"),
        (b'[{"a": 1}]', "BAD_JSON_LINE", "Line 1"),
        (b'{"a": NaN}\n', "BAD_JSON_LINE", "JSON has no NaN"),
        (b'{"a": 1} {"a": 2}\n', "BAD_JSON_LINE", "Extra data"),
        (b'{"a":\n1}\n', "BAD_JSON_LINE", "Line 1"),
        (b'{"a": 1,}\n', "BAD_JSON_LINE", "Line 1"),
        (b'{"a": "\\ud800"}\n', "BAD_JSON_LINE", "surrogate"),
        (b'{"a": ' * 9000 + b"1" + b"}" * 9000, "BAD_JSON_LINE", "nested too deeply"),
        (b'{"a": "\xff"}\n', "NOT_UTF8", "0xFF"),
        (
            b'{"a": 1}\n\n{"a": 1, "\\u0061": 2}\n',
            "BAD_JSON_LINE",
            "Line 3 is no JSON object: it has",
        ),
        (b'{"a": 1}\n{"A": 2}\n', "DUPLICATE_COLUMN", "Line 2 brings the key 'A'"),
        (b"{}\n", "NO_COLUMNS", "key"),
        (b"".join(b'{"k%d": 1}\n' % at for at in range(81)), "TOO_MANY_COLUMNS", "80"),
        (b'{"a": "' + b"x" * 1_100_000 + b'"}\n', "LINE_TOO_LONG", "line 1"),
    ],
)
def test_a_line_that_is_no_json_object_is_refused_with_its_number(
    tables: Tables, content: bytes, code: str, words: str
) -> None:
    refusal = tables.refusal(content, "t.jsonl")
    assert refusal.code == code
    assert words in refusal.message


def test_damaged_parquet_is_refused_without_internals(tables: Tables) -> None:
    tables.parquet("SELECT i, i::VARCHAR AS s FROM range(5000) AS rows(i)")
    whole = (tables.folder / "t.parquet").read_bytes()
    middle = len(whole) // 3
    for broken in (
        whole[:-100],
        whole[:2000],
        whole[:middle] + bytes(500) + whole[middle + 500 :],
        whole[:-60] + b"\xff" * 50 + whole[-10:],
    ):
        refusal = tables.refusal(broken, "t.parquet")
        assert (refusal.code, "upload it anew" in refusal.message) == ("BAD_PARQUET", True)


def test_a_file_named_parquet_must_be_one(tables: Tables) -> None:
    assert tables.refusal("a,b\n1,2\n", "t.parquet").code == "BAD_PARQUET"
    assert tables.refusal("a\n1\n", format=TableFormat.PARQUET).code == "BAD_PARQUET"


def test_a_table_that_unfolds_beyond_the_disk_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "POLL_SECONDS", 0.01)
    report = Meter(Context(), 0, 100, "loading")
    endless = "CREATE TABLE data AS SELECT hash(i) AS c0 FROM range(10000000000) AS rows(i)"
    with Engine(tmp_path, tmp_path, 1 << 24) as engine, pytest.raises(Failure) as caught:
        engine.rows(endless, report=report)
    assert caught.value.code == "TABLE_TOO_LARGE"


def test_a_full_disk_is_not_blamed_on_the_table(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> Any:
        raise duckdb.IOException('Could not write file "x": No space left on device')

    monkeypatch.setattr(Engine, "_fetch", full)
    with pytest.raises(duckdb.IOException):
        tables.parquet("SELECT 1 AS a")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_text('{scratch}/../secret.csv')",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
        "SELECT * FROM glob('{secret}')",
        "COPY (SELECT 1) TO '{secret}'",
        "ATTACH '{secret}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{secret}'",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SET allowed_directories = ['/']",
    ],
)
def test_no_query_reaches_a_file_a_network_an_extension_or_a_setting(
    tmp_path: Path, sql: str
) -> None:
    scratch, secret = tmp_path / "scratch'd", tmp_path / "secret.csv"
    scratch.mkdir()
    secret.write_text("a\n1\n")
    (scratch / "link").symlink_to(secret)
    source = tmp_path / "it's.csv"
    source.write_text("a\n1\n")
    report = Meter(Context(), 0, 100, "")
    places = {"secret": f"{secret}", "scratch": f"{scratch}".replace("'", "''")}
    with Engine(scratch, source, 1 << 30) as engine:
        assert engine.row("SELECT * FROM read_csv(?)", [str(source)], report=report) == (1,)
        for address in (sql, sql.replace("{secret}", "{scratch}/link")):
            with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
                engine.rows(address.format(**places), report=report)
    assert secret.read_text() == "a\n1\n"


def test_a_small_file_of_too_many_values_is_refused_before_it_is_loaded(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shape, "MAX_CELLS", 1_000)
    with pytest.raises(Failure) as caught:
        tables.parquet("SELECT 1 AS a, 2 AS b FROM range(501)")
    assert caught.value.code == "TABLE_TOO_LARGE"


def test_a_line_that_ends_in_a_lone_return_is_cut_where_it_is_too_long(tables: Tables) -> None:
    failure = tables.refusal('{"a":1}\r' * 200_000, "t.jsonl")
    assert failure.code in ("LINE_TOO_LONG", "BAD_JSON_LINE")
