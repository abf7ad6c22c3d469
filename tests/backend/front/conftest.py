"""A front around an application that the test gives."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.front.app import Front
from backend.front.hop import WSGIApplication
from backend.front.pool import Pool
from tests.backend.front.still import Still

REQUEST_SIZE = 1_000

MakeFront = Callable[..., Front]


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def make_front(staging: Path) -> Iterator[MakeFront]:
    """Makes a front with a running pool, stopped when the test ends."""
    pools: list[Pool] = []

    def make(
        application: WSGIApplication, threads: int = 2, queue: int = 2, proxies: int = 0
    ) -> Front:
        pool = Pool(threads, queue, at_exit=lambda: None)
        pool.start()
        pools.append(pool)
        origins = frozenset({"https://app.example"})
        return Front(
            application,
            pool,
            Still(),
            request_size=REQUEST_SIZE,
            staging=staging,
            origins=origins,
            proxies=proxies,
        )

    yield make
    for pool in pools:
        pool.stop(5)
