"""Keys are UUIDv7: they sort by the time of their making."""

import time
import uuid
from datetime import UTC, datetime, timedelta

from accounts.keys import first_key, uuid7


def test_later_keys_sort_after_earlier_ones() -> None:
    keys = []
    for _ in range(20):
        keys.append(uuid7())
        time.sleep(0.002)
    assert keys == sorted(keys)
    assert str(keys[0])[14] == "7"
    assert type(keys[0]) is uuid.UUID


def test_keys_of_one_moment_differ() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_a_bound_is_the_first_key_of_its_millisecond() -> None:
    key = uuid7()
    made = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=key.int >> 80)
    assert first_key(made) < key < first_key(made + timedelta(milliseconds=1))
    assert first_key(made + timedelta(microseconds=999)) == first_key(made)
