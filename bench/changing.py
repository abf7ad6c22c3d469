"""Changes runs as workers do, for the benches: by the verbs, at a pace, on the service's database.

    python -m bench.changing USERNAME

with the service's settings in the environment. Each line of standard input, a JSON list of a verb's
name and its arguments, is answered by one line. No worker meets these runs: they are claimed in the
transaction in which they are asked for.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup()

from django.db import transaction  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.viewer import SCOPES, Viewer  # noqa: E402
from schema.ids import to_global_id  # noqa: E402
from tasks import runs, submission  # noqa: E402
from tasks.context import Progress  # noqa: E402
from tasks.registry import REGISTRY  # noqa: E402
from tasks.runs import Claimant, Ending, Hold  # noqa: E402
from tasks.status import Outcome, Status  # noqa: E402

TASK = "count_words"
BATCH = 100  # runs started in one transaction
SUCCESS = Ending(Status.SUCCEEDED, Outcome.SUCCEEDED, {"words": 2, "longest": "word"})

Committed = list[tuple[str, int, float]]
"""The id of a run, its revision, and when that was committed, by the monotonic clock."""


class Changer:
    """Holds running runs of one user."""

    def __init__(self, username: str) -> None:
        self._viewer = Viewer(User.objects.get(username=username).pk, frozenset(SCOPES))
        self._holds: dict[str, Hold] = {}
        self._revisions: dict[str, int] = {}
        self._steps = count(1)

    def start(self, texts: list[str]) -> list[str]:
        """Have a new run running for each text, and no others any more; their ids."""
        holds: list[Hold] = []
        for first in range(0, len(texts), BATCH):
            with transaction.atomic():
                holds += map(self._started, texts[first : first + BATCH])
        self._holds = {to_global_id("Run", hold.run_id): hold for hold in holds}
        self._revisions = dict.fromkeys(self._holds, 2)
        return list(self._holds)

    def _started(self, text: str) -> Hold:
        run = submission.submit(self._viewer, REGISTRY[TASK], {"text": text}).run
        claimed = runs.claim(run.pk, Claimant(TASK, "bench:1"))
        assert claimed is not None
        assert claimed.token is not None
        return Hold(claimed.pk, claimed.attempt, claimed.token)

    def progress(self, rounds: int, rate: float) -> Committed:
        """Report progress on each run, so often, and so many reports in a second."""

        def report(hold: Hold) -> bool:
            return runs.heartbeat(hold, Progress(next(self._steps), None, "on and on")) is not None

        return self._change(report, list(self._holds) * rounds, rate)

    def finish(self, rate: float) -> Committed:
        """End each run."""
        return self._change(
            lambda hold: runs.finish(hold, SUCCESS) is not None, list(self._holds), rate
        )

    def _change(self, change: Callable[[Hold], bool], ids: list[str], rate: float) -> Committed:
        committed: Committed = []
        began = time.monotonic()
        for place, run in enumerate(ids):
            time.sleep(max(0.0, began + place / rate - time.monotonic()))
            assert change(self._holds[run])
            self._revisions[run] += 1
            committed.append((run, self._revisions[run], time.monotonic()))
        return committed


def main() -> None:
    changer = Changer(sys.argv[1])
    for line in sys.stdin:
        verb, *given = json.loads(line)
        answer: Any = getattr(changer, verb)(*given)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
