"""Refuses a Parquet footer that claims too much, before DuckDB believes it.

DuckDB makes room for as many entries as a list says that it has, and outside its limit of memory:
37 bytes can take it gigabytes. So the lists are counted here first. A footer is one struct in
Thrift's compact protocol; whatever a reader could understand otherwise than we do is refused.
"""

from pathlib import Path
from typing import NoReturn

from tasks import Failure
from tasks.definitions._profile.limits import MAX_ENTRIES, MAX_FOOTER, MAX_LIST

_MAGIC = b"PAR1"
_TAIL = 8  # bytes at the end: the footer's length, and the magic
_LEVELS = 12  # of structs and lists in each other; a real footer has 8

# The kinds of values that Thrift knows.
_STOP, _BINARY, _STRUCT = 0, 8, 12
_TRUE_FALSE = (1, 2)
_SIZES = {1: 1, 2: 1, 3: 1, 7: 8}  # truths (in a list), bytes, doubles
_VARINTS = (4, 5, 6)
_LISTS = (9, 10)


def check_footer(path: Path) -> None:
    """Raise Failure unless the footer is whole and its lists are of a size to be read."""
    try:
        _Walk(_read(path)).struct(0)
    except IndexError:
        raise damaged() from None


def damaged() -> Failure:
    """The refusal of a file that says one thing and is another."""
    return Failure(
        "The Parquet file is damaged or incomplete: write it again, or upload it anew.",
        code="BAD_PARQUET",
    )


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(size - _TAIL, 0))
        tail = stream.read(_TAIL)
        length = int.from_bytes(tail[:4], "little")
        if not tail.endswith(_MAGIC) or length > size - _TAIL - len(_MAGIC):
            raise damaged()
        if length > MAX_FOOTER:
            _refuse(f"has {length} bytes, and may have {MAX_FOOTER}")
        stream.seek(size - _TAIL - length)
        return stream.read(length)


class _Walk:
    """A way through the footer's bytes; IndexError beyond their end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._entries = 0

    def struct(self, level: int) -> None:
        """Pass over the fields of a struct."""
        while (kind := (head := self._byte()) & 0x0F) != _STOP:
            if not head >> 4:
                self._varint()  # the field's number, where it does not follow from the one before
            if kind not in _TRUE_FALSE:  # in a struct these have no bytes of their own
                self._value(kind, level + 1)

    def _value(self, kind: int, level: int) -> None:
        if level > _LEVELS:
            raise damaged()
        if kind in _VARINTS:
            self._varint()
        elif kind in _SIZES:
            self._at += _SIZES[kind]
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in _LISTS:
            self._list(level)
        elif kind == _STRUCT:
            self.struct(level)
        else:  # a map, which Parquet has none of
            raise damaged()

    def _list(self, level: int) -> None:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        self._entries += size
        if size > MAX_LIST or self._entries > MAX_ENTRIES:
            _refuse(
                f"lists more than {MAX_LIST} columns or row groups, or {MAX_ENTRIES} parts of them"
            )
        for _ in range(size):
            self._value(head & 0x0F, level + 1)

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise damaged()


def _refuse(what: str) -> NoReturn:
    raise Failure(
        f"The footer of the Parquet file {what}: split the table, or write larger row groups.",
        code="TABLE_TOO_LARGE",
    )
