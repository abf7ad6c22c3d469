"""Operations that answer later, or more than once: their feed, and an execution for each item."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

from structlog.contextvars import get_contextvars

from accounts.viewer import Viewer
from backend.door.errors import Fault
from schema.context import RequestContext
from schema.errors import Code
from tasks.watch import Feed, News, WaitFeed


@dataclass(frozen=True, slots=True)
class Outcome:
    """A response, and why nothing was executed if that is so."""

    response: dict[str, Any]
    fault: Fault | None = None

    @property
    def is_unavailable(self) -> bool:
        """Whether the database failed in the middle."""
        errors = self.response.get("errors", ())
        return any(error["extensions"]["code"] == Code.UNAVAILABLE for error in errors)


class Execute(Protocol):
    """Executes the operation of a watch, with `root` as the root value."""

    def __call__(self, context: RequestContext, root: Any = None) -> Outcome: ...


PUSHED_BYTES = 2_000_000  # of stored values in one push; a reader that stops leaves it in memory
TRIES = 5  # of an execution in which the database fails; then the client gets to see that


class Watch(ABC):
    """An operation that is executed again when its feed has something new."""

    def __init__(self, context: RequestContext, execute: Execute, feed: Feed) -> None:
        self.viewer: Viewer = context.signed_in
        """As the credential was last found."""
        self.feed = feed
        self.bound = get_contextvars()
        """What the log says of the request that asked, and so of each look for it."""
        self._base_url = context.base_url
        self._execute = execute
        self._tries = 0

    @abstractmethod
    def outcome(self, item: Any) -> Outcome:
        """The operation executed for an item of the feed."""

    def is_worth_another_try(self, outcome: Outcome) -> bool:
        """Whether the database failed in the middle, and not for long enough to tell."""
        self._tries += outcome.is_unavailable
        return outcome.is_unavailable and self._tries < TRIES

    def told(self, news: News) -> None:
        """Whoever watches has these news."""
        self._tries = 0
        self.feed.told(news)


class Subscription(Watch):
    """Answers each item of its feed."""

    def outcome(self, item: Any) -> Outcome:
        context = RequestContext(self.viewer, self._base_url, answer_bytes=PUSHED_BYTES)
        return self._execute(context, item)


class Wait(Watch):
    """A query or mutation that waits for runs, and answers once: `before` is its answer so far."""

    def __init__(
        self, context: RequestContext, execute: Execute, before: Outcome, *, is_query: bool
    ) -> None:
        feed = WaitFeed(context.waits.known)
        super().__init__(context, execute, feed)
        self.seconds = context.waits.seconds
        self.before = before
        self.is_query = is_query
        self._waits = context.waits
        self._feed = feed

    def give_up(self) -> None:
        """The time is up: the next look answers, however things stand."""
        self._feed.is_due = True

    def outcome(self, item: Any) -> Outcome:
        fresh = {run_id: run for run_id, run in item.items() if run is not None}
        waits = self._waits.over(fresh)
        return self._execute(RequestContext(self.viewer, self._base_url, waits=waits))


Content = Outcome | Wait | Subscription
"""What a request gets: an answer, an answer to come, or a stream of them."""
