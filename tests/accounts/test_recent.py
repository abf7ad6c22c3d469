"""What was found out is known for a while, and no longer, and not without bound."""

import time

from accounts.recent import Recent


def test_a_value_is_known_for_a_while() -> None:
    recent: Recent[int] = Recent(0.1, 10)
    assert recent.get("a") is None
    recent.put("a", 1)
    assert recent.get("a") == 1
    time.sleep(0.11)
    assert recent.get("a") is None


def test_when_it_is_full_what_is_past_goes_first() -> None:
    recent: Recent[int] = Recent(0.1, 2)
    recent.put("a", 1)
    time.sleep(0.11)
    recent.put("b", 2)
    recent.put("c", 3)
    assert (recent.get("b"), recent.get("c")) == (2, 3)
    recent.put("d", 4)
    assert [recent.get(name) for name in "abcd"] == [None, None, None, 4]


def test_it_can_be_cleared() -> None:
    recent: Recent[int] = Recent(60, 2)
    recent.put("a", 1)
    recent.clear()
    assert recent.get("a") is None
