"""What befalls the service during a soak: kills and stops of its parts, from a seed."""

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tests.stacks.processes import Running, descendants
from tests.stacks.server import Server
from tests.stacks.service import PARTS

STOP_SECONDS = {"worker": 45.0, "web": 3.0, "conductor": 5.0}  # the worker's: beyond its lease
AWAY_SECONDS = (0.5, 4.0)  # of a server between its death and its return

# Of a hundred acts, how many are of which kind.
ACTS: dict[str, int] = {
    "kill child": 32,
    "kill worker": 14,
    "kill web": 14,
    "kill conductor": 12,
    "kill broker": 8,
    "kill database": 7,
    "stop worker": 3,
    "stop web": 3,
    "stop conductor": 3,
    "terminate worker": 4,
}


@dataclass(frozen=True)
class Act:
    """What was done, when (Unix time), and to which processes."""

    at: float
    kind: str
    pids: tuple[int, ...]


class Chaos(threading.Thread):
    """Acts about every `pause` seconds until `over` is set, on what this process started.

    `servers` are the broker and the database where they are not parts of the service; `spared` are
    children of this process that are no business of the soak, such as servers of other tests.
    """

    def __init__(
        self, seed: str, pause: float, servers: dict[str, Server], spared: Collection[int]
    ) -> None:
        super().__init__(name="chaos", daemon=True)
        self.over = threading.Event()
        self.acts: list[Act] = []
        self.broken: BaseException | None = None
        self._dice = random.Random(seed)
        self._pause = pause
        self._servers = servers
        self._spared = spared
        self._stopped: list[tuple[float, tuple[int, ...]]] = []

    def run(self) -> None:
        try:
            while not self.over.wait(self._dice.uniform(0.2, 1.8) * self._pause):
                self._act()
                self._continue(time.monotonic())
        except BaseException as error:
            self.broken = error
            raise
        finally:
            self._continue(float("inf"))

    def counts(self) -> dict[str, int]:
        return dict(sorted(Counter(act.kind for act in self.acts).items()))

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(act) for act in self.acts]

    def _act(self) -> None:
        (kind,) = self._dice.choices(list(ACTS), list(ACTS.values()))
        verb, _, name = kind.partition(" ")
        if name in self._servers:
            self._away(kind, self._servers[name])
            return
        family = self.family(name)
        if not family:
            return  # it is starting again, or this stack has none
        self.acts.append(Act(time.time(), kind, family))
        if verb == "stop":
            _send(signal.SIGSTOP, family)
            self._stopped.append((time.monotonic() + STOP_SECONDS[name], family))
        elif verb == "terminate":
            _send(signal.SIGTERM, family[:1])
        else:
            _send(signal.SIGKILL, family)

    def _away(self, kind: str, server: Server) -> None:
        self.acts.append(Act(time.time(), kind, ()))
        server.kill()
        time.sleep(self._dice.uniform(*AWAY_SECONDS))
        server.start()

    def family(self, name: str) -> tuple[int, ...]:
        """The process ids of one such part, its main process first, and of its children."""
        part = {"child": "worker", "broker": "redis"}.get(name, name)
        if part not in PARTS:
            return ()
        everything = descendants(os.getpid(), but=self._spared)
        guards = {p.pid for p in everything if "guard.py" in p.command}
        mains = [
            p.pid
            for p in everything
            if p.parent in guards and p.pid not in guards and re.search(PARTS[part], p.command)
        ]
        if not mains:
            return ()
        main = self._dice.choice(sorted(mains))
        children = tuple(sorted(p.pid for p in _children(everything, main)))
        if name == "child":
            return (self._dice.choice(children),) if children else ()
        return (main, *children)

    def _continue(self, now: float) -> None:
        for due, family in self._stopped:
            if due <= now:
                _send(signal.SIGCONT, family)
        self._stopped = [each for each in self._stopped if each[0] > now]


def _children(everything: Iterable[Running], parent: int) -> list[Running]:
    return [process for process in everything if process.parent == parent]


def _send(number: int, pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
