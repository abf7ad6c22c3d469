"""A request gets the one range it asks for, the whole file, or a plain no."""

import pytest

from backend.front.ranges import ByteRange, Unsatisfiable, wanted_range

ETAG = '"abc"'


def wanted(header: str | None, size: int = 10, if_range: str | None = None) -> ByteRange | None:
    return wanted_range(header, size, etag=ETAG, if_range=if_range)


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-4", 2, 5),
        ("bytes=2-", 2, 10),
        ("bytes=9-9", 9, 10),
        ("bytes=2-99999", 2, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-99", 0, 10),
        ("Bytes= 2-4 ", 2, 5),
    ],
)
def test_one_range_is_cut_to_the_file(header: str, start: int, stop: int) -> None:
    assert wanted(header) == ByteRange(start, stop)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=4-2",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=0-1,4-5",
        "bytes=0-1, -1",
        "lines=0-1",
        "bytes=\u0661-",
        "bytes=0-" + "9" * 5_000,
    ],
)
def test_what_is_no_single_range_gets_the_whole_file(header: str | None) -> None:
    assert wanted(header) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_outside_the_file_is_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        wanted(header)


def test_an_empty_file_has_no_first_byte_and_no_last_ones() -> None:
    with pytest.raises(Unsatisfiable):
        wanted("bytes=0-", 0)
    assert wanted("bytes=-5", 0) is None


@pytest.mark.parametrize(
    ("if_range", "is_part"),
    [(ETAG, True), ('"other"', False), (f"W/{ETAG}", False), ("Tue, 24 Nov 2026", False)],
)
def test_a_part_is_for_those_who_have_a_part_of_the_same_file(if_range: str, is_part: bool) -> None:
    assert (wanted("bytes=2-4", if_range=if_range) is not None) is is_part


def test_a_range_outside_another_file_gets_the_whole_file() -> None:
    assert wanted("bytes=10-", if_range='"other"') is None
