"""Hostile uploads and downloads: false signatures, wrong bytes, foreign and old addresses."""

from tests.hostile.requests import chunked, http
from tests.hostile.table import Case, Request


def _put(path: str, body: bytes = b"abcd", **headers: str | None) -> bytes:
    given = {"Authorization": None, "Content-Type": "text/csv", **headers}
    return http(body, given, "PUT", path)


def _get(path: str, method: str = "GET", **headers: str | None) -> bytes:
    return http(b"", {"Authorization": None, "Content-Type": None, **headers}, method, path)


PROMISED = "/uploads/<promised key>"
STORED = "/files/<my key>"
FORBIDDEN = "403 FORBIDDEN"
UNREAD = "403 FORBIDDEN, closed"
TOO_LARGE = "413 UPLOAD_MISMATCH, closed"

CASES: dict[str, Case] = {
    name: Request(content, answer)
    for name, content, answer in (
        ("upload: no signature", _put(PROMISED), UNREAD),
        ("upload: an empty signature", _put(f"{PROMISED}?signature="), UNREAD),
        ("upload: a false signature", _put(f"{PROMISED}?signature=a:b:c"), UNREAD),
        ("upload: a shortened signature", _put(f"{PROMISED}?signature=<upload cut>"), UNREAD),
        ("upload: a signature beyond UTF-8", _put(f"{PROMISED}?signature=%ff%00"), UNREAD),
        ("upload: a signature of 10,000 characters", _put(f"{PROMISED}?signature=" + "a" * 10_000),
         UNREAD),
        ("upload: the signature of another file", _put("/uploads/<my key>?signature=<upload>"),
         UNREAD),
        ("upload: the signature of a download", _put(f"{STORED}?signature=<download>"),
         "405 plain"),
        ("upload: a path for a key", _put("/uploads/..%2f..%2fetc%2fpasswd?signature=<upload>"),
         "404 plain"),
        ("upload: dots for a key", _put("/uploads/..?signature=<upload>"), UNREAD),
        ("upload: a NUL for a key", _put("/uploads/%00?signature=<upload>"), UNREAD),
        ("upload: a key of 5,000 characters",
         _put(f"/uploads/{'0' * 5_000}?signature=<upload>"), UNREAD),
        ("upload: an old address", _put("/uploads/<late key>?signature=<late>"),
         "410 UPLOAD_EXPIRED, closed"),
        ("upload: a token for the signature",
         _put(PROMISED, Authorization="Bearer <token>"), UNREAD),
        ("upload: too few bytes", _put(f"{PROMISED}?signature=<upload>", b"abc"),
         "400 UPLOAD_MISMATCH"),
        ("upload: no bytes", _put(f"{PROMISED}?signature=<upload>", b""), "400 UPLOAD_MISMATCH"),
        ("upload: one byte too many", _put(f"{PROMISED}?signature=<upload>", b"abcde"),
         TOO_LARGE),
        ("upload: 1 MB too many", _put(f"{PROMISED}?signature=<upload>", b"x" * 1_000_000),
         TOO_LARGE),
        ("upload: pieces without end",
         _put(f"{PROMISED}?signature=<upload>", b"", **{"Content-Length": None,
                                                        "Transfer-Encoding": "chunked"})
         + chunked(*[b"x" * 4_000] * 80, end=b""), TOO_LARGE),
        ("upload: other bytes than promised", _put(f"{PROMISED}?signature=<upload>", b"efgh"),
         "400 UPLOAD_MISMATCH"),
        ("upload: other bytes than stored", _put("/uploads/<my key>?signature=<again>", b"a,c\n"),
         "400 UPLOAD_MISMATCH"),
        ("upload: by POST", http(b"abcd", {"Authorization": None}, "POST",
                                 f"{PROMISED}?signature=<upload>"), "405 plain"),
        ("upload: read by GET", _get(f"{PROMISED}?signature=<upload>"), "405 plain"),
        ("download: no signature", _get(STORED), FORBIDDEN),
        ("download: a false signature", _get(f"{STORED}?signature=a:b"), FORBIDDEN),
        ("download: a shortened signature", _get(f"{STORED}?signature=<download cut>"), FORBIDDEN),
        ("download: a NUL in the signature", _get(f"{STORED}?signature=%00:%00"), FORBIDDEN),
        ("download: the signature of another file",
         _get("/files/<other key>?signature=<download>"), FORBIDDEN),
        ("download: the signature of an upload",
         _get("/files/<promised key>?signature=<upload>"), FORBIDDEN),
        ("download: an old address", _get(f"{STORED}?signature=<old download>"),
         "410 DOWNLOAD_EXPIRED"),
        ("download: a token for the signature", _get(STORED, Authorization="Bearer <token>"),
         FORBIDDEN),
        ("download: a path for a key", _get("/files/..%2f..%2fdb.sqlite3?signature=<download>"),
         "404 plain"),
        ("download: beyond the end",
         _get(f"{STORED}?signature=<download>", Range="bytes=9999-"), "416 BAD_REQUEST"),
        ("download: 1,000 ranges",
         _get(f"{STORED}?signature=<download>", Range="bytes=" + "0-1," * 1_000), "200 file"),
        ("download: a range without bounds",
         _get(f"{STORED}?signature=<download>", Range="bytes=-" + "9" * 5_000), "200 file"),
        ("download: by DELETE", _get(f"{STORED}?signature=<download>", "DELETE"), "405 plain"),
    )
}  # fmt: skip
