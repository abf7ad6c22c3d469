"""A service whose work leaves its mark, and what is done to it and asked of it."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schema.limits import BULK
from tasks.failpoints import Point
from tests.acceptance.client import Client
from tests.stacks.machine import wait_until
from tests.stacks.service import Service, Stack, running

ROOT = Path(__file__).parents[2]
START_RUNS = """mutation($runs: [StartRunInput!]!) { startRuns(runs: $runs) {
  items { run { id } errors { code message } } errors { code message } } }"""
OPEN = """{ runs(first: 1, filter: {statuses: [SCHEDULED, QUEUED, RUNNING, CANCELING]}) {
  nodes { id status } } }"""


@dataclass(frozen=True)
class Scale:
    """A part of the published times and counts: 1 is all of them, 0.1 what CI has time for."""

    part: float

    def times(self) -> dict[str, str]:
        """Downbeat's own times, as settings."""
        published = {
            "LEASE_SECONDS": 30,
            "HEARTBEAT_SECONDS": 10,
            "RECOVER_SECONDS": 5,
            "RING_SECONDS": 60,
            "CANCEL_GRACE_SECONDS": 10,
        }
        return {name: f"{seconds * self.part:g}" for name, seconds in published.items()}

    def seconds(self, published: float, least: float = 0.0) -> float:
        return max(published * self.part, least)

    def count(self, published: int, least: int = 1) -> int:
        return max(round(published * self.part), least)

    def outage(self, published: float) -> float:
        """How long something stays away: scaled, three leases are enough to show what follows."""
        return published if self.part >= 1 else min(published, 3 * 30) * self.part

    @property
    def recovery(self) -> float:
        """Until a run of a killed worker is claimed again: lease, search, tick and ring, claim."""
        return (30 + 5) * self.part + 1 + 1


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The settings of a service that knows the marked tasks; its traces go into the folder."""
    (folder / "failpoints").mkdir()
    (folder / "acknowledged").touch()
    return {
        "TASK_PACKAGES": "tasks.definitions,tests.faults.work",
        "EXTRA_APPS": "tests.faults.tally",
        "PYTHONPATH": str(ROOT),
        "LEDGER": str(folder / "ledger"),
        "FAILPOINTS": str(folder / "failpoints"),
        **more,
    }


class Scene:
    """One service under trial; `folder` holds its ledger, acknowledgements and failpoints."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.client = Client(service)
        self._number = 0

    def start(self, task: str, key: str | None = None, **given: Any) -> str:
        """Start a marked task by its name in Python; its run's id, once that is acknowledged."""
        self._number += 1
        key = key or f"start {self._number}"
        payload = self.client.start(mutation(task), key, **given)
        assert payload["errors"] == [], payload
        run = str(payload["run"]["id"])
        self.acknowledge(key, row_of(run))
        return run

    def start_many(self, task: str, count: int, **given: Any) -> list[str]:
        """Start so many runs, as many as may be with each request; their ids, all acknowledged."""
        runs = list[str]()
        while len(runs) < count:
            keys = [f"many {self._number + n}" for n in range(min(BULK, count - len(runs)))]
            self._number += len(keys)
            asked = [
                {"task": {_field(task): given}, "options": {"idempotencyKey": key}} for key in keys
            ]
            payload = self.client.ask(START_RUNS, runs=asked)["startRuns"]
            assert payload["errors"] == [], payload
            for key, item in zip(keys, payload["items"], strict=True):
                assert item["errors"] == [], item
                runs.append(item["run"]["id"])
                self.acknowledge(key, row_of(runs[-1]))
        return runs

    def acknowledge(self, key: str, run_id: str) -> None:
        with (self.folder / "acknowledged").open("a") as file:
            file.write(f"{key},{run_id}\n")

    def arm(self, point: Point, action: str) -> None:
        """Let the next process that comes to this point be met with `kill`, `raise`, ..."""
        self._met(point).unlink(missing_ok=True)
        draft = self.folder / "failpoints" / f"{point}.draft"
        draft.write_text(action, encoding="ascii")
        draft.rename(self.folder / "failpoints" / point)

    def is_met(self, point: Point) -> bool:
        return self._met(point).exists()

    def _met(self, point: Point) -> Path:
        return self.folder / "failpoints" / f"{point}.met"

    def who_met(self, point: Point) -> tuple[int, float]:
        """The process that came by, and when (Unix time); it writes that down before all else."""
        met = self._met(point)
        assert wait_until(lambda: met.read_text(encoding="ascii").isdigit(), 5), point
        return int(met.read_text(encoding="ascii")), met.stat().st_mtime

    def until_met(self, point: Point, seconds: float = 30) -> float:
        """Wait until some process came by; how long it took."""
        began = time.monotonic()
        is_met = wait_until(lambda: self.is_met(point), seconds)
        assert is_met, f"nobody came to {point}\n{self.service.log.tail()}"
        return time.monotonic() - began

    def outcomes(self, run: str) -> list[str | None]:
        """How each of the run's attempts ended."""
        return [attempt["outcome"] for attempt in self.client.read(run)["attempts"]]

    def settle(self, seconds: float) -> float:
        """Wait until no run is open; how long it took."""
        began = time.monotonic()
        assert wait_until(self._is_settled, seconds, every=0.1), self._unsettled()
        return time.monotonic() - began

    def _is_settled(self) -> bool:
        return not self.client.ask(OPEN)["runs"]["nodes"]

    def _unsettled(self) -> str:
        return f"still open: {self.client.ask(OPEN)['runs']['nodes']}\n{self.service.log.tail()}"

    def verdict(self) -> dict[str, Any]:
        """The oracle's word on all that happened here so far; no run may be open."""
        return verdict(self.service.env, self.folder)

    def check(self) -> None:
        """Every promise was kept."""
        found = self.verdict()
        for name in ("lost", "unattributed_repeats", "stale_writes", "contradictions"):
            assert found[name] == [], f"{name}: {found[name][:10]}\n{self.service.log.tail()}"


