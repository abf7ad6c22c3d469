"""The processes of this machine: who runs because of whom, and signals to all of a family."""

import os
import subprocess
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Running:
    """One line of the machine's process table."""

    pid: int
    parent: int
    command: str


def process_table() -> list[Running]:
    """All processes of this machine that live; a zombie only waits to be counted out."""
    command = ("ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,command=")
    listing = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = (line.split(None, 3) for line in listing.stdout.splitlines())
    return [
        Running(int(pid), int(parent), command)
        for pid, parent, state, command in (row for row in rows if len(row) == 4)
        if not state.startswith("Z")
    ]


def descendants(root: int, but: Collection[int] = ()) -> list[Running]:
    """The children of a process, and theirs; without these children and theirs."""
    table, found, parents = process_table(), [], {root}
    while fresh := [row for row in table if row.parent in parents and row.pid not in but]:
        found += fresh
        parents = {row.pid for row in fresh}
    return found


def to_all(processes: Iterable[Running], number: int) -> None:
    """Send the signal to each of them that still lives."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
