"""Every format is read, whatever its dialect."""

import csv
import json
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import Context, File
from tasks.definitions._profile.models import (
    TableFormat,
)
from tasks.definitions.profile_dataset import profile_dataset
from tests.tasks.definitions.profiling import Tables, frequent, numbers, times


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tables: Tables, delimiter: str) -> None:
    profile = tables.profile(f"a{delimiter}b\n1.5{delimiter}x y\n2.5{delimiter}z\n", "t.txt")
    assert profile.delimiter == delimiter
    assert [column.type.value for column in profile.columns] == ["NUMBER", "TEXT"]


def test_decimal_commas_do_not_hide_the_semicolon(tables: Tables) -> None:
    assert tables.profile("a;b\n1,5;2,5\n3,5;4,5\n").delimiter == ";"


def test_a_tsv_may_hold_commas(tables: Tables) -> None:
    profile = tables.profile("a,b\tc\n1,2\t3\n", "t.tsv")
    assert [column.name for column in profile.columns] == ["a,b", "c"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_newline_is_read(tables: Tables, newline: str) -> None:
    profile = tables.profile(newline.join(["a,b", "1,x", "2,y"]))
    assert [(each.type.value, each.distinct) for each in profile.columns] == [
        ("INTEGER", 2),
        ("TEXT", 2),
    ]


def test_mixed_newlines_lose_nothing(tables: Tables) -> None:
    column = tables.column("a\r\nb\nc\rd\r\n")
    assert frequent(column) == [("b", 1), ("c", 1), ("d", 1)]
    first, second = tables.profile("a,b\n1,x\n2,y\r\n3,z\n\r\n4,w\r\n").columns
    assert numbers(first).histogram == [1, 1, 1, 1]
    assert frequent(second) == [("w", 1), ("x", 1), ("y", 1), ("z", 1)]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tables: Tables) -> None:
    for content in ("\ufeffa\n1\n", '\ufeff"a"\n1\n'):
        assert tables.column(content).name == "a"
    assert tables.column('\ufeff{"a": 1}\n', "t.jsonl").name == "a"


def test_a_header_alone_is_a_table_without_rows(tables: Tables) -> None:
    for content in ("a,b", "a,b\n", '"a","b"\n'):
        profile = tables.profile(content)
        assert profile.rows == 0
        assert [column.type.value for column in profile.columns] == ["EMPTY", "EMPTY"]


def test_a_blank_name_becomes_the_position(tables: Tables) -> None:
    assert [each.name for each in tables.profile(",a\n0,1\n").columns] == ["column 1", "a"]


def test_blank_lines_are_skipped_but_are_rows_of_a_single_column(tables: Tables) -> None:
    assert tables.profile("a,b\n1,2\n\n3,4\n\n").rows == 2
    for quote in ("", '"'):
        profile = tables.profile(f"a\n{quote}1{quote}\n\n2\n")
        assert (profile.rows, profile.columns[0].missing) == (3, 1)


def test_names_and_values_are_never_sql(tables: Tables) -> None:
    hostile = "\"; DROP TABLE data; --'"
    lines = [[hostile, "SELECT 1", "c0"], [hostile, "{x}", "$1"]]
    path = tables.folder / "'; DROP TABLE data; --*[a].csv"
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(lines)
    profile = profile_dataset(Context(), file=File.from_path(path))
    assert [each.name for each in profile.columns] == lines[0]
    assert [frequent(each)[0][0] for each in profile.columns] == lines[1]
    row = {hostile: hostile, "a.b": "x", "$": "y", "/~": "z", "*": "w"}
    profile = tables.profile(json.dumps(row), "t.jsonl")
    assert {each.name: frequent(each)[0][0] for each in profile.columns} == row


@given(
    st.lists(
        st.lists(
            st.text(alphabet="ab1\" ,;\n\r\\#'é\u2028\x0b", max_size=5), min_size=2, max_size=2
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_a_csv_writer_writes_is_read_back(
    tables: Tables, rows: list[list[str]], quoting: Any, newline: str
) -> None:
    if quoting != csv.QUOTE_ALL:  # an unquoted \r may end a line
        rows = [[text.replace("\r", "") for text in row] for row in rows]
    path = tables.folder / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, quoting=quoting, lineterminator=newline)
        writer.writerows([["first name", "second name"], *(["x" + a, "y" + b] for a, b in rows)])
    profile = profile_dataset(Context(), file=File.from_path(path), top=50)
    assert (profile.rows, profile.delimiter) == (len(rows), ",")
    for at, (column, letter) in enumerate(zip(profile.columns, "xy", strict=True)):
        expected = Counter((letter + row[at]).strip(" ") for row in rows)
        assert frequent(column) == sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))


