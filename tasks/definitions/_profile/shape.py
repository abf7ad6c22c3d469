"""Refuses a table that is too wide, too long or named wrongly."""

from collections.abc import Sequence

from tasks import Failure
from tasks.context import INT_MAX
from tasks.definitions._profile.limits import MAX_CELLS, MAX_COLUMNS, MAX_NAME


def check_columns(count: int) -> None:
    """Refuse more columns than one result can describe."""
    if count > MAX_COLUMNS:
        raise Failure(
            f"The table has more than {MAX_COLUMNS} columns: split it, or leave some out.",
            code="TOO_MANY_COLUMNS",
        )


def check_name(name: str) -> None:
    """Refuse a name that only fills the memory."""
    if len(name) > MAX_NAME:
        raise Failure(
            f"The name of the column that begins with {name[:50]!r} has more than {MAX_NAME} "
            "letters: shorten it, or quote the fields of the first line.",
            code="NAME_TOO_LONG",
        )


def check_rows(count: int) -> None:
    """Refuse more rows than GraphQL's Int can count."""
    if count > INT_MAX:
        raise Failure(f"The table has more than {INT_MAX} rows: split it.", code="TOO_MANY_ROWS")


def check_cells(rows: int, columns: int) -> None:
    """Refuse a small file that unfolds into more values than can be counted."""
    if rows * columns > MAX_CELLS:
        raise Failure(
            f"The table has more than {MAX_CELLS} values ({rows} rows): split it.",
            code="TABLE_TOO_LARGE",
        )


def checked_names(header: Sequence[str]) -> list[str]:
    """The names of a header line, blank ones by position (pandas leaves the index's blank)."""
    check_columns(len(header))
    if not any(name.strip() for name in header):
        raise Failure("The first line is blank: it must name the columns.", code="NO_HEADER")
    names = [name.strip() or f"column {at}" for at, name in enumerate(header, 1)]
    for at, name in enumerate(names):
        check_name(name)
        if name in names[:at]:
            raise Failure(
                f"Two columns are named {name[:100]!r}: give each column its own name.",
                code="DUPLICATE_COLUMN",
            )
    return names
