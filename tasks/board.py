"""The board between a worker's main process and its children: one page of shared memory.

Made before the children are forked and read without a lock, because a child may be killed at any
moment: each place has one kind of writer, and eight aligned bytes are written as one.
"""

import mmap
import struct
import time

_NUMBER = struct.Struct("@d")
_CANCELS, _RELEASE_AT, _CLAIMED_AT = (place * _NUMBER.size for place in range(3))


class Board:
    """Times are of the monotonic clock, which all processes of one machine share."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
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

    def release_after(self, seconds: float) -> None:
        self._write(_RELEASE_AT, time.monotonic() + seconds)

    @property
    def claimed_at(self) -> float:
        """When a child last claimed a run (at first, when the board was made); by any child."""
        return self._read(_CLAIMED_AT)

    def claim(self) -> None:
        self._write(_CLAIMED_AT, time.monotonic())

    def _read(self, place: int) -> float:
        (number,) = _NUMBER.unpack_from(self._page, place)
        return float(number)

    def _write(self, place: int, number: float) -> None:
        _NUMBER.pack_into(self._page, place, number)


BOARD = Board()
