"""How many WebSockets one user, or one network of strangers, may have open in this process."""

from collections import Counter
from types import TracebackType
from typing import Self

from backend.live.ended import TooMany

OF_STRANGERS = 100  # of one network, until they are signed in


class Seats:
    """Used from one event loop."""

    def __init__(self, *, per_user: int, of_strangers: int = OF_STRANGERS) -> None:
        self._per_user = per_user
        self._of_strangers = of_strangers
        self._taken: Counter[str] = Counter()

    def seat(self, network: str) -> "Seat":
        """A stranger's seat, free again after the `with` block; TooMany when there is none."""
        return Seat(self, self._take(f"from {network}", self._of_strangers))

    def of_user(self, name: str) -> str:
        """Take a seat of this user's, or TooMany; what gives it back."""
        return self._take(name, self._per_user)

    def _take(self, name: str, most: int) -> str:
        if self._taken[name] >= most:
            raise TooMany
        self._taken[name] += 1
        return name

    def give_back(self, name: str) -> None:
        self._taken[name] -= 1
        if not self._taken[name]:
            del self._taken[name]


class Seat:
    """What one socket sits on: one of its network's, then one of its user's."""

    def __init__(self, seats: Seats, name: str) -> None:
        self._seats = seats
        self._name = name

    def change(self, user: str) -> None:
        """Somebody has signed in; TooMany when the user has no seat left."""
        taken = self._seats.of_user(user)
        self._seats.give_back(self._name)
        self._name = taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._seats.give_back(self._name)
