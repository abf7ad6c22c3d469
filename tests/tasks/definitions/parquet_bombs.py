"""Writes hostile Parquet files of a few bytes, field by field as the format's Thrift says."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

BYTE_ARRAY, INT32 = 6, 1
PLAIN, RLE, DELTA_BYTE_ARRAY, RLE_DICTIONARY = 0, 3, 7, 8
NONE, SNAPPY, GZIP, ZSTD = 0, 1, 2, 6
REQUIRED, OPTIONAL = 0, 1
MOST = 2**31 - 1  # that a page can say of itself


class Long(int):
    """A number of 64 bits; a plain int has 32."""


Value: TypeAlias = "int | bytes | list[Any] | dict[int, Any]"
Fields: TypeAlias = dict[int, Value]
_KINDS = {int: 5, Long: 6, bytes: 8, list: 9, dict: 12}  # of Thrift's compact protocol


def thrift(fields: Fields) -> bytes:
    """A struct of these fields, by their numbers."""
    out, before = bytearray(), 0
    for number, value in sorted(fields.items()):
        out.append((number - before) << 4 | _KINDS[type(value)])
        out += _encode(value)
        before = number
    return bytes(out) + b"\0"


def _encode(value: Value) -> bytes:
    if isinstance(value, int):
        return varint(value << 1 ^ value >> 63)
    if isinstance(value, bytes):
        return varint(len(value)) + value
    if isinstance(value, list):
        kind = _KINDS[type(value[0])] if value else _KINDS[dict]
        return list_head(len(value), kind) + b"".join(map(_encode, value))
    return thrift(value)


def list_head(size: int, kind: int = _KINDS[dict]) -> bytes:
    """What says how many entries a list has, in whichever number they follow."""
    return bytes([0xF0 | kind]) + varint(size)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def with_footer(footer: bytes, body: bytes = b"") -> bytes:
    return b"PAR1" + body + footer + struct.pack("<I", len(footer)) + b"PAR1"


def leaf(name: bytes = b"a") -> Fields:
    return {1: BYTE_ARRAY, 3: REQUIRED, 4: name, 6: 0}


def group(name: bytes, children: int) -> Fields:
    return {3: OPTIONAL, 4: name, 5: children}


def empty_table(schema: Sequence[Fields]) -> bytes:
    """A table of these columns, flat or in each other, without a row."""
    return with_footer(thrift({1: 1, 2: list(schema), 3: Long(0), 4: []}))


def claiming(columns: int) -> bytes:
    """A footer that says it lists so many columns, and ends there."""
    schema = b"\x15\x02\x19" + list_head(columns) + thrift(group(b"root", 1)) + thrift(leaf())
    return with_footer(schema)


@dataclass
class Page:
    """A page of `count` values; `size` is what it says that it unfolds to."""

    content: bytes
    count: int
    encoding: int
    size: int
    is_dictionary: bool = False

    def __bytes__(self) -> bytes:
        about: Fields = {1: 2 if self.is_dictionary else 0, 2: self.size, 3: len(self.content)}
        how: Fields = {1: self.count, 2: self.encoding}
        about |= {7: how} if self.is_dictionary else {5: {**how, 3: RLE, 4: RLE}}
        return thrift(about) + self.content


@dataclass
class Column:
    """The one column of a table: its pages, and what the footer says of them."""

    pages: list[Page]
    rows: int
    codec: int = NONE
    about: Fields = field(default_factory=dict)

    def __bytes__(self) -> bytes:
        parts = [bytes(page) for page in self.pages]
        body, first = b"".join(parts), len(parts[0]) if self.pages[0].is_dictionary else 0
        used: list[Value] = [PLAIN, RLE, DELTA_BYTE_ARRAY, RLE_DICTIONARY]
        meta: Fields = {1: BYTE_ARRAY, 2: used, 3: [b"a"], 4: self.codec, 5: Long(self.rows)}
        meta |= {6: Long(len(body)), 7: Long(len(body)), 9: Long(4 + first)}
        if first:
            meta[11] = Long(4)
        chunk: Fields = {**self.about, 2: Long(4), 3: meta}
        rows: Fields = {1: [chunk], 2: Long(len(body)), 3: Long(self.rows)}
        schema: list[Value] = [group(b"root", 1), leaf()]
        return with_footer(thrift({1: 1, 2: schema, 3: Long(self.rows), 4: [rows]}), body)


def repeating(rows: int, text: bytes = b"x", **about: Any) -> bytes:
    """A text, said once, and that it stands in every row."""
    plain = struct.pack("<I", len(text)) + text
    pages = [Page(plain, 1, PLAIN, len(plain), is_dictionary=True)]
    for start in range(0, rows, MOST):
        count = min(MOST, rows - start)
        run = b"\x01" + varint(count << 1) + b"\0"
        pages.append(Page(run, count, RLE_DICTIONARY, len(run)))
    return bytes(Column(pages, rows, **about))


def unfolding(packed: bytes, size: int, codec: int) -> bytes:
    """One page of so many bytes, all zero: empty texts, of four bytes each."""
    return bytes(Column([Page(packed, size // 4, PLAIN, size)], size // 4, codec))


def growing(rows: int) -> bytes:
    """Each text is the one before and a letter more: the sum rises with the square of the rows."""
    lengths = _counted(0, 1, rows) + _counted(1, 0, rows) + b"x" * rows
    return bytes(Column([Page(lengths, rows, DELTA_BYTE_ARRAY, len(lengths))], rows))


def _counted(first: int, step: int, count: int) -> bytes:
    """The numbers from `first` on, as DELTA_BINARY_PACKED writes them in blocks of 128."""
    head = varint(128) + varint(4) + varint(count) + varint(first << 1)
    return head + (varint(step << 1) + bytes(4)) * -(-(count - 1) // 128)


def zeros_in_gzip(size: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    mebi = bytes(1 << 20)
    return b"".join(packer.compress(mebi) for _ in range(size >> 20)) + packer.flush()


def zeros_in_snappy(size: int) -> bytes:
    """One zero, and then copies of the 64 bytes before."""
    copies, rest = divmod(size - 1, 64)
    return varint(size) + b"\0\0" + b"\xfe\x01\0" * copies + bytes([(rest - 1) << 2 | 2, 1, 0])


def zeros_in_zstd(size: int) -> bytes:
    """Blocks of 128 KiB that say: this byte, so many times."""
    out = bytearray(b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", size))
    while size:
        block = min(size, 1 << 17)
        size -= block
        out += struct.pack("<I", block << 3 | 1 << 1 | (not size))[:3] + b"\0"
    return bytes(out)
