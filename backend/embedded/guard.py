"""Runs one command and ends its whole process group when the supervisor is gone.

Started as `guard.py LIFELINE COMMAND...`, as leader of a group of its own. LIFELINE is the read
end of a pipe whose write end only the supervisor holds: however the supervisor dies, the kernel
closes it. That works on Linux and macOS alike and takes grandchildren along. Standard library
only and nothing of Downbeat, so that a guard starts in milliseconds and stays small.
"""

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1


def main(lifeline: int, command: list[str]) -> int:
    """The command's exit code; 128 and the signal's number when a signal ended it."""
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, lifeline, guard)
    signal.signal(signal.SIGTERM, lambda *_: _forward(child, signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_kill_group_at_end_of, args=(lifeline,), daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _become(command: list[str], lifeline: int, guard: int) -> None:
    """Turn this forked child into the command."""
    os.close(lifeline)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; the command decides itself
    if sys.platform == "linux":  # a second lock, for the day the guard itself is killed
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)
    try:
        os.execvp(command[0], command)  # nosec B606 # noqa: S606 - the supervisor's own commands
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return  # it ended first; waitpid is about to say so


def _kill_group_at_end_of(lifeline: int) -> None:
    os.read(lifeline, 1)  # nobody writes: this returns when the last writer is gone
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
