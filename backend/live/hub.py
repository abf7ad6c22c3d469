"""All watchers of this process: knocks from Redis, looks at what they tell of, and surveys.

A knock only says that a look is worth it. Without Redis, and against lost knocks, surveys look at
the rows again and again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractContextManager, aclosing
from typing import Never

from accounts.viewer import Viewer
from backend.door.encoding import encode
from backend.door.watches import Wait, Watch
from backend.live.ended import Ended, TooMany, TooSlow
from backend.live.looking import InPool, Look, Looker, Unavailable
from backend.live.register import Holder, Place, Register
from backend.live.survey import Surveyor
from tasks.notifier import listen_for_changes

logger = logging.getLogger("downbeat.live")

RETRY_SECONDS = 1.0
LINGER_SECONDS = 60.0  # for which knocks are still heard when nobody watches any more
GIVE_UP_SECONDS = 3.0  # that a wait may be late when the database does not answer


class Hub:
    """Used from one event loop. A user may have `per_user` watches open at once."""

    def __init__(self, in_pool: InPool, *, per_user: int) -> None:
        self._register = Register(per_user=per_user)
        self._looker = Looker(in_pool)
        self._surveyor = Surveyor(self._register, in_pool)
        self._work: list[asyncio.Task[object]] = []

    def start(self) -> None:
        """Begin to hear and to look."""
        self._work = [
            asyncio.create_task(_for_ever(work))
            for work in (self._listen, self._looker.work, self._surveyor.work)
        ]

    async def _listen(self) -> Never:
        """Hear of changes while anybody watches, since hearing of every change has its cost."""
        while True:
            await self._register.until_open()
            hearing = asyncio.create_task(
                listen_for_changes(self._register.hear, self._surveyor.listens)
            )
            quiet = asyncio.create_task(self._register.until_quiet(LINGER_SECONDS))
            try:
                done, _ = await asyncio.wait((hearing, quiet), return_when=asyncio.FIRST_COMPLETED)
                if hearing in done:
                    hearing.result()  # raises: it never ends by itself
            finally:
                hearing.cancel()
                quiet.cancel()
                await asyncio.gather(hearing, quiet, return_exceptions=True)
                self._surveyor.rest()

    async def stop(self) -> None:
        """End everything."""
        self.leave()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def leave(self) -> None:
        """End all streams, and let all waits answer with what there is."""
        self._register.leave()

    def check_room(self, viewer: Viewer) -> None:
        """TooMany when this viewer may not watch more; Leaving when nobody may."""
        self._register.check_room(viewer)

    def held(self, holder: Holder) -> AbstractContextManager[None]:
        """Something that is ended when its credential opens nothing any more."""
        return self._register.held(holder)

    async def follow(
        self, watch: Watch, since: float | None = None, cut: Callable[[], None] | None = None
    ) -> AsyncGenerator[str, None]:
        """The responses of the watch as JSON texts, to its end. Raises Ended.

        `since`: the time of the monotonic clock at which it was asked for; what was heard from then
        on counts, though the watch was still being made. `cut` is called when the end comes while
        the reader does not take what it was given.
        """
        place = Place(watch, cut)
        async with aclosing(self._looks(place, since)) as looks:
            async for look in looks:
                for payload in look.payloads:
                    if place.ended is not None:  # while the reader took the one before
                        raise place.ended
                    yield payload

    async def answer(self, wait: Wait) -> str:
        """The one response of a wait, in time whatever happens.

        Raises TooMany for a query: answered at once, it would be asked again at once.
        """
        place = Place(wait)

        def give_up() -> None:
            wait.give_up()
            place.ready.set()

        timer = asyncio.get_running_loop().call_later(wait.seconds, give_up)
        try:
            async with (
                asyncio.timeout(wait.seconds + GIVE_UP_SECONDS),
                aclosing(self._looks(place)) as looks,
            ):
                async for look in looks:
                    if look.payloads:
                        return look.payloads[0]
        except TooMany:
            if wait.is_query:
                raise
        except (TimeoutError, Ended):
            pass  # what was known before the wait is true still
        finally:
            timer.cancel()
        return encode(wait.before.response)

    async def _looks(self, place: Place, since: float | None = None) -> AsyncGenerator[Look, None]:
        with self._register.placed(place, since):
            while True:
                await place.ready.wait()
                place.ready.clear()
                if place.ended is not None:
                    raise place.ended
                if place.watch.feed.is_lost:
                    raise TooSlow
                try:
                    look = await self._looker.look(place.watch)
                except Unavailable:
                    await asyncio.sleep(RETRY_SECONDS)
                    place.ready.set()
                    continue
                place.watch.told(look.news)
                yield look
                if look.news.is_over:
                    return
                if look.news.has_more:
                    place.ready.set()


async def _for_ever(work: Callable[[], Coroutine[object, object, Never]]) -> Never:
    """Begin again after a bug, which would leave all watchers without news."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("The hub of the watchers stumbled.")
            await asyncio.sleep(RETRY_SECONDS)
