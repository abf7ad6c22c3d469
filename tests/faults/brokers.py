"""The broker of a service under trial: to be killed, held away, silenced, and emptied."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import redis

from tests.stacks.link import Link
from tests.stacks.machine import wait_until
from tests.stacks.processes import to_all
from tests.stacks.server import Server
from tests.stacks.service import Service

RETURN_SECONDS = 30


class Broker(Protocol):
    """What can befall any broker."""

    def die(self) -> None:
        """It is killed -9, and started again."""

    def silent(self) -> AbstractContextManager[None]:
        """It takes connections and words meanwhile, and answers nothing."""


class EmbeddedRedis:
    """The part of the service that its supervisor starts again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.client = redis.Redis.from_url(f"unix://{service.home}/redis.sock", socket_timeout=2)

    def die(self) -> None:
        self._service.kill_part("redis")
        assert wait_until(self._answers, RETURN_SECONDS), self._service.log.tail()

    @contextmanager
    def silent(self) -> Iterator[None]:
        family = [self._service.part("redis")]
        to_all(family, signal.SIGSTOP)
        try:
            yield
        finally:
            to_all(family, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


class ServedBroker:
    """A server of its own, which the service reaches over a link."""

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link

    def die(self) -> None:
        self._server.kill()
        self._server.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        self._link.black_hole()
        try:
            yield
        finally:
            self._link.restore()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stopped in order meanwhile: connections are refused."""
        self._link.cut()
        with self._server.stopped():
            yield
        self._link.restore()


class ServedRedis(ServedBroker):
    """Forgets everything when it ends, as it is told here to keep nothing."""

    def __init__(self, server: Server, link: Link) -> None:
        super().__init__(server, link)
        self.client = redis.Redis.from_url(server.url, socket_timeout=2)