def test_json_lines_take_their_columns_from_all_lines(tables: Tables) -> None:
    rows = [
        {"id": 1, "name": "x", "tags": ["a"], "when": "2024-01-01", "ok": True, "mixed": 1},
        {"id": 2.5, "title": "y", "tags": {"b": None}, "when": None, "ok": False, "mixed": "1"},
        {"id": 3, "name": "5", "late": 10**30 + 1},
    ]
    profile = tables.profile("\n\n".join(map(json.dumps, rows)), "t.ndjson")
    assert (profile.format, profile.rows) == (TableFormat.JSON_LINES, 3)
    assert {each.name: (each.type.value, each.missing) for each in profile.columns} == {
        "id": ("NUMBER", 0),
        "name": ("TEXT", 1),
        "tags": ("OTHER", 1),
        "when": ("DATE", 2),
        "ok": ("BOOLEAN", 1),
        "mixed": ("OTHER", 1),
        "title": ("TEXT", 2),
        "late": ("INTEGER", 2),
    }
    assert frequent(profile.columns[2]) == [('["a"]', 1), ('{"b":null}', 1)]
    assert numbers(profile.columns[7]).exact_max == str(10**30 + 1)


def test_json_lines_are_recognised_without_a_suffix(tables: Tables) -> None:
    assert tables.profile('{"a": 1}\n', "upload").format is TableFormat.JSON_LINES


def test_the_content_type_tells_when_the_name_does_not(tables: Tables) -> None:
    path = tables.folder / "upload"
    path.write_text("a,b\tc\n1,2\t3\n")
    kind = "text/tab-separated-values; charset=utf-8"
    file = File(id=uuid4(), name="upload", content_type=kind, path=path)
    assert len(profile_dataset(Context(), file=file).columns) == 2


def test_the_format_can_be_said(tables: Tables) -> None:
    profile = tables.profile("a,b\tc\n", "t.csv", format=TableFormat.TSV)
    assert [each.name for each in profile.columns] == ["a,b", "c"]


def test_parquet_columns_keep_their_types(tables: Tables) -> None:
    profile = tables.parquet(
        """
        SELECT i AS "a b", i::DECIMAL(38, 2) + 0.01 AS "DROP TABLE data", i % 2 = 0 AS flag,
            CASE i WHEN 0 THEN 'nan' WHEN 1 THEN 'inf' ELSE '1.5' END::DOUBLE AS x,
            DATE '2024-01-01' + i::INTEGER AS day, TIMESTAMPTZ '2024-01-01 00:00+00' AS at,
            TIME '10:00' AS t, '2024-01-01' AS text, [i] AS list, {'k': i} AS struct,
            MAP {'k': i} AS map, 'ab'::BLOB AS blob, INTERVAL 1 DAY AS span, uuid() AS id,
            NULL::INTEGER AS nothing, 18446744073709551615::UBIGINT AS big,
            'inf'::TIMESTAMP AS never
        FROM range(4) AS rows(i)
        """
    )
    assert (profile.format, profile.rows) == (TableFormat.PARQUET, 4)
    by_name = {each.name: each for each in profile.columns}
    assert {name: each.type.value for name, each in by_name.items()} == {
        "a b": "INTEGER", "DROP TABLE data": "NUMBER", "flag": "BOOLEAN", "x": "NUMBER",
        "day": "DATE", "at": "TIMESTAMP", "t": "TIME", "text": "TEXT", "list": "OTHER",
        "struct": "OTHER", "map": "OTHER", "blob": "OTHER", "span": "OTHER", "id": "TEXT",
        "nothing": "EMPTY", "big": "INTEGER", "never": "TIMESTAMP",
    }  # fmt: skip
    assert (numbers(by_name["x"]).nan, numbers(by_name["x"]).infinite) == (1, 1)
    assert numbers(by_name["big"]).exact_max == "18446744073709551615"
    assert numbers(by_name["DROP TABLE data"]).exact_max is None
    assert times(by_name["at"]).max == "2024-01-01T00:00:00Z"
    assert (times(by_name["never"]).infinite, times(by_name["never"]).max) == (4, None)
