"""Bytes that cannot be of the type that was said are told apart; anything doubtful is let in."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sniffing import HEAD, contradiction

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
ELF = b"\x7fELF\x02\x01\x01" + bytes(40)
PE = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\n"
GIF_JS = b"GIF89a=1;alert(document.cookie)//"
PAGE = b"<!DOCTYPE html><script>alert(1)</script>"
CSV = "Zahl;Straße\n1;Ä\n"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("xl/workbook.xml", "<workbook/>")
    return archive.getvalue()


@pytest.mark.parametrize(
    ("said", "head", "seen"),
    [
        ("text/csv", PNG, "an image"),
        ("text/csv", JPEG, "an image"),
        ("text/csv", zipped(), "a ZIP archive"),
        ("text/csv", gzip.compress(b"a,b", mtime=0), "a gzip file"),
        ("text/csv", PDF, "a PDF document"),
        ("text/csv", ELF, "binary data (ELF executable)"),
        ("text/csv", b"a,b\n1,\0\n", "binary data (of no known format)"),
        ("TEXT/CSV; header=present", PNG, "an image"),
        ("application/json", PE, "binary data (Windows Executable)"),
        ("application/json", b"SQLite format 3\0" + bytes(9), "binary data (SQLite"),
        ("application/x-ndjson", bz2.compress(b"a"), "binary data (of no known format)"),
        ("application/vnd.acme+json", lzma.compress(b"a"), "binary data ("),
        ("image/svg+xml", PNG, "an image"),
        ("application/javascript", GIF_JS, "an image"),
        ("image/png", PAGE, "text"),
        ("image/png", zipped(), "a ZIP archive"),
        ("image/jpeg", ELF, "binary data (ELF executable)"),
        ("image/gif", PDF, "a PDF document"),
        ("application/pdf", PAGE, "text"),
        ("application/pdf", zipped() + PDF, "a ZIP archive"),
        ("application/zip", gzip.compress(b"a", mtime=0), "a gzip file"),
        ("application/zip", CSV.encode(), "text"),
        ("application/gzip", zipped(), "a ZIP archive"),
    ],
)
def test_a_contradiction_is_named(said: str, head: bytes, seen: str) -> None:
    found = contradiction(said, head)
    assert found is not None
    assert found.startswith(seen.removesuffix(")"))


@pytest.mark.parametrize(
    ("said", "head"),
    [
        *(("text/csv", CSV.encode(name)) for name in ("utf-8", "utf-8-sig", "latin-1", "cp1252")),
        *(("text/csv", CSV.encode(name)) for name in ("utf-16", "utf-32", "mac-roman", "cp437")),
        ("text/csv; charset=UTF-16LE", CSV.encode("utf-16-le")),
        ("text/csv; charset=utf-32be", CSV.encode("utf-32-be")),
        ("text/csv", b"hour\x01minute\x01second\n"),  # as Hive separates
        ("text/csv", b""),
        # What text may begin with, although some old format does too.
        ("text/csv", b"BMI,MZ,00\n"),
        ("text/csv", b"row,skip,free\n"),
        ("text/csv", b"record,graph \n"),
        ("text/plain", b"RIFF and raff"),
        ("text/plain", b"The header of a file is %PDF-1.7."),
        ("text/plain", PAGE),  # harmless: see test_downloads
        ("text/html", PAGE),
        ("application/json", b'{"a": 1}'),
        ("image/svg+xml", b"<svg onload='alert(1)'/>"),
        ("image/png", PNG),
        ("image/png", JPEG),
        ("image/gif", GIF_JS),
        ("image/webp", b"RIFF\x24\0\0\0WEBPVP8 "),
        ("application/pdf", PDF + zipped()),
        ("application/pdf", b"\xef\xbb\xbf\r\n" + PDF),
        ("application/zip", zipped()),
        ("application/zip", b"PK\x05\x06" + bytes(18)),
        ("application/x-gzip", gzip.compress(b"a", mtime=0)),
        # Types of which nobody here knows the signature, or that lie in a container.
        (XLSX, zipped()),
        (XLSX, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),  # with a password
        ("application/java-archive", zipped()),
        ("application/vnd.oasis.opendocument.text", zipped()),
        ("application/vnd.apache.parquet", b"PAR1\x15\0"),
        ("application/octet-stream", PNG),
        ("application/octet-stream", PAGE),
        ("application/vnd.acme", ELF),
        ("video/mp4", b"\0\0\0\x18ftypdash"),
    ],
)
def test_what_may_be_true_is_let_in(said: str, head: bytes) -> None:
    assert contradiction(said, head) is None


@given(
    st.sampled_from(["text/csv", "application/pdf", "image/png", "application/zip"]),
    st.binary(max_size=300),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_get_an_answer(said: str, head: bytes) -> None:
    assert contradiction(said, head) != ""


def test_hostile_bytes_need_little_memory() -> None:
    for head in (b"PK\x03\x04" * (HEAD // 4), bytes(HEAD), b"RIFF" * (HEAD // 4), b"\t" * HEAD):
        tracemalloc.start()
        contradiction("text/csv", head)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20
