"""The oracle: holds what clients were told, what the rows say and what the ledger saw together.

    python -m tests.faults.oracle ACKNOWLEDGED LEDGER

Run in the environment of a service whose runs are all over; prints a Verdict as JSON. ACKNOWLEDGED
is a file of lines `idempotency key,run id`, one for each start that a client was told of.
"""

import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.faults import ledger

BATCH = 500


@dataclass
class Verdict:
    """Each of the four lists holds one sentence for each violation; empty: the promise was kept."""

    runs: int = 0
    attempts: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    by_outcome: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    """Runs that say mayHaveRepeated: their repeats are attributed."""
    lost: list[str] = field(default_factory=list)
    """Starts without their one row, rows without an end, successes without their effect."""
    unattributed_repeats: list[str] = field(default_factory=list)
    stale_writes: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    """What the row, its attempts and its events say differently."""

    @property
    def violations(self) -> list[str]:
        lists = (self.lost, self.unattributed_repeats, self.stale_writes, self.contradictions)
        return list(itertools.chain(*lists))


def judge(acknowledged: Path, ledger_file: Path) -> Verdict:
    """Compare everything; Django is set up for the service's database."""
    from tests.faults import promises

    verdict, keys = Verdict(), Counter[str]()
    lines: dict[UUID, list[ledger.Line]] = {}
    for line in ledger.read(ledger_file):
        lines.setdefault(line.run_id, []).append(line)
    found = set[UUID]()
    for story in _stories(lines):
        found.add(story.run.pk)
        keys[story.run.idempotency_key or ""] += 1
        _count(verdict, story)
        for checks, breaches in (
            (promises.LOST, verdict.lost),
            (promises.REPEATED, verdict.unattributed_repeats),
            (promises.STALE, verdict.stale_writes),
            (promises.CONTRADICTING, verdict.contradictions),
        ):
            breaches += [f"{story.run} {text}" for check in checks for text in check(story)]
    for key, run_id in _acknowledged(acknowledged):
        if run_id not in found:
            verdict.lost.append(f"the start {key} was acknowledged: there is no run {run_id}")
        elif keys[key] != 1:
            verdict.lost.append(f"the start {key} has {keys[key]} runs")
    unknown = lines.keys() - found
    verdict.stale_writes += [f"{run_id} was worked on: there is no such run" for run_id in unknown]
    return verdict


def _acknowledged(path: Path) -> Iterator[tuple[str, UUID]]:
    for text in path.read_text(encoding="utf-8").splitlines():
        key, _, run_id = text.rpartition(",")
        yield key, UUID(run_id)


def _stories(lines: dict[UUID, list[ledger.Line]]) -> Iterator[Any]:
    """Every run with all that belongs to it, a batch of them at a time."""
    from tasks.models import Attempt, Effect, Event, File, Run
    from tests.faults.promises import Story
    from tests.faults.tally.models import Tally

    after = UUID(int=0)
    while batch := list(Run.objects.filter(pk__gt=after).order_by("pk")[:BATCH]):
        stories = {run.pk: Story(run, lines=lines.get(run.pk, [])) for run in batch}
        for attempt in Attempt.objects.filter(run__in=stories).order_by("number"):
            stories[attempt.run_id].attempts.append(attempt)
        for event in Event.objects.filter(run__in=stories).order_by("number"):
            stories[event.run_id].events.append(event)
        for effect in Effect.objects.filter(run__in=stories):
            stories[effect.run_id].effects.append(effect)
        for file in File.objects.filter(run__in=stories):
            assert file.run_id is not None
            stories[file.run_id].files.append(file)
        for run_id in Tally.objects.filter(run_id__in=stories).values_list("run_id", flat=True):
            stories[run_id].tallies += 1
        yield from stories.values()
        after = batch[-1].pk


def _count(verdict: Verdict, story: Any) -> None:
    run = story.run
    verdict.runs += 1
    verdict.attempts += len(story.attempts)
    verdict.repeated += run.may_have_repeated
    verdict.by_status[run.status] = verdict.by_status.get(run.status, 0) + 1
    for attempt in story.attempts:
        outcome = str(attempt.outcome)
        verdict.by_outcome[outcome] = verdict.by_outcome.get(outcome, 0) + 1


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    json.dump(asdict(judge(Path(sys.argv[1]), Path(sys.argv[2]))), sys.stdout)


if __name__ == "__main__":
    main()
