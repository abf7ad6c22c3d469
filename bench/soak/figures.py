"""Figures of a soak from the rows: how long each recovery took, and how long runs took.

    python -m bench.soak.figures ACTS PHASES

Run in the environment of the service; prints JSON. ACTS is a file with the acts of the chaos,
PHASES the JSON of `{name: [from, to]}` in Unix time.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def recoveries(acts: list[dict[str, Any]]) -> dict[str, Any]:
    """From a kill or stop to the next attempt (or the end) of each run that was lost by it."""
    from tasks.models import Attempt

    seconds: dict[str, list[float]] = {}
    unexplained: list[str] = []
    lost = Attempt.objects.filter(outcome="LOST").order_by("finished_at")
    following = {
        (attempt.run_id, attempt.number): attempt.started_at
        for attempt in Attempt.objects.filter(number__gt=1, run__in=lost.values("run_id"))
    }
    for attempt in lost:
        assert attempt.finished_at is not None
        pid = int(attempt.worker.rpartition(":")[2].partition("-")[0])
        ended = attempt.finished_at.timestamp()
        causes = [act for act in acts if pid in act["pids"] and act["at"] <= ended]
        if not causes:
            unexplained.append(str(attempt))
            continue
        again = following.get((attempt.run_id, attempt.number + 1), attempt.finished_at)
        took = again.timestamp() - causes[-1]["at"]
        seconds.setdefault(causes[-1]["kind"], []).append(took)
    return {
        "lost_attempts": sum(map(len, seconds.values())) + len(unexplained),
        "unexplained": unexplained,
        "seconds": {kind: spread(times) for kind, times in sorted(seconds.items())},
        "slowest": round(max((max(times) for times in seconds.values()), default=0.0), 1),
    }


def durations(phases: dict[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
    """From the start to the end of the runs of `short_work` that were started in each phase."""
    from datetime import UTC, datetime

    from tasks.models import Run

    found = {}
    for name, between in phases.items():
        times = Run.objects.filter(
            task="short_work", created_at__range=[datetime.fromtimestamp(at, UTC) for at in between]
        ).values_list("created_at", "finished_at")
        found[name] = spread([(end - begin).total_seconds() for begin, end in times if end])
    return found


def spread(times: list[float]) -> dict[str, float]:
    """How many, and in seconds the median, the 99th of a hundred, and the longest."""
    ordered = sorted(times)
    if not ordered:
        return {"count": 0}
    return {
        "count": len(ordered),
        "p50": round(ordered[len(ordered) // 2], 4),
        "p99": round(ordered[len(ordered) * 99 // 100], 4),
        "max": round(ordered[-1], 4),
    }


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    acts = json.loads(Path(sys.argv[1]).read_text())
    phases = json.loads(Path(sys.argv[2]).read_text())
    json.dump({"recoveries": recoveries(acts), "runs": durations(phases)}, sys.stdout)


if __name__ == "__main__":
    main()
