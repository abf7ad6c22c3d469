"""A worker whose broker is away tries again at an even pace."""

import pytest

from backend.celery import app
from backend.embedded.home import spare_port


class Enough(Exception):
    """Seen enough tries."""


def test_the_pause_between_two_tries_does_not_grow() -> None:
    """Else runs would wait for half a minute after the broker is back."""
    pauses = list[float]()

    def refused(_: Exception, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 3:
            raise Enough

    with (
        app.connection_for_read(f"redis://127.0.0.1:{spare_port()}/") as connection,
        pytest.raises(Enough),
    ):
        connection.ensure_connection(refused)
    assert pauses == [2, 2, 2]
