"""What a profile says, against Python's own figures."""

import json
import math
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.definitions._profile.models import (
    ColumnType,
    TableFormat,
)
from tests.tasks.definitions.profiling import Tables, frequent, numbers, quantile, times


def test_a_table_is_described_column_by_column(tables: Tables) -> None:
    profile = tables.profile("city,people\nBern,134\nZug,31\nBern,\n")
    assert (profile.format, profile.delimiter, profile.rows) == (TableFormat.CSV, ",", 3)
    city, people = profile.columns
    assert (city.name, city.type, city.missing, city.distinct) == ("city", ColumnType.TEXT, 0, 2)
    assert frequent(city) == [("Bern", 2), ("Zug", 1)]
    assert (people.type, people.missing, people.distinct) == (ColumnType.INTEGER, 1, 2)
    assert (numbers(people).min, numbers(people).max) == (31, 134)


@given(
    st.lists(
        st.one_of(
            st.integers(-(10**6), 10**6).map(float),
            st.floats(width=32),
            st.just(0.0),
            st.none(),
        ),
        min_size=1,
        max_size=60,
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_figures_of_numbers_are_those_that_python_computes(
    tables: Tables, values: list[float | None]
) -> None:
    lines = ["NA" if value is None else repr(value) for value in values]
    column = tables.column("x\n" + "\n".join(lines) + "\n", bins=7)
    present = [value for value in values if value is not None]
    finite = [value for value in present if math.isfinite(value)]
    assert column.missing == len(values) - len(present)
    assert column.distinct == len({"nan" if math.isnan(value) else value for value in present})
    if not present:
        assert column.type is ColumnType.EMPTY
        return
    summary = numbers(column)
    assert summary.nan == sum(map(math.isnan, present))
    assert summary.infinite == sum(map(math.isinf, present))
    assert sum(summary.histogram) == len(finite)
    if not finite:
        assert (summary.min, summary.max, summary.mean, summary.median) == (None,) * 4
        return
    assert (summary.min, summary.max) == (min(finite), max(finite))
    assert summary.mean == pytest.approx(math.fsum(finite) / len(finite), rel=1e-9, abs=1e-9)
    shown = (summary.p5, summary.p25, summary.median, summary.p75, summary.p95)
    assert shown == tuple(quantile(finite, percent) for percent in (5, 25, 50, 75, 95))


def test_a_histogram_counts_every_value_in_its_bin(tables: Tables) -> None:
    values = [each * each % 101 for each in range(500)]
    column = tables.column("x\n" + "\n".join(map(str, [*values, 0, 100])) + "\n", bins=10)
    expected = Counter(min(value // 10, 9) for value in [*values, 0, 100])
    assert numbers(column).histogram == [expected[place] for place in range(10)]


def test_a_histogram_of_few_integers_has_a_bin_for_each(tables: Tables) -> None:
    column = tables.column("month\n" + "".join(f"{each}\n" * each for each in range(1, 13)))
    assert numbers(column).histogram == list(range(1, 13))


def test_the_greatest_doubles_overflow_nothing(tables: Tables) -> None:
    summary = numbers(tables.column("x\n1.7e308\n-1.7e308\n1.7e308\n1.7e308\n", bins=2))
    assert summary.mean == pytest.approx(0.85e308)
    assert summary.histogram == [1, 3]


def test_nan_and_infinity_are_counted_and_are_no_extremes(tables: Tables) -> None:
    column = tables.column("x\nnan\ninf\n-inf\nInfinity\n2.5\n-1\n")
    summary = numbers(column)
    assert (column.type, column.missing) == (ColumnType.NUMBER, 0)
    assert (summary.nan, summary.infinite) == (1, 3)
    assert (summary.min, summary.max, summary.mean) == (-1, 2.5, 0.75)


def test_integers_beyond_a_float_are_also_given_in_digits(tables: Tables) -> None:
    summary = numbers(tables.column(f"x\n{2**53 + 1}\n5\n{10**37 + 1}\n"))
    assert (summary.min, summary.exact_min) == (5, None)
    assert (summary.max, summary.exact_max) == (1e37, str(10**37 + 1))


def test_integers_beyond_38_digits_are_numbers(tables: Tables) -> None:
    column = tables.column(f"x\n{10**60}\n5\n")
    assert (column.type, numbers(column).max) == (ColumnType.NUMBER, 1e60)


def test_minus_zero_is_zero(tables: Tables) -> None:
    column = tables.column("x\n-0\n0\n-0.0\n")
    assert column.distinct == 1
    assert math.copysign(1, numbers(column).min or 0) == 1


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "-2", "0"], "INTEGER"),
        (["1", "2.50", ".5", "1e3"], "NUMBER"),
        (["007", "123"], "TEXT"),
        (["+41", "12"], "TEXT"),
        (["1e400", "1"], "TEXT"),
        (["1,234", "5"], "TEXT"),
        (["true", "FALSE"], "BOOLEAN"),
        (["yes", "no"], "TEXT"),
        (["2024-02-29"], "DATE"),
        (["2023-02-29"], "TEXT"),
        (["29.02.2024"], "TEXT"),
        (["2024-01-01", "2024-01-01T10:00"], "TIMESTAMP"),
        (["2024-01-01 10:00:00.123Z", "2024-01-01T10:00:00+02:00"], "TIMESTAMP"),
        (["2024-01-01T10:00Z", "2024-01-01T10:00"], "TEXT"),
        (["10:00", "23:59:59"], "TIME"),
        (["25:00"], "TEXT"),
        (["", "NA", "NULL"], "EMPTY"),
        (["0x10"], "TEXT"),
        (["1_000"], "TEXT"),
        (["infinity"], "NUMBER"),
    ],
)
def test_a_column_has_the_type_that_all_values_fit(
    tables: Tables, values: list[str], type_: str
) -> None:
    lines = "".join(f'"{value}"\n' for value in values)
    assert tables.column("x\n" + lines).type.value == type_


