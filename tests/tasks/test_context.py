"""A bare Context keeps everything in memory, so a definition is tested as a plain function."""

from pathlib import Path
from uuid import uuid4

import pytest

from tasks import Context, File
from tasks.context import Progress


def test_track_yields_the_items_and_reports_each() -> None:
    ctx = Context()
    seen = [(item, ctx.last_progress) for item in ctx.track("ab", "reading")]
    assert seen == [("a", Progress(0, 2, "reading")), ("b", Progress(1, 2, "reading"))]
    assert ctx.last_progress == Progress(2, 2, "reading")


def test_track_without_a_length_knows_no_total() -> None:
    ctx = Context()
    assert list(ctx.track(iter([1, 2, 3]))) == [1, 2, 3]
    assert ctx.last_progress == Progress(3, None, None)


@pytest.mark.parametrize(("done", "total"), [(-1, None), (2**31, None), (0, 2**31), (0, -1)])
def test_progress_beyond_an_int_is_refused(done: int, total: int | None) -> None:
    with pytest.raises(ValueError, match="use a larger unit"):
        Context().progress(done, total)


def test_a_long_message_is_cut() -> None:
    ctx = Context()
    ctx.progress(1, message="x" * 500)
    assert ctx.last_progress == Progress(1, None, "x" * 200)


def test_a_local_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    file = File.from_path(tmp_path / "a.txt")
    assert (file.name, file.size) == ("a.txt", 5)
    with Context().open(file) as stream:
        assert stream.read() == b"hello"
    with Context().path(file) as path:
        assert path.read_bytes() == b"hello"


def test_a_stored_file_is_beyond_a_bare_context() -> None:
    with pytest.raises(ValueError, match="from_path"):
        Context().open(File(uuid4()))
