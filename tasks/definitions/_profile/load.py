"""Loads a file of any supported format into the engine's table `data` of columns c0, c1, ..."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks import Context
from tasks.definitions._profile.csv_rows import check_csv, sniff_delimiter
from tasks.definitions._profile.engine import Engine
from tasks.definitions._profile.footer import check_footer, damaged
from tasks.definitions._profile.json_lines import (
    check_json_lines,
    refuse_repeated_keys,
    without_mark,
)
from tasks.definitions._profile.limits import MAX_LINE
from tasks.definitions._profile.meter import Meter
from tasks.definitions._profile.models import TableFormat
from tasks.definitions._profile.shape import check_cells, check_columns, check_name, check_rows
from tasks.definitions._profile.short import short_json, short_text
from tasks.definitions._profile.text import examine

CSV, JSON = "CSV", "JSON"  # how a column is stored: as text of these, else as a DuckDB type
# For DuckDB, in bytes: more than any row that passed the checks, also when quoted anew.
_LONGEST = 10 * MAX_LINE
_BUFFER = 2 * _LONGEST
_LONGEST_LINE = 2 * MAX_LINE


@dataclass(frozen=True)
class Table:
    """What was loaded: the columns' names, how DuckDB stores them, and how it was read."""

    names: list[str]
    stored: list[str]
    rows: int
    delimiter: str | None = None


def load(engine: Engine, source: Path, scratch: Path, format: TableFormat, ctx: Context) -> Table:
    """Check and load the file."""
    match format:
        case TableFormat.PARQUET:
            table = _load_parquet(engine, source, Meter(ctx, 0, 50, "loading"))
        case TableFormat.JSON_LINES:
            table = _load_json_lines(engine, source, scratch, ctx)
        case _:
            delimiter = "\t" if format is TableFormat.TSV else sniff_delimiter(source)
            table = _load_csv(engine, source, scratch, delimiter, ctx)
    check_rows(table.rows)
    return table


def _load_csv(engine: Engine, source: Path, scratch: Path, delimiter: str, ctx: Context) -> Table:
    traits = examine(source, Meter(ctx, 0, 5, "reading"))
    checked = check_csv(source, scratch, delimiter, traits, Meter(ctx, 5, 25, "checking rows"))
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(checked.names)))
    values = ", ".join(f"{short_text(f'trim(c{at})')} AS c{at}" for at in range(len(checked.names)))
    # The copy's own newline; of the file's two kinds DuckDB tells the right one by itself.
    newline = "" if checked.has_header else r"new_line = '\n',"
    rows = _create(
        engine,
        f"""
        SELECT {values} FROM read_csv(?, auto_detect = false, header = false,
            columns = {{{columns}}}, {newline}
            skip = {int(checked.has_header)}, delim = '{delimiter}', quote = '{checked.quote}',
            escape = '{checked.quote}', comment = '', nullstr = '', compression = 'none',
            max_line_size = {_LONGEST}, buffer_size = {_BUFFER})
        """,  # nosec B608 # noqa: S608 - nothing here comes from the file but one of four delimiters
        [str(checked.path)],
        Meter(ctx, 25, 50, "loading"),
    )
    return Table(checked.names, [CSV] * len(checked.names), rows, delimiter)


def _load_json_lines(engine: Engine, source: Path, scratch: Path, ctx: Context) -> Table:
    import duckdb

    if examine(source, Meter(ctx, 0, 5, "reading")).has_mark:
        source = without_mark(source, scratch)
    keys = check_json_lines(source, Meter(ctx, 5, 25, "checking lines"))
    aliases = ", ".join(f"c{at}" for at in range(len(keys)))
    values = ", ".join(f"{short_json(f'c{at}')} AS c{at}" for at in range(len(keys)))
    try:
        rows = _create(
            engine,
            f"""
            SELECT {values} FROM read_json(?, columns = ?, format = 'newline_delimited',
                compression = 'none', maximum_object_size = {_LONGEST_LINE}) AS file({aliases})
            """,  # nosec B608 # noqa: S608 - only SQL of ours: the keys are a parameter
            [str(source), dict.fromkeys(keys, "JSON")],
            Meter(ctx, 25, 50, "loading"),
        )
    except duckdb.InvalidInputException:
        refuse_repeated_keys(source)
        raise
    return Table(keys, [JSON] * len(keys), rows)


def _load_parquet(engine: Engine, source: Path, report: Meter) -> Table:
    import duckdb

    check_footer(source)
    is_loading = False
    try:
        described = engine.rows(
            "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)",
            [str(source)],
            report=report,
        )
        names, stored = [row[0] for row in described], [row[1] for row in described]
        check_columns(len(names))
        for name in names:
            check_name(name)
        # By position and for all rows at once: what the file calls its columns is never SQL.
        columns = ", ".join(f"c{at}" for at in range(len(names)))
        source_sql = f"FROM read_parquet(?, hive_partitioning = false) AS file({columns})"
        (rows,) = engine.row(f"SELECT count(*) {source_sql}", [str(source)], report=report)
        check_cells(rows, len(names))
        check_rows(rows)  # before loading: billions of rows fit into a small file
        values = ", ".join(
            f"{short_text(f'c{at}') if type_ == 'VARCHAR' else f'c{at}'} AS c{at}"
            for at, type_ in enumerate(stored)
        )
        is_loading = True
        _create(engine, f"SELECT {values} {source_sql}", [str(source)], report)
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and _is_of_disk(str(error), is_loading):
            raise
        raise damaged() from None
    return Table(names, stored, rows)


def _is_of_disk(message: str, is_loading: bool) -> bool:
    """Whether the disk is at fault and not the file, as far as the message tells."""
    return "space left" in message or (is_loading and "Could not read enough" not in message)


def _create(engine: Engine, select: str, parameters: Sequence[object], report: Meter) -> int:
    engine.rows(f"CREATE TABLE data AS {select}", parameters, report=report)
    rows: int
    (rows,) = engine.row("SELECT count(*) FROM data", report=report)
    return rows
