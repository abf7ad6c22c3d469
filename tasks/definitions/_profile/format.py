"""Which format a file has, by its content first and its name or content type second."""

from pathlib import Path

from tasks import Failure, File
from tasks.definitions._profile.models import TableFormat

PARQUET = b"PAR1"
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7-Zip",
}
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # byte order marks of UTF-16 and, the first, of UTF-32
_SUFFIXES = {
    ".csv": TableFormat.CSV,
    ".tsv": TableFormat.TSV,
    ".tab": TableFormat.TSV,
    ".jsonl": TableFormat.JSON_LINES,
    ".ndjson": TableFormat.JSON_LINES,
}
_CONTENT_TYPES = {
    "text/csv": TableFormat.CSV,
    "text/tab-separated-values": TableFormat.TSV,
    "application/jsonl": TableFormat.JSON_LINES,
    "application/x-ndjson": TableFormat.JSON_LINES,
}


def detect(path: Path, file: File, wanted: TableFormat | None) -> TableFormat:
    """The format to read the file in, or a Failure for what is plainly no table."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    _refuse_no_table(head)
    if head.startswith(PARQUET) and wanted in (None, TableFormat.PARQUET):
        return TableFormat.PARQUET
    if wanted is TableFormat.PARQUET or file.name.lower().endswith(".parquet"):
        raise Failure(
            "The file does not begin as Parquet does: upload the Parquet file itself, or say "
            "which format it has.",
            code="BAD_PARQUET",
        )
    return wanted or _of_name(file) or _of_text(head)


def _refuse_no_table(head: bytes) -> None:
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise Failure("The file is empty: upload a table with a header.", code="EMPTY_FILE")
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            raise Failure(
                f"The file is compressed ({name}): unpack it and upload the CSV, TSV, JSON Lines "
                "or Parquet file itself.",
                code="COMPRESSED_FILE",
            )
    if head.startswith(_WIDE):
        raise Failure("The file is in UTF-16: save it as UTF-8.", code="NOT_UTF8")


def _of_name(file: File) -> TableFormat | None:
    by_type = _CONTENT_TYPES.get(file.content_type.split(";")[0].strip().lower())
    return _SUFFIXES.get(Path(file.name).suffix.lower(), by_type)


def _of_text(head: bytes) -> TableFormat:
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return TableFormat.JSON_LINES if first in (b"{", b"[") else TableFormat.CSV
