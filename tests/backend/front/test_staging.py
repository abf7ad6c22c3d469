"""An upload is staged without a pool thread, within its signature, and never left behind."""

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from backend.front import app as app_module
from backend.front import body
from backend.front import staging as staging_module
from backend.front.environ import STAGED
from backend.front.staging import upload_address
from tasks.files import upload_signature
from tasks.models import File
from tests.backend.front.conftest import MakeFront
from tests.backend.front.exchange import DISCONNECT, SILENCE, Exchange, drops


def promise(size: int, *, seconds: float = 300, owner: int = 1) -> dict[str, Any]:
    """The path and query of an upload of so many bytes that was promised."""
    until = timezone.now() + timedelta(seconds=seconds)
    file = File(id=uuid4(), owner_id=UUID(int=owner), size=size, upload_until=until)
    query = f"signature={upload_signature(file)}".encode()
    return {"method": "PUT", "path": f"/uploads/{file.id}", "query": query}


class Storage:
    """An application that remembers what it was given; with `target`, it moves the file there."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.content = b""
        self.target: Path | None = None

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        staged = environ[STAGED]
        self.given.append(staged)
        if staged is not None:
            self.content = staged.path.read_bytes()
            if self.target is not None:
                staged.path.rename(self.target)
        assert environ["wsgi.input"].read() == b""
        start("204 No Content", [])
        return []


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture(autouse=True)
def _nothing_is_left(staging: Path) -> Iterator[None]:
    yield
    assert list(staging.iterdir()) == []


async def test_the_bytes_are_counted_digested_and_handed_over(
    make_front: MakeFront, storage: Storage
) -> None:
    exchange = Exchange(**promise(7), chunks=[b"one", b"", b" two"])
    await exchange.run(make_front(storage))
    assert exchange.status == 204
    (staged,) = storage.given
    assert storage.content == b"one two"
    assert (staged.size, staged.sha256) == (7, hashlib.sha256(b"one two").hexdigest())


async def test_a_file_that_the_storage_moved_is_left_where_it_is(
    make_front: MakeFront, storage: Storage, tmp_path: Path
) -> None:
    storage.target = tmp_path / "kept"
    await Exchange(**promise(3), chunks=[b"abc"]).run(make_front(storage))
    assert storage.target.read_bytes() == b"abc"


async def test_an_empty_file_is_a_file(make_front: MakeFront, storage: Storage) -> None:
    await Exchange(**promise(0)).run(make_front(storage))
    assert storage.given[0].size == 0


async def test_a_large_upload_needs_little_memory(make_front: MakeFront) -> None:
    def forget(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("204 No Content", [])
        return []

    chunk, times = b"x" * 65_536, 320  # 20 MiB
    exchange = Exchange(**promise(len(chunk) * times), chunks=[chunk] * times)
    front = make_front(forget)
    tracemalloc.start()
    await exchange.run(front)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert exchange.status == 204
    assert peak < 4 * 2**20


async def test_an_upload_on_its_way_holds_no_pool_thread(
    make_front: MakeFront, storage: Storage
) -> None:
    front = make_front(storage, threads=1, queue=0)
    exchange = Exchange(**promise(9), chunks=[b"x", SILENCE])
    upload = asyncio.create_task(exchange.run(front))
    await asyncio.sleep(0.01)
    assert (await Exchange(**promise(0)).run(front)).status == 204
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload


@pytest.mark.parametrize("headers", [{"Content-Length": "8"}, {}])
async def test_more_bytes_than_were_promised_are_refused(
    make_front: MakeFront, storage: Storage, headers: dict[str, str]
) -> None:
    exchange = Exchange(**promise(7), headers=headers, chunks=[b"12345", b"678", b"9"])
    await exchange.run(make_front(storage))
    assert exchange.status == 413
    assert json.loads(exchange.body)["errors"][0]["code"] == "UPLOAD_MISMATCH"
    assert storage.given == []


@pytest.mark.parametrize("query", [b"", b"signature=forged", b"signature=%FF%00", b"%=&;"])
async def test_without_a_good_signature_nothing_is_read_and_the_view_says_no(
    make_front: MakeFront, storage: Storage, query: bytes
) -> None:
    exchange = Exchange(**promise(7) | {"query": query}, chunks=[b"1234567", b"8"])
    await exchange.run(make_front(storage))
    assert storage.given == [None]
    assert exchange.log[:2] == ["send", "send"]
    assert exchange.headers["connection"] == "close"


async def test_a_signature_of_the_past_reads_nothing(
    make_front: MakeFront, storage: Storage
) -> None:
    await Exchange(**promise(7, seconds=-60), chunks=[b"1234567"]).run(make_front(storage))
    assert storage.given == [None]


async def test_a_signature_opens_no_other_file(make_front: MakeFront, storage: Storage) -> None:
    other = promise(7) | {"path": f"/uploads/{uuid4()}"}
    await Exchange(**other, chunks=[b"1234567"]).run(make_front(storage))
    assert storage.given == [None]


async def test_a_client_that_goes_away_leaves_nothing(
    make_front: MakeFront, storage: Storage
) -> None:
    exchange = Exchange(**promise(700_000), chunks=[b"x" * 300_000, DISCONNECT])
    await exchange.run(make_front(storage))
    assert (exchange.sent, storage.given) == ([], [])


async def test_a_client_that_stops_sending_is_let_go(
    make_front: MakeFront, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.01)
    exchange = await Exchange(**promise(9), chunks=[b"x", SILENCE]).run(make_front(storage))
    assert (exchange.status, storage.given) == (408, [])


async def test_a_client_that_drips_is_let_go(
    make_front: MakeFront, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.01)
    exchange = Exchange(**promise(70_000), chunks=drops(b"x", every=0.01))
    async with asyncio.timeout(10):  # all of it would take 700 seconds
        await exchange.run(make_front(storage))
    assert (exchange.status, storage.given) == (408, [])
    assert b"Less than 65536 bytes came within 0.2 seconds" in exchange.body


async def test_an_upload_ends_when_its_promise_does(
    make_front: MakeFront, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.01)
    exchange = Exchange(**promise(9, seconds=2), chunks=[b"x", SILENCE])
    async with asyncio.timeout(10):  # less than IDLE_SECONDS
        await exchange.run(make_front(storage))
    assert (exchange.status, storage.given) == (410, [])
    assert json.loads(exchange.body)["errors"][0]["code"] == "UPLOAD_EXPIRED"


async def test_uploads_at_once_are_few_of_a_file_an_owner_and_all(
    make_front: MakeFront, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "UPLOADS", 4)
    monkeypatch.setattr(app_module, "UPLOADS_OF_AN_OWNER", 3)
    front, same = make_front(storage), promise(9)
    held = []

    async def hold(address: dict[str, Any]) -> None:
        held.append(asyncio.create_task(Exchange(**address, chunks=[b"x", SILENCE]).run(front)))
        await asyncio.sleep(0.01)

    async def told(address: dict[str, Any]) -> tuple[int, str, str]:
        exchange = await Exchange(**address, chunks=[b"x", b"y"]).run(front)
        (error,) = json.loads(exchange.body)["errors"]
        return exchange.status, error["code"], exchange.headers["retry-after"]

    for address in (same, same):
        await hold(address)
    assert await told(same) == (429, "RATE_LIMITED", "5")
    await hold(promise(9))
    assert await told(promise(9)) == (429, "RATE_LIMITED", "5")
    await hold(promise(9, owner=2))
    assert await told(promise(9, owner=3)) == (503, "UNAVAILABLE", "5")
    for upload in held:
        upload.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert (await Exchange(**same, chunks=[b"x"]).run(front)).status == 204


async def test_a_server_that_shuts_down_mid_upload_leaves_nothing(
    make_front: MakeFront, storage: Storage
) -> None:
    exchange = Exchange(**promise(700_000), chunks=[b"x" * 300_000, SILENCE])
    upload = asyncio.create_task(exchange.run(make_front(storage)))
    await asyncio.sleep(0.05)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload


async def test_a_full_disk_is_said_and_logged(
    make_front: MakeFront,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(self: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging_module.Receiver, "_write", full)
    exchange = await Exchange(**promise(3), chunks=[b"abc"]).run(make_front(storage))
    assert (exchange.status, storage.given) == (503, [])
    assert b"space" not in exchange.body
    assert "No space left" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/uploads/1"),
        ("PUT", "/uploads/"),
        ("PUT", "/uploads"),
        ("PUT", "/uploads/a/b"),
        ("PUT", "/uploads/../secret"),
        ("PUT", "/graphql"),
    ],
)
def test_only_a_put_of_one_name_is_an_upload(method: str, path: str) -> None:
    assert upload_address(Exchange(method, path).scope) is None
