"""What was found out a few seconds ago, so that a busy client does not have it asked each time."""

import threading
import time
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by name, each for so many seconds; at most so many; safe to use from many threads."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._kept: dict[str, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> V | None:
        until, value = self._kept.get(name, (0.0, None))
        return value if time.monotonic() < until else None

    def put(self, name: str, value: V) -> None:
        with self._lock:
            if len(self._kept) >= self._most:
                self._make_room()
            self._kept[name] = (time.monotonic() + self._seconds, value)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def _make_room(self) -> None:
        """Drop what is past; and if all are still good, all: they are soon found again."""
        now = time.monotonic()
        self._kept = {name: each for name, each in self._kept.items() if each[0] > now}
        if len(self._kept) >= self._most:
            self._kept = {}