def test_one_exception_after_many_rows_makes_a_column_text(tables: Tables) -> None:
    column = tables.column("x\n" + "\n".join(map(str, range(150_000))) + "\noops\n")
    assert (column.type, column.distinct) == (ColumnType.TEXT, 150_001)


def test_words_for_missing_can_be_chosen(tables: Tables) -> None:
    content = "country\nNA\nCH\n-\n"
    assert tables.column(content).missing == 1
    column = tables.column(content, missing_words=["-"])
    assert (column.missing, frequent(column)) == (1, [("CH", 1), ("NA", 1)])
    assert tables.column(content, missing_words=[]).missing == 0


def test_spaces_around_values_do_not_count(tables: Tables) -> None:
    first, second = tables.profile("a, b\n1, x\n 2 ,  \n").columns
    assert (first.type, second.name) == (ColumnType.INTEGER, "b")
    assert (second.missing, frequent(second)) == (1, [("x", 1)])


def test_times_are_given_in_utc_when_they_have_a_zone(tables: Tables) -> None:
    summary = times(tables.column("t\n2024-01-01T00:30:00+01:00\n2024-01-01T12:00:00Z\n"))
    assert (summary.min, summary.max) == ("2023-12-31T23:30:00Z", "2024-01-01T12:00:00Z")
    assert summary.median == "2023-12-31T23:30:00Z"


def test_dates_have_quantiles_and_a_histogram(tables: Tables) -> None:
    column = tables.column("d\n" + "".join(f"2024-01-{day:02}\n" for day in range(1, 11)), bins=5)
    summary = times(column)
    assert (summary.min, summary.median, summary.p95) == ("2024-01-01", "2024-01-05", "2024-01-10")
    assert summary.histogram == [2, 2, 2, 2, 2]


def test_most_frequent_values_come_in_a_fixed_order(tables: Tables) -> None:
    column = tables.column("x\nb\nc\na\nc\nd\n", top=3)
    assert frequent(column) == [("c", 2), ("a", 1), ("b", 1)]
    assert tables.column("x\na\n", top=0).most_frequent == []


def test_long_values_are_cut_and_say_so(tables: Tables) -> None:
    column = tables.column(f"x\n{'long' * 100}\nshort\n")
    shown = {each.value: each.is_cut for each in column.most_frequent}
    assert shown == {"long" * 28 + "lo…": True, "short": False}


@pytest.mark.parametrize("start", ["", " " * 2000, "\\", "é"])
def test_long_values_are_told_apart_by_their_ends(tables: Tables, start: str) -> None:
    texts = [start + "x" * 5000 + end for end in ("1", "2", "2")]
    profiles = [
        tables.profile("a,b\n" + "".join(f"{text},1\n" for text in texts)),
        tables.profile("".join(json.dumps({"a": text}) + "\n" for text in texts), "t.jsonl"),
        tables.profile("".join(json.dumps({"a": [text]}) + "\n" for text in texts), "t.jsonl"),
        tables.parquet(f"SELECT unnest({texts!r}) AS a"),
        tables.parquet(f"SELECT [unnest({texts!r})] AS a"),
    ]
    for profile in profiles:
        column = profile.columns[0]
        assert (column.distinct, [each.count for each in column.most_frequent]) == (2, [2, 1])
        assert all(each.is_cut for each in column.most_frequent)
    assert profiles[0].columns[0].most_frequent[0].value.startswith(start.strip() + "xx")
