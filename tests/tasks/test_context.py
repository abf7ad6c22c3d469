"""A bare Context keeps everything in memory, so a definition is tested as a plain function."""

import contextlib
import io
import zipfile
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


def test_track_tells_the_last_step_though_nobody_looked() -> None:
    ctx, long = Context(), "x" * 500
    for item in ctx.track("abcd", long):
        ctx._backing.is_due = item == "b"
    assert ctx.last_progress == Progress(4, 4, "x" * 200)
    with contextlib.suppress(ZeroDivisionError):
        for item in ctx.track("abcd"):
            ctx._backing.is_due = False
            assert item != "d" or 1 / 0
    assert ctx.last_progress == Progress(3, 4)


def test_track_leaves_what_the_function_reported_itself() -> None:
    ctx = Context()
    ctx._backing.is_due = False
    for _ in ctx.track("ab"):
        ctx.progress(7, 9, "mine")
    assert ctx.last_progress == Progress(7, 9, "mine")


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


def test_a_saved_file_can_be_opened_again() -> None:
    ctx = Context()
    with ctx.save("sums.csv", content_type="Text/CSV") as sums:
        sums.write(b"1;2\n")
        with pytest.raises(ValueError, match="end of the `with` block"):
            _ = sums.file
    assert (sums.file.name, sums.file.content_type, sums.file.size) == ("sums.csv", "text/csv", 4)
    with Context().open(sums.file) as stream:
        assert stream.read() == b"1;2\n"


def test_a_saved_file_is_a_real_stream() -> None:
    """Archives and pictures are written by libraries that seek."""
    ctx = Context()
    with ctx.save("all.zip") as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "hello")
    with ctx.path(stream.file) as path, zipfile.ZipFile(path) as archive:
        assert archive.read("a.txt") == b"hello"


def test_text_is_saved_through_a_wrapper_that_closes_the_stream() -> None:
    ctx = Context()
    with ctx.save("a.txt") as stream, io.TextIOWrapper(stream, "utf-8") as text:
        text.write("Täkt")
    with ctx.open(stream.file) as saved:
        assert saved.read().decode() == "Täkt"


def test_a_block_that_raises_saves_nothing() -> None:
    ctx = Context()
    with pytest.raises(KeyError), ctx.save("a.txt") as stream:  # noqa: PT012
        stream.write(b"half")
        raise KeyError
    assert not Path(str(stream.name)).exists()
    with pytest.raises(ValueError, match="end of the `with` block"):
        _ = stream.file


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a\0b", "x" * 256])
def test_a_file_is_saved_under_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="plain name"):
        Context().save(name)


def test_a_content_type_is_a_media_type() -> None:
    with pytest.raises(ValueError, match="text/csv"):
        Context().save("a.csv", content_type="csv\r\nX: y")
