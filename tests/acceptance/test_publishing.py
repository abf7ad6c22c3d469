"""A batch of knocks is in the broker's queues when it is published, or an error says that not."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import kombu
import pytest
import redis
from amqp.exceptions import MessageNacked
from celery import Celery
from pytest_django import Settings

from backend.celery import _configuration
from tasks import broker, confirms
from tasks.broker import Knock, publish
from tasks.status import Priority
from tests.stacks.rabbitmq import RabbitServer
from tests.stacks.redis_server import new_database

QUEUE = "downbeat.default"
Connect = Callable[..., Celery]


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group(f"postgres-{name}"))
        for name in ("redis", "rabbitmq")
    ]
)
def url(request: pytest.FixtureRequest) -> str:
    server = request.getfixturevalue(request.param)
    return new_database(server) if request.param == "redis" else str(server.new_vhost())


@pytest.fixture
def connect(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Makes the process's Celery app one of this broker."""
    apps: list[Celery] = []

    def make(url: str, **more: object) -> Celery:
        settings.BROKER_URL = url
        celery = Celery(f"test {len(apps)}", set_as_current=False)
        celery.config_from_object({**_configuration(), **more})
        monkeypatch.setattr(broker, "app", lambda: celery)
        apps.append(celery)
        return celery

    yield make
    for celery in apps:
        celery.close()


def some(count: int, priority: Priority = Priority.NORMAL) -> list[Knock]:
    return [Knock("count_words", uuid4(), priority) for _ in range(count)]


def waiting(url: str, queue: str = QUEUE) -> int:
    """How many messages are in the queue."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            return int(client.llen(f"downbeat:{queue}"))
    with kombu.Connection(url) as link, link.channel() as channel:
        declared: Any = kombu.Queue(queue)(channel).queue_declare(passive=True)
        return int(declared.message_count)


def test_all_are_there_at_once(connect: Connect, url: str) -> None:
    connect(url)
    publish([*some(250), *some(3, Priority.HIGH)])
    assert (waiting(url), waiting(url, f"{QUEUE}.high")) == (250, 3)
    publish(some(1))
    assert waiting(url) == 251


@pytest.mark.xdist_group("postgres-rabbitmq")
def test_after_a_cut_connection_the_next_batch_is_taken(
    connect: Connect, rabbitmq: RabbitServer
) -> None:
    url = rabbitmq.new_vhost()
    celery = connect(url)
    publish(some(1))
    with celery.producer_or_acquire() as producer:
        producer.channel.connection.transport.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(broker.BrokerError):
        publish(some(2))
    publish(some(3))
    assert waiting(url) == 4


@pytest.mark.xdist_group("postgres-rabbitmq")
def test_what_rabbitmq_refuses_is_an_error(connect: Connect, rabbitmq: RabbitServer) -> None:
    full = {"x-max-length": 3, "x-overflow": "reject-publish"}
    queues = [kombu.Queue(QUEUE, routing_key=QUEUE, queue_arguments=full)]
    url = rabbitmq.new_vhost()
    celery = connect(url, task_queues=queues)
    publish(some(3))
    with pytest.raises(MessageNacked):
        publish(some(20))
    channel: Any
    with celery.connection_for_read() as link, link.channel() as channel:
        channel.queue_purge(QUEUE)
    publish(some(2))
    assert waiting(url) == 2


@pytest.mark.xdist_group("postgres-rabbitmq")
def test_a_rabbitmq_that_confirms_nothing_is_not_waited_for_without_end(
    connect: Connect, rabbitmq: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirms, "CONFIRM_SECONDS", 3.0)
    connect(rabbitmq.new_vhost())
    publish(some(1))
    with rabbitmq.alarmed():
        began = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            publish(some(1))
        assert time.monotonic() - began < 10
    publish(some(1))
