"""A disk so small that it can be filled: a file system in memory, for which one must be root."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stacks.machine import absent

PIECE = bytes(65_536)


class Disk:
    """The disk, mounted at `place`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free at first; what others free meanwhile stays so until `fill`."""
        self.fill()
        try:
            yield
        finally:
            self._ballast.unlink()

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for piece in (PIECE, b"\0"):
                try:
                    while True:
                        file.write(piece)
                except OSError:
                    continue


@contextmanager
def small_disk(megabytes: int) -> Iterator[Disk]:
    """A disk of this size, gone afterwards."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        absent("Only root on Linux may mount a small disk")
    place = Path(tempfile.mkdtemp(prefix="downbeat-disk-"))
    options = f"size={megabytes}m,mode=0755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, text=True
    )
    try:
        if mounted.returncode:
            absent(f"No small disk can be mounted: {mounted.stderr.strip()}")
        yield Disk(place)
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()
