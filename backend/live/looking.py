"""Looks for news for many watches at once: one job in the pool, each row read once."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Never, Protocol, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError
from structlog.contextvars import bound_contextvars

from backend import recent_check
from backend.door.encoding import encode
from backend.door.errors import error_response, mask
from backend.door.watches import Watch
from backend.front.pool import Full
from schema.errors import Code
from tasks.watch import News, Rows

logger = logging.getLogger("downbeat.live")

T = TypeVar("T")

WATCHES_AT_ONCE = 50  # looked for in one job, so that requests between two of them wait little
JOB_SECONDS = 0.1  # of looking in one job; then others have their turn
# After a look, three times as long as it took, so that the next serves many watches when there is
# much to see, and looks take a quarter of the time at most; but little waits only a little.
REST = 3
REST_SECONDS = 0.05  # at most
LOOK_LENGTH = 1_000_000  # characters told in one look at one watch; with one item more, perhaps
FULL_SECONDS = 0.05


class InPool(Protocol):
    """Runs a job in the pool of Django's threads; Full when there is no room."""

    def __call__(self, job: Callable[[], T]) -> Awaitable[T]: ...


class Unavailable(Exception):
    """The database failed; it is worth another try."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a watch is told now, as JSON texts."""

    payloads: list[str]
    news: News
    is_cut: bool = False
    """Whether there was more than one look may tell, or had the time for."""


Question = tuple[Watch, Any]
_Waiting = tuple[Watch, "asyncio.Future[Look]"]
_Found = Look | Unavailable | None


class Looker:
    """Gathers the watches that want a look while the last look is being had."""

    def __init__(self, in_pool: InPool) -> None:
        self._in_pool = in_pool
        self._waiting: list[_Waiting] = []
        self._wanted = asyncio.Event()
        self._next_at = 0.0

    async def look(self, watch: Watch) -> Look:
        """News for this watch, perhaps none. Raises Unavailable."""
        future: asyncio.Future[Look] = asyncio.get_running_loop().create_future()
        self._waiting.append((watch, future))
        self._wanted.set()
        return await future

    async def work(self) -> Never:
        """Look, until cancelled."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(max(0.0, self._next_at - time.monotonic()))
            is_behind = True
            while is_behind:
                some, began = self._turn(), time.monotonic()
                is_behind = bool(self._waiting)
                try:
                    postponed = await self._look(some)
                except Exception as error:  # a bug: better an end than no news for ever
                    _settle(some, _masked(error))
                else:
                    is_behind = is_behind or bool(postponed)
                    self._waiting = postponed + self._waiting
                now = time.monotonic()
                self._next_at = now + min(REST * (now - began), REST_SECONDS)
            if not self._waiting:
                self._wanted.clear()

    def _turn(self) -> list[_Waiting]:
        """Whose turn it is: of each user the first, then of each the second, and so on.

        Who gives out watch tokens of many runs is one user here, with one turn.
        """
        ranks: Counter[UUID] = Counter()
        ranked: list[tuple[int, _Waiting]] = []
        for pair in self._waiting:
            if not pair[1].done():
                ranked.append((ranks[pair[0].viewer.user_id], pair))
                ranks[pair[0].viewer.user_id] += 1
        ranked.sort(key=lambda each: each[0])
        waiting = [pair for _, pair in ranked]
        self._waiting = waiting[WATCHES_AT_ONCE:]
        return waiting[:WATCHES_AT_ONCE]

    async def _look(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Answer those whose time it was; those for whom there was no time are given back."""
        postponed = []
        rows = Rows()
        questions = [(watch, watch.feed.ask(rows)) for watch, _ in batch]
        looks = await self._looks(rows, questions)
        for (watch, future), (_, question), look in zip(batch, questions, looks, strict=True):
            if not isinstance(look, Look) or look.is_cut:
                watch.feed.failed(question)
            if future.done():
                continue
            if look is None:
                postponed.append((watch, future))
            elif isinstance(look, Unavailable):
                future.set_exception(look)
            else:
                future.set_result(look)
        return postponed

    async def _looks(self, rows: Rows, questions: list[Question]) -> "Sequence[_Found]":
        while True:
            try:
                return await self._in_pool(partial(_answer, rows, questions))
            except Full:
                await asyncio.sleep(FULL_SECONDS)
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database does not answer, so watchers wait: %s", error)
                return [Unavailable() for _ in questions]
            except Exception as error:
                return [_masked(error)] * len(questions)


def _settle(waiting: list[_Waiting], look: Look) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_result(look)


def _answer(rows: Rows, questions: list[Question]) -> list[_Found]:
    """In the pool: the news of each watch, and its operation executed for them.

    None for those that JOB_SECONDS do not suffice for: others may have a turn in between.
    """
    deadline = time.monotonic() + JOB_SECONDS
    found: list[_Found] = []
    with recent_check.unit_of_work():
        for watch, question in questions:
            is_late = bool(found) and time.monotonic() > deadline
            found.append(None if is_late else _answer_one(watch, question, rows, deadline))
    return found


def _answer_one(watch: Watch, question: Any, rows: Rows, deadline: float) -> Look | Unavailable:
    with bound_contextvars(**watch.bound):
        return _look_at(watch, question, rows, deadline)


def _look_at(watch: Watch, question: Any, rows: Rows, deadline: float) -> Look | Unavailable:
    try:
        news = watch.feed.answer(question, rows, watch.viewer)
        payloads: list[str] = []
        length = 0
        for item in news.items:
            if payloads and (length > LOOK_LENGTH or time.monotonic() > deadline):
                return Look(payloads, news.up_to(len(payloads)), is_cut=True)
            outcome = watch.outcome(item)
            if watch.is_worth_another_try(outcome):
                return Unavailable()
            payloads.append(encode(outcome.response))
            length += len(payloads[-1])
        return Look(payloads, news)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # one watch's trouble is not the others'
        return _masked(error)


def _masked(error: Exception) -> Look:
    """The end of a watch by a bug of ours."""
    message, reference = mask(error)
    response = error_response(Code.INTERNAL, message, reference=reference)
    return Look([encode(response)], News([], is_over=True))
