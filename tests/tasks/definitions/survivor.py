"""Profiles the files that it is told of, one after the other, and says what that took.

It stands for a worker's child: what ends it, or fills its memory, would do so there.
"""

import json
import resource
import sys
import time
from pathlib import Path

from tasks import Context, Failure, File
from tasks.definitions.profile_dataset import profile_dataset

LIMIT = 6 << 30  # bytes of addresses: a bomb that is not refused must not take the machine along
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def main() -> None:
    if _STATUS.exists():
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    for line in sys.stdin:
        print(json.dumps(_profile(Path(json.loads(line)))), flush=True)  # noqa: T201 - the answer


def _profile(path: Path) -> dict[str, object]:
    if _CLEAR.exists():
        _CLEAR.write_text("5")  # forget the peak so far
    began, code, message = time.monotonic(), "OK", ""
    try:
        profile_dataset(Context(), file=File.from_path(path))
    except Failure as failure:
        code, message = failure.code, failure.message
    except Exception as error:
        code, message = "NO FAILURE", repr(error)
    seconds = time.monotonic() - began
    return {"code": code, "message": message, "seconds": seconds, "peak": _peak_mebibytes()}


def _peak_mebibytes() -> float:
    """The most memory held at once since the peak was forgotten (elsewhere: since the start)."""
    if _STATUS.exists():
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        (line,) = (each for each in lines if each.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes, on macOS


if __name__ == "__main__":
    main()
