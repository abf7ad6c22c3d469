"""Describe every column of a table: its type, missing and different values, and their spread.

A column has the type that all its values fit, so one exception makes it TEXT; digits after a
leading zero (007) are text too, and dates and times are read in ISO 8601 only.
"""

import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tasks import Context, Failure, File, TimeLimit, task
from tasks.definitions._profile.columns import Describer
from tasks.definitions._profile.engine import Engine
from tasks.definitions._profile.fit import ROOM, size
from tasks.definitions._profile.format import detect
from tasks.definitions._profile.limits import DISK_BASE, DISK_PER_BYTE, SECONDS
from tasks.definitions._profile.load import Table, load
from tasks.definitions._profile.meter import HUNDRED, Meter
from tasks.definitions._profile.models import ColumnProfile, DatasetProfile, TableFormat
from tasks.definitions._profile.values import count_values

_MISSING = ["NA", "N/A", "#N/A", "NULL", "null"]


@task(on_lost="rerun", soft_time_limit=SECONDS, time_limit=SECONDS + 60)
def profile_dataset(
    ctx: Context,
    *,
    file: Annotated[
        File,
        Field(
            description="A CSV or TSV (UTF-8, the first line names the columns, fields quoted as "
            "in RFC 4180), JSON Lines or Parquet file, uncompressed."
        ),
    ],
    format: Annotated[
        TableFormat | None,
        Field(description="How to read the file; by default its content and name tell."),
    ] = None,
    missing_words: Annotated[
        list[Annotated[str, Field(max_length=100)]],
        Field(
            max_length=20,
            description="Words that stand for a missing value in CSV and TSV, besides the empty "
            "field. NaN is a number there, and spaces around a value do not count.",
        ),
    ] = _MISSING,
    top: Annotated[
        int, Field(ge=0, le=50, description="How many of the most frequent values to list.")
    ] = 10,
    bins: Annotated[int, Field(ge=1, le=50, description="How many bins a histogram has.")] = 20,
) -> DatasetProfile:
    with ctx.path(file) as path, tempfile.TemporaryDirectory(prefix="downbeat-profile-") as folder:
        scratch = Path(folder).resolve()
        source = scratch / "source"  # a name of ours: DuckDB reads meaning into names
        source.symlink_to(path.resolve())
        read_as = detect(source, file, format)
        disk_limit = DISK_BASE + DISK_PER_BYTE * source.stat().st_size
        try:
            with Engine(scratch, source, disk_limit) as engine:
                table = load(engine, source, scratch, read_as, ctx)
                columns = _describe(engine, table, missing_words, Describer(engine, top, bins), ctx)
        except TimeLimit:  # another attempt would take as long
            raise Failure(
                f"The table could not be profiled in {SECONDS // 60} minutes: split it.",
                code="TABLE_TOO_LARGE",
            ) from None
    return DatasetProfile(
        format=read_as, delimiter=table.delimiter, rows=table.rows, columns=columns
    )


def _describe(
    engine: Engine, table: Table, missing_words: list[str], describer: Describer, ctx: Context
) -> list[ColumnProfile]:
    """One column after the other; what one leaves of its share of the room, the next may use."""
    profiles: list[ColumnProfile] = []
    room, count = ROOM, len(table.names)
    meter = Meter(ctx, 50, HUNDRED, "describing columns")
    for at, (name, stored) in enumerate(zip(table.names, table.stored, strict=True)):
        report = meter.at(at, count, f"column {at + 1} of {count}")
        report(0)
        counted = count_values(engine, f"c{at}", stored, missing_words, report)
        profiles.append(describer.describe(name, counted, room // (count - at), report))
        room -= size(profiles[-1])
    meter(1)
    return profiles
