"""RabbitMQ's word that it has taken what was published: waited for once for a whole batch.

py-amqp's own way, `confirm_publish`, waits after each message. The tags count what a channel has
published since it was put into confirm mode: https://www.rabbitmq.com/docs/confirms
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import amqp
from amqp.exceptions import MessageNacked

CONFIRM_SECONDS = 10.0


class _Confirms:
    """What one channel published and RabbitMQ has not confirmed yet."""

    def __init__(self, channel: Any) -> None:
        channel.events["basic_ack"].add(self._taken)
        channel.events["basic_nack"].add(self._refused)
        channel.confirm_select()
        self._last = 0
        self._open: set[int] = set()
        self._is_refused = False

    def expect(self, count: int) -> None:
        self._open = set(range(self._last + 1, self._last + count + 1))
        self._last += count
        self._is_refused = False

    def wait(self, connection: amqp.Connection) -> None:
        deadline = time.monotonic() + CONFIRM_SECONDS
        while self._open:  # other frames may come meanwhile
            connection.drain_events(timeout=max(0.001, deadline - time.monotonic()))
        if self._is_refused:
            raise MessageNacked("RabbitMQ did not take a message.")

    def _taken(self, tag: int, multiple: bool) -> None:
        self._open -= {each for each in self._open if each <= tag} if multiple else {tag}

    def _refused(self, tag: int, multiple: bool) -> None:
        self._taken(tag, multiple)
        self._is_refused = True


_by_channel: WeakKeyDictionary[amqp.Channel, _Confirms] = WeakKeyDictionary()


@contextmanager
def confirmed(channel: Any, count: int) -> Iterator[None]:
    """Publish `count` messages in it; at its end RabbitMQ has taken them, or an error is raised.

    Other brokers' channels need no such word.
    """
    if not isinstance(channel, amqp.Channel):
        yield
        return
    confirms = _by_channel.get(channel)
    if confirms is None:
        confirms = _by_channel[channel] = _Confirms(channel)
    confirms.expect(count)
    connection = channel.connection
    try:
        yield
        confirms.wait(connection)
    except BaseException:
        connection.collect()  # nobody knows what of this channel's is still on its way
        raise
