"""The board between a worker's main process and its children: a little shared memory.

Made before the children are forked and read without a lock, because a child may be killed at any
moment: each place has one kind of writer, and eight aligned bytes are written as one.
"""

import mmap
import os
import struct
import time

_NUMBER = struct.Struct("@d")
_CANCELS, _RELEASE_AT, _CLAIMED_AT, _CELLS = (place * _NUMBER.size for place in range(4))
PLACES = 1_000  # of children that have a deadline of their own


class Board:
    """Times are of the monotonic clock, which all processes of one machine share."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _CELLS + 2 * _NUMBER.size * PLACES)
        self._write(_CLAIMED_AT, time.monotonic())

    @property
    def cancels(self) -> float:
        """How many cancels this worker has heard of; written by the main process."""
        return self._read(_CANCELS)

    def hear_cancel(self) -> None:
        self._write(_CANCELS, self.cancels + 1)

    @property
    def release_at(self) -> float | None:
        """When runs are to be given back, once the worker shuts down; by the main process."""
        return self._read(_RELEASE_AT) or None

    @property
    def is_releasing(self) -> bool:
        """Whether that time has come."""
        at = self.release_at
        return at is not None and time.monotonic() >= at

    def release_after(self, seconds: float) -> None:
        self._write(_RELEASE_AT, time.monotonic() + seconds)

    @property
    def claimed_at(self) -> float:
        """When a child last claimed a run (at first, when the board was made); by any child."""
        return self._read(_CLAIMED_AT)

    def claim(self) -> None:
        self._write(_CLAIMED_AT, time.monotonic())

    def watch(self, place: int, deadline: float | None) -> None:
        """The child in this place of the pool is to be ended at this time; None: no more."""
        cell = _CELLS + 2 * _NUMBER.size * place
        if cell + 2 * _NUMBER.size <= len(self._page):
            self._write(cell, 0.0)  # no deadline while the process id is another's
            self._write(cell + _NUMBER.size, float(os.getpid()))
            self._write(cell, deadline or 0.0)

    def overdue(self) -> list[int]:
        """The process ids of the children whose deadline has passed."""
        now, found = time.monotonic(), []
        for cell in range(_CELLS, len(self._page) - _NUMBER.size, 2 * _NUMBER.size):
            deadline = self._read(cell)
            if 0.0 < deadline < now:
                found.append(int(self._read(cell + _NUMBER.size)))
        return found

    def _read(self, place: int) -> float:
        (number,) = _NUMBER.unpack_from(self._page, place)
        return float(number)

    def _write(self, place: int, number: float) -> None:
        _NUMBER.pack_into(self._page, place, number)


BOARD = Board()
