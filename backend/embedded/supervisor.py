"""Starts parts, starts them again when they die, and stops them all in time."""

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.embedded.process import Process, Say, describe

STOP_SECONDS = 3.8  # what is left then is killed, so that all is over within five seconds
LAST_SECONDS = 0.5
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
STEADY_SECONDS = 10.0  # a part that lived so long starts again without waiting
TICK = 0.05


@dataclass(frozen=True)
class Part:
    """One command that is to run for as long as the service does."""

    name: str
    command: tuple[str, ...]
    stops_last: bool = False
    """Whether the others need it until they have ended."""


class Supervisor:
    """Runs parts until it is asked to stop; use it from the main thread."""

    def __init__(
        self, parts: Sequence[Part], say: Say, env: Mapping[str, str] | None = None
    ) -> None:
        self._keepers = [_Keeper(part, say, env) for part in parts]
        self._say = say
        self._env = env
        self._asked = 0

    @property
    def is_stopping(self) -> bool:
        return self._asked > 0

    def listen(self) -> None:
        """Stop at Ctrl-C, SIGTERM and the end of the terminal; kill at once at the second."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all parts, in `run`; asked again, kill them at once."""
        self._asked += 1

    def first(self, name: str, command: Sequence[str]) -> int:
        """Run a command to its end before the parts start; its exit code."""
        process = Process(name, command, self._say, self._env)
        while (code := process.exit_code()) is None and not self.is_stopping:
            time.sleep(TICK)
        process.kill()
        return 0 if code is None else code

    def run(self) -> None:
        """Keep all parts running until asked to stop, then stop them."""
        try:
            while not self.is_stopping:
                for keeper in self._keepers:
                    keeper.tend()
                time.sleep(TICK)
        finally:
            self._stop()

    def _stop(self) -> None:
        self._say("downbeat", "stopping")
        started = time.monotonic()
        self._end([k for k in self._keepers if not k.part.stops_last], started + STOP_SECONDS)
        last = min(time.monotonic() + LAST_SECONDS, started + STOP_SECONDS + LAST_SECONDS)
        self._end([k for k in self._keepers if k.part.stops_last], last)
        self._say("downbeat", f"stopped in {time.monotonic() - started:.1f} s")

    def _end(self, keepers: "Sequence[_Keeper]", deadline: float) -> None:
        patience = max(self._asked, 1)
        for keeper in keepers:
            keeper.terminate()
        while any(k.is_alive for k in keepers) and self._asked <= patience:
            if time.monotonic() > deadline:
                break
            time.sleep(TICK)
        for keeper in keepers:
            keeper.kill()


class _Keeper:
    """Keeps one part running."""

    def __init__(self, part: Part, say: Say, env: Mapping[str, str] | None) -> None:
        self.part = part
        self._say = say
        self._env = env
        self._process: Process | None = None
        self._started = 0.0
        self._due = 0.0
        self._pause = FIRST_PAUSE

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.exit_code() is None

    def tend(self) -> None:
        """Start the part when it is due; notice when it has ended."""
        now = time.monotonic()
        if self._process is None and now >= self._due:
            self._process = Process(self.part.name, self.part.command, self._say, self._env)
            self._started = now
        elif self._process is not None and (code := self._process.exit_code()) is not None:
            self._process.kill()  # children that outlived it
            self._process = None
            self._plan_restart(code, now)

    def _plan_restart(self, code: int, now: float) -> None:
        lived = now - self._started
        self._pause = FIRST_PAUSE if lived > STEADY_SECONDS else min(self._pause * 2, LONGEST_PAUSE)
        self._due = now + self._pause
        text = f"ended ({describe(code)}), starts again in {self._pause:g} s"
        self._say("downbeat", f"{self.part.name} {text}")

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End what is left, and say so when it had to be forced."""
        if self._process is None:
            return
        if self.is_alive:
            self._say("downbeat", f"{self.part.name} did not stop in time and was killed")
        self._process.kill()
        self._process = None
