"""One command in a process group of its own that cannot outlive whoever started it."""

import os
import signal
import subprocess  # nosec B404 # without a shell
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GUARD = Path(__file__).with_name("guard.py")

Say = Callable[[str, str], None]
"""Takes the name of a process and one line of its output."""


class Process:
    """A running command; each line that it or its children print goes to `say`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        say: Say,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        read, self._lifeline = os.pipe()
        try:
            self._guard = subprocess.Popen(  # nosec B603 # the commands are our own
                [sys.executable, "-I", "-S", str(GUARD), str(read), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(read,),
                start_new_session=True,
                env=env,
                cwd=cwd,
            )
        finally:
            os.close(read)
        assert self._guard.stdout is not None  # nosec B101 # noqa: S101 - it is a pipe, as asked above
        self._echo = threading.Thread(target=_echo, args=(name, self._guard.stdout, say))
        self._echo.daemon = True
        self._echo.start()

    @property
    def pid(self) -> int:
        """The leader and the id of the process group."""
        return self._guard.pid

    def exit_code(self) -> int | None:
        """None while it runs; 128 and the signal's number when a signal ended it."""
        code = self._look()
        return code if code is None or code >= 0 else 128 - code

    def _look(self) -> int | None:
        """Its return code. Where the system can, it is not counted out before `kill`.

        Until then its id, by which the group is killed, cannot become somebody else's.
        """
        if self._guard.returncode is None and sys.platform == "linux":
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return None
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        return self._guard.poll()

    def terminate(self) -> None:
        """Ask it to end; the guard hands the signal to the command alone, not to its children."""
        if self._look() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End whatever is left of the group; after that its id may be somebody else's."""
        if self._lifeline < 0:
            return
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a zombie
            os.killpg(self.pid, signal.SIGKILL)
        self._guard.wait()
        self._echo.join(timeout=0.5)
        os.close(self._lifeline)
        self._lifeline = -1


def _echo(name: str, output: IO[bytes], say: Say) -> None:
    with output:
        for line in output:
            say(name, line.decode("utf-8", "replace").rstrip())


def describe(exit_code: int) -> str:
    """An exit code in words: `exit code 1`, `SIGKILL`."""
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return f"exit code {exit_code}"
