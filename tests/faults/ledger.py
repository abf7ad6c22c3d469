"""The ledger: what attempts did, one line for each phase, in a file outside the database.

A line is `run,attempt,token,phase`, written at once by one append; it outlives the process that
wrote it. LEDGER in the environment names the file.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID


class Line(NamedTuple):
    run_id: UUID
    attempt: int
    token: UUID
    phase: str


def write(line: Line) -> None:
    """Append the line; whole or not at all, for it is one write to an O_APPEND file."""
    text = f"{line.run_id.hex},{line.attempt},{line.token.hex},{line.phase}\n"
    file = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def read(path: Path) -> Iterator[Line]:
    """All lines in the order in which they were written."""
    if not path.exists():
        return
    with path.open(encoding="ascii") as file:
        for text in file:
            run_id, attempt, token, phase = text.rstrip("\n").split(",")
            yield Line(UUID(hex=run_id), int(attempt), UUID(hex=token), phase)
