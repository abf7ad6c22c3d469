"""Plays trials of failpoints against a running service, several at a time."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tasks.failpoints import Point
from tests.acceptance.client import Client
from tests.faults.matrix import Matrix
from tests.faults.scene import Scale, Scene, mutation, row_of
from tests.faults.trials import Action, By, Cause, Onward, Repeat, Trial
from tests.stacks.machine import wait_until
from tests.stacks.processes import descendants
from tests.stacks.service import PARTS

READ = """query($id: ID!) { run(id: $id) { status mayHaveRepeated finishedAt
  attempts { number outcome startedAt worker } } }"""
CANCEL = "mutation($id: ID!) { cancelRun(id: $id) { run { id } errors { code message } } }"
ANSWER_SECONDS = 60.0
RESTART_SECONDS = 15.0  # of a killed web process, by its supervisor
SLACK_SECONDS = 5.0  # for machines that are busy with other tests


def insist(client: Client, query: str, **variables: Any) -> Any:
    """Send it until it is answered, as clients do; the one field of the answer."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError, ValueError):
            answer = client.service.graphql(query, variables, client.token)
            codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
            if not codes:
                (field,) = answer["data"].values()
                return field
            assert codes == ["UNAVAILABLE"], answer
        assert time.monotonic() < deadline, f"no answer\n{client.service.log.tail()}"
        time.sleep(0.1)


def kinds() -> dict[int, By]:
    """What each process of ours is, by its id."""
    everything = descendants(os.getpid())
    guards = {process.pid for process in everything if "guard.py" in process.command}
    found = dict[int, By]()
    for process in everything:  # parents come before their children
        if found.get(process.parent) is By.WORKER:
            found[process.pid] = By.CHILD
        for by in (By.WEB, By.CONDUCTOR, By.WORKER):
            if process.parent in guards and re.search(PARTS[by], process.command):
                found[process.pid] = by
    return found