def verdict(env: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """What tests.faults.oracle finds in this environment."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.oracle", folder / "acknowledged", folder / "ledger"],
        env={**env, "FAILPOINTS": ""}, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row_of(global_id: str) -> str:
    """The UUID within the id of a run, `Run:<uuid>` in base64."""
    return base64.b64decode(global_id).decode().removeprefix("Run:")


def _given(task: str) -> str:
    return task.replace("_", " ").title().replace(" ", "")


def _field(task: str) -> str:
    given = _given(task)
    return given[0].lower() + given[1:]


def mutation(task: str) -> str:
    """The text that starts a task by its name in Python."""
    return (
        f"mutation($input: {_given(task)}Input!, $options: RunOptions) {{ {_field(task)}("
        "input: $input, options: $options) { run { id status } replayed errors { code message } } }"
    )


def start_text(task: str, count: int) -> str:
    """A mutation that starts a task so many times."""
    name = _field(task)
    fields = "run { id status } errors { code message }"
    options = "".join(f", $o{n}: RunOptions!" for n in range(count))
    starts = " ".join(
        f"r{n}: {name}(input: $input, options: $o{n}) {{ {fields} }}" for n in range(count)
    )
    return f"mutation($input: {_given(task)}Input!{options}) {{ {starts} }}"


def start_variables(given: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """What that mutation is given: the input of all, and an idempotency key for each."""
    options = {f"o{number}": {"idempotencyKey": key} for number, key in enumerate(keys)}
    return {"input": given, **options}


@contextmanager
def played(stack: Stack, folder: Path, **env: str) -> Iterator[Scene]:
    """A service of its own on this stack, to be hurt by one test."""
    with running(stack, **environment(folder, **env)) as service:
        yield Scene(service, folder)
