"""Looks at how everything stands that is watched, for what knocks have not told."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Never
from uuid import UUID

from django.db import InterfaceError, OperationalError

from accounts.credentials import still_valid
from accounts.viewer import Credential, Viewer
from backend import recent_check
from backend.front.pool import Full
from backend.live.looking import InPool
from backend.live.register import Register
from tasks.notifier import Change
from tasks.watch import standing

logger = logging.getLogger("downbeat.live")

SURVEY_SECONDS = 3.0  # between two surveys while knocks come; credentials are looked at as well
AWAY_SECONDS = 1.0  # while they do not
SOON_SECONDS = 0.1  # after knocks may have been lost


@dataclass(frozen=True)
class _Found:
    """How everything stands that is watched, and who may still watch."""

    changes: list[Change]
    viewers: dict[Credential, Viewer]


class Surveyor:
    """Surveys again and again: one job in the pool for all watchers together."""

    def __init__(self, register: Register, in_pool: InPool) -> None:
        self._register = register
        self._in_pool = in_pool
        self._is_listening = False
        self._soon = asyncio.Event()

    def listens(self, is_listening: bool) -> None:
        """Whether knocks come: at each new connection, and when it is lost."""
        if is_listening:
            self._soon.set()  # what was told while nobody listened is lost
        elif self._is_listening:
            logger.warning("Redis does not answer: watchers are served by looking at the rows.")
        self._is_listening = is_listening

    def rest(self) -> None:
        """Nobody listens, since nobody watches."""
        self._is_listening = False

    async def work(self) -> Never:
        """Survey, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SURVEY_SECONDS if self._is_listening else AWAY_SECONDS):
                    await self._soon.wait()
                await asyncio.sleep(SOON_SECONDS)
            except TimeoutError:
                pass
            self._soon.clear()
            if not self._register.is_empty:
                await self._survey()

    async def _survey(self) -> None:
        owners, credentials = self._register.owner_ids, self._register.credentials
        job = partial(_look, self._register.run_ids, owners, credentials)
        try:
            found = await self._in_pool(job)
        except Full:
            logger.warning("All threads are busy: watchers are looked after later.")
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database does not answer, so watchers wait: %s", error)
        else:
            self._register.renew(credentials, found.viewers)
            self._register.apply(found.changes, owners)


def _look(
    run_ids: Collection[UUID], owner_ids: Collection[UUID], credentials: Collection[Credential]
) -> _Found:
    with recent_check.unit_of_work():
        return _Found(standing(run_ids, owner_ids), still_valid(credentials))