@dataclass
class Play:
    """One trial while it is played."""

    scene: Scene
    scale: Scale
    trial: Trial
    action: Action
    key: str
    run: str = ""
    pid: int = 0
    met_at: float = 0.0

    @property
    def is_held_briefly(self) -> bool:
        """Whether others wait for the process itself, so that nobody can take over."""
        is_sqlite = self.scene.service.env.get("DATABASE_URL") is None
        is_locking = self.trial.locks == "run" or (is_sqlite and self.trial.locks == "database")
        return self.trial.by is By.WEB or is_locking

    @property
    def is_cut_off(self) -> bool:
        """Whether it must cost the run an attempt."""
        if self.trial.cause in (Cause.DEATH, Cause.SILENCE) or self.action is Action.KILL:
            return self.trial.is_cut_off
        if self.action is Action.STOP:
            return self.trial.is_cut_off and not self.is_held_briefly
        return self.action is Action.SLEEP and self.trial.is_silenced

    @property
    def limit(self) -> float:
        """The seconds until the run must have gone on."""
        lease, ring = self.scale.seconds(30), self.scale.seconds(60)
        web = RESTART_SECONDS if self.trial.by in (By.WEB, By.ANY) else 0.0
        held = {Action.NAP: lease / 3, Action.SLEEP: 1.5 * lease}.get(self.action, 0.0)
        by_ring = ring + 2
        if self.action is not Action.KILL:  # what is asleep or stopped may hold knocks, too
            return held + by_ring + self.scale.recovery + lease + SLACK_SECONDS
        if self.trial.onward is Onward.AT_RING:
            return by_ring + web + SLACK_SECONDS
        if self.trial.onward is Onward.AFTER_LEASE:
            # A conductor that was killed just before waits for one lease more when it is back.
            cold = lease if self.trial.by is By.CONDUCTOR else 0.0
            return self.scale.recovery + cold + SLACK_SECONDS
        return 2 + web + SLACK_SECONDS

    @property
    def words(self) -> str:
        """What is armed."""
        lease = self.scale.seconds(30)
        if self.action is Action.SLEEP and not self.is_held_briefly:
            return f"sleep {1.5 * lease:g}"
        if self.action in (Action.NAP, Action.SLEEP):
            return f"sleep {lease / 3:g}"
        return self.action.value

    def begin(self, pool: ThreadPoolExecutor) -> None:
        """Bring a process to the point, and see it there."""
        point, known = self.trial.point, kinds()
        if self.trial.cause is not Cause.START:
            self.start()
            child = self.child()
        if self.trial.cause is Cause.SILENCE:
            self.scene.arm(Point.LOSS_BEFORE, Action.RAISE)
            os.kill(child, signal.SIGKILL)
            self.scene.until_met(Point.LOSS_BEFORE)
        self.scene.arm(point, self.words)
        asked: Future[None] | None = None
        if self.trial.cause is Cause.START:
            asked = pool.submit(self.start)
        elif self.trial.cause is Cause.CANCEL:
            asked = pool.submit(self._cancel)
        elif self.trial.cause is Cause.DEATH:
            os.kill(child, signal.SIGKILL)
        self.scene.until_met(point, self.limit)
        self.pid, self.met_at = self.scene.who_met(point)
        if self.trial.by is not By.ANY:
            assert known.get(self.pid, self.trial.by) is self.trial.by, point
        if self.action is Action.STOP and self.is_held_briefly:
            time.sleep(self.scale.seconds(10))
            self.let_go()
        if asked is not None:
            asked.result()
        assert wait_until(self.scene.service.is_ready, ANSWER_SECONDS)

    def start(self) -> None:
        """Start the run, and again under the same key until it is acknowledged."""
        given = {"short_work": "number", "long_work": "tenths", "retried_work": "times"}
        name = given.get(self.trial.work, "number")
        payload = insist(
            self.scene.client,
            mutation(self.trial.work),
            input={name: self._tenths() if name == "tenths" else 1},
            options={"idempotencyKey": self.key},
        )
        assert payload["errors"] == [], payload
        self.run = str(payload["run"]["id"])
        self.scene.acknowledge(self.key, row_of(self.run))

    def _tenths(self) -> int:
        """So long that it is still at work when the fault is over, where that matters."""
        if self.trial.cause is Cause.CANCEL:
            return 200
        is_asleep = self.action is Action.SLEEP and self.trial.is_silenced
        return 30 + (round(10 * 2 * self.scale.seconds(30)) if is_asleep else 0)

    def _cancel(self) -> None:
        payload = insist(self.scene.client, CANCEL, id=self.run)
        assert {error["code"] for error in payload["errors"]} <= {"RUN_IS_FINAL"}, payload

    def child(self) -> int:
        """The process that has the run, once it is at work."""
        ledger, row = self.scene.folder / "ledger", row_of(self.run).replace("-", "")
        began = f"{row},1,"
        assert wait_until(lambda: ledger.exists() and began in ledger.read_text(), 30), self.run
        worker = str(self.read()["attempts"][0]["worker"])
        return int(worker.rpartition(":")[2].partition("-")[0])

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = insist(self.scene.client, READ, id=self.run)
        return found

    def let_go(self) -> None:
        """Continue what was stopped."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def went_on(self) -> float | None:
        """The seconds from the fault to the next attempt or the end; None: neither came yet."""
        run = self.read()
        times = [attempt["startedAt"] for attempt in run["attempts"]] + [run["finishedAt"]]
        unix = (datetime.fromisoformat(at).timestamp() for at in times if at)
        return min((at - self.met_at for at in unix if at > self.met_at), default=None)

    def is_past_it(self) -> bool:
        return self.went_on() is not None or self.read()["finishedAt"] is not None

    def until_fenced(self) -> None:
        """The attempt that was given up on has said its last words: they came too late."""
        words = f"{row_of(self.run)} attempt 1: fenced in"
        lines = self.scene.service.log.lines
        assert wait_until(lambda: any(words in line for line in lines), 20), words

    def judge(self, matrix: Matrix) -> None:
        """The run is over: it ended as it must, in time, and says what it must."""
        run, seconds = self.read(), self.went_on()
        outcomes = [attempt["outcome"] for attempt in run["attempts"]]
        seen = f"{self.trial.point} {self.action}: {run}\n{self._told()}"
        assert run["status"] == self.trial.ends.get(self.action, "SUCCEEDED"), seen
        assert ("LOST" in outcomes) is self.is_cut_off, seen
        if self.trial.repeat is Repeat.CUT_OFF:
            assert run["mayHaveRepeated"] is self.is_cut_off, seen
        else:
            assert run["mayHaveRepeated"] is (self.trial.repeat is Repeat.AGAIN), seen
        assert seconds is None or seconds < self.limit, f"{seconds:.1f} s, {seen}"
        if self.action is Action.KILL:
            who = {By.CHILD: "a worker's child", By.ANY: "whoever comes"}.get(
                self.trial.by, f"the {self.trial.by}"
            )
            fault = f"kill -9 of {who} at {self.trial.point}"
            matrix.record(fault, self._expected(), seconds)
        else:
            matrix.record(*SUMMARIES[self.action], seconds if self.is_cut_off else None)

    def _told(self) -> str:
        """What the log says of this run, and of the broker."""
        words = (row_of(self.run), "amqp", "broker", "ready, with")
        return "\n".join(
            line for line in self.scene.service.log.lines if any(map(line.__contains__, words))
        )

    def _expected(self) -> str:
        end = self.trial.ends.get(self.action, "SUCCEEDED")
        if end == "LOST":
            return "ends at once as LOST, not done again"
        return f"goes on {self.trial.onward}" + (
            "; says mayHaveRepeated"
            if self.is_cut_off and self.trial.repeat is not Repeat.NEVER
            else ""
        )


SUMMARIES = {
    Action.RAISE: (
        "the database's answer is lost, at any failpoint",
        "nothing is lost, nor done twice in silence",
    ),
    Action.NAP: ("a process halts for a third of its lease, at any failpoint", "nothing is lost"),
    Action.SLEEP: (
        "a thread halts for one and a half leases, at any failpoint",
        "taken over if it is the one that prolongs the lease; what it writes then changes nothing",
    ),
    Action.STOP: (
        "SIGSTOP of a process at any failpoint, and SIGCONT when its run was taken over",
        "goes on elsewhere; what the woken one writes changes nothing",
    ),
}


@contextlib.contextmanager
def _none_left_stopped(plays: Sequence[Play]) -> Iterator[None]:
    try:
        yield
    finally:
        for play in plays:
            if play.pid and play.action is Action.STOP:
                play.let_go()


def play(
    scene: Scene, scale: Scale, trials: Sequence[Trial], action: Action, matrix: Matrix
) -> None:
    """Play a wave: all are begun, then all come to their end, then each is judged."""
    plays = [
        Play(scene, scale, trial, action, f"{action} {trial.point} {trial.work}")
        for trial in trials
    ]
    with ThreadPoolExecutor(1) as pool, _none_left_stopped(plays):
        for each in plays:
            each.begin(pool)
        if action is Action.STOP:
            for each in plays:
                assert wait_until(each.is_past_it, each.limit, every=0.2), each.read()
    scene.settle(max(each.limit for each in plays) + 30)
    for each in plays:
        if each.is_cut_off and action in (Action.STOP, Action.SLEEP) and each.trial.by is By.CHILD:
            each.until_fenced()
        each.judge(matrix)
