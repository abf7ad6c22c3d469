"""Whether a file is text of bounded lines, and which newlines and quotes it has."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from tasks import Failure
from tasks.definitions._profile.limits import MAX_LINE
from tasks.definitions._profile.meter import Meter

CHUNK = 1 << 19


@dataclass
class Traits:
    """What was seen in the whole text."""

    feeds: int = 0
    returns: int = 0
    pairs: int = 0
    quotes: int = 0
    has_mark: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether lines are rows: no quotes, and one kind of newline of the two usual ones."""
        return not self.quotes and self.returns == self.pairs and self.pairs in (0, self.feeds)


def examine(path: Path, report: Meter) -> Traits:
    """Read all of it in bounded memory; refuse what is no UTF-8 text, or has endless lines."""
    traits, decoder = Traits(), codecs.getincrementaldecoder("utf-8")()
    whole, done, tail, before = path.stat().st_size, 0, 0, b""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            _refuse_binary(chunk, traits)
            _decode(decoder, chunk, traits, final=done + len(chunk) >= whole)
            _tally(traits, chunk, before)
            if (tail := _tail(chunk, tail)) > MAX_LINE:
                raise too_long(_line(traits))
            traits.has_mark |= not done and chunk.startswith(codecs.BOM_UTF8)
            before, done = chunk[-1:], done + len(chunk)
            report(done / whole)
    return traits


def too_long(line: int) -> Failure:
    """The refusal of a line, or of a row of several lines, that could fill the memory."""
    return Failure(
        f"The row at line {line} is longer than 1 MiB: is this a table with one row per line?",
        code="LINE_TOO_LONG",
    )


def _tally(traits: Traits, chunk: bytes, before: bytes) -> None:
    traits.feeds += chunk.count(b"\n")
    traits.returns += chunk.count(b"\r")
    traits.pairs += chunk.count(b"\r\n") + (before == b"\r" and chunk.startswith(b"\n"))
    traits.quotes += chunk.count(b'"')


def _tail(chunk: bytes, tail: int) -> int:
    """How long the line is that has not ended yet."""
    newline = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
    return tail + len(chunk) if newline < 0 else len(chunk) - newline - 1


def _refuse_binary(chunk: bytes, traits: Traits) -> None:
    if (at := chunk.find(b"\0")) >= 0:
        raise Failure(
            f"Line {_line(traits, chunk[:at])} holds a NUL byte, so this is a binary file or not "
            "in UTF-8: upload a CSV, TSV or JSON Lines text in UTF-8, or Parquet.",
            code="NOT_A_TABLE",
        )


def _decode(
    decoder: codecs.IncrementalDecoder, chunk: bytes, traits: Traits, *, final: bool
) -> None:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        line = _line(traits, error.object[: error.start])
        raise Failure(
            f"Line {line} holds the byte 0x{error.object[error.start]:02X}, which is no UTF-8 "
            "there: save the file as UTF-8.",
            code="NOT_UTF8",
        ) from None


def _line(traits: Traits, more: bytes = b"") -> int:
    """The number of the line that follows what was tallied and `more`."""
    feeds = traits.feeds + more.count(b"\n")
    return 1 + (feeds or traits.returns + more.count(b"\r"))
