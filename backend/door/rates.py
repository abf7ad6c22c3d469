"""How much one viewer, or one address of strangers, may ask for in a minute.

Counted in this process alone, by the generic cell rate algorithm: one number for each name, and a
minute's worth may come at once. A store that all processes share would cost every request a round
trip, and fail when it is away; so the limit is one for each web process.
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network

from accounts.viewer import Viewer
from backend.door.errors import Fault, RequestRefused
from schema.errors import Code

NAMES = 100_000  # remembered; the one longest unheard of is forgotten first
MINUTE = 60.0
COST_OF_A_STRANGER = 100  # may come with each of a stranger's requests


class RateLimited(RequestRefused):
    """Too much in a minute; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        message = f"You ask for too much at once: try again in {retry_after} s."
        super().__init__(Fault.RATE, Code.RATE_LIMITED, message, retryAfter=retry_after)
        self.retry_after = retry_after


class Budget:
    """So much in a minute for each name; 0: no limit. Safe to use from many threads."""

    def __init__(
        self, per_minute: int, *, names: int = NAMES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute = per_minute
        self._names = names
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when all of it may be spent again
        self._lock = threading.Lock()

    def spend(self, name: str, amount: int) -> None:
        """Take so much, or raise RateLimited; more than a minute's worth takes that."""
        if not self._per_minute:
            return
        takes = MINUTE * min(amount, self._per_minute) / self._per_minute
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.pop(name, now), now) + takes
            excess = full_at - now - MINUTE
            if excess > 1e-6:
                self._full_at[name] = full_at - takes
                raise RateLimited(math.ceil(excess))
            self._full_at[name] = full_at
            if len(self._full_at) > self._names:
                self._full_at.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Purse:
    """What one asker spends from."""

    name: str
    requests: Budget
    costs: Budget

    def pay_request(self) -> None:
        """For one more request, or RateLimited."""
        self.requests.spend(self.name, 1)

    def pay(self, cost: int) -> None:
        """For what it costs, or RateLimited."""
        self.costs.spend(self.name, cost)


class Rates:
    """The budgets of viewers, each of whom has one, and of strangers, who share their address's.

    A run that a watch token shows has as much as an address, so that the tokens of many runs are no
    way round the owner's own limit.
    """

    def __init__(self, *, requests: int, cost: int, anonymous: int) -> None:
        self._viewers = Budget(requests), Budget(cost)
        self._strangers = Budget(anonymous), Budget(anonymous * COST_OF_A_STRANGER)

    def purse(self, viewer: Viewer | None, address: str) -> Purse:
        """From what this asker pays."""
        if viewer is None:
            return Purse(network(address), *self._strangers)
        budgets = self._viewers if viewer.run_id is None else self._strangers
        return Purse(viewer.counted_as, *budgets)


def network(address: str) -> str:
    """By what strangers are counted: their address, of IPv6 the 64 bits that one customer has."""
    return address if ":" not in address else str(IPv6Network((address, 64), strict=False))


UNLIMITED = Rates(requests=0, cost=0, anonymous=0)
