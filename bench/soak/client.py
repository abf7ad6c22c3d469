"""The clients of a soak: each starts runs at its pace, and insists until it has its answer."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.scene import row_of, start_text, start_variables

FIELDS = "run { id status } errors { code message }"
CANCEL = f"mutation($id: ID!) {{ cancelRun(id: $id) {{ {FIELDS} }} }}"
PAUSE_SECONDS = 0.25  # before a start is sent again
BATCH = 4

# Of a hundred requests, how many start what, and with which input.
MIX: tuple[tuple[int, str, Callable[[random.Random], dict[str, int]]], ...] = (
    (42, "short_work", lambda dice: {"number": dice.randrange(1_000)}),
    (6, "long_work", lambda dice: {"tenths": dice.randrange(3, 13)}),
    (9, "retried_work", lambda dice: {"times": dice.randrange(1, 3)}),
    (9, "parked_work", lambda dice: {"number": dice.randrange(1_000)}),
    (9, "charged_work", lambda dice: {"number": dice.randrange(1_000)}),
    (8, "mailed_work", lambda dice: {"number": dice.randrange(1_000)}),
    (8, "counted_work", lambda dice: {"number": dice.randrange(1_000)}),
    (8, "saved_work", lambda dice: {"number": dice.randrange(1_000)}),
    (1, "canceled", lambda dice: {"tenths": 300}),
)


class Away(Exception):
    """The service gave no answer, or said that it cannot serve now: the same request again."""


@dataclass
class Tally:
    """What the clients saw; times in seconds."""

    answers: list[tuple[float, float]] = field(default_factory=list)
    """When each request was first sent (Unix time), and how long until its answer."""
    starts: int = 0
    canceled: int = 0
    again: int = 0
    """Requests that were sent again."""


class Client(threading.Thread):
    """Starts so many runs a second until `over` is set; acknowledged starts go into a file."""

    def __init__(
        self, name: str, port: int, token: str, rate: float, seed: str, acknowledged: Path
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.over = threading.Event()
        self.tally = Tally()
        self.broken: BaseException | None = None
        self._token = token
        self._pause = 1 / rate
        self._dice = random.Random(seed)
        self._acknowledged = acknowledged
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._numbers = iter(range(10**9))

    def run(self) -> None:
        try:
            with self._acknowledged.open("a") as file:
                due = time.monotonic()
                while not self.over.is_set():
                    due = max(due, time.monotonic() - 5)  # after an outage no flood of old starts
                    due += self._pause * self._one(file)
                    self.over.wait(max(0.0, due - time.monotonic()))
        except BaseException as error:
            self.broken = error
            raise
        finally:
            self._connection.close()

    def _one(self, file: Any) -> int:
        """One request; how many runs it started."""
        (task, given), count = self._chosen(), 1
        if task == "short_work" and self._dice.random() < 0.5:
            count = BATCH
        is_to_cancel = task == "canceled"
        task = "long_work" if is_to_cancel else task
        keys = [f"{self.name}-{next(self._numbers)}" for _ in range(count)]
        runs = self._insist(start_text(task, count), start_variables(given, keys))
        for key, run in zip(keys, runs, strict=True):
            file.write(f"{key},{row_of(run)}\n")
        file.flush()
        self.tally.starts += count
        if is_to_cancel:
            self.over.wait(self._dice.random())
            self._insist(CANCEL, {"id": runs[0]})
            self.tally.canceled += 1
        return count

    def _chosen(self) -> tuple[str, dict[str, int]]:
        weights = [weight for weight, _, _ in MIX]
        ((_, task, given),) = self._dice.choices(MIX, weights)
        return task, given(self._dice)

    def _insist(self, query: str, variables: dict[str, Any]) -> list[str]:
        """Send it until it is answered; the ids of the runs that it names."""
        began, at = time.monotonic(), time.time()
        while True:
            try:
                runs = self._ask(query, variables)
            except (OSError, http.client.HTTPException, Away):
                self._connection.close()
                self.tally.again += 1
                time.sleep(PAUSE_SECONDS)
                continue
            self.tally.answers.append((at, time.monotonic() - began))
            return runs

    def _ask(self, query: str, variables: dict[str, Any]) -> list[str]:
        body = json.dumps({"query": query, "variables": variables})
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request("POST", "/graphql", body, headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= 500:
            raise Away
        answer = json.loads(text)
        codes = {error.get("extensions", {}).get("code") for error in answer.get("errors", ())}
        if "UNAVAILABLE" in codes:
            raise Away
        assert not codes, answer
        payloads = list(answer["data"].values())
        refused = [e["code"] for payload in payloads for e in payload["errors"]]
        if set(refused) == {"QUOTA_EXCEEDED"}:  # a backlog after an outage: as many as may wait
            raise Away
        assert set(refused) <= {"RUN_IS_FINAL"}, answer
        return [payload["run"]["id"] for payload in payloads]
