"""A small world of owners, workers and conductors that works on the real SQL.

Each step is one verb, performed on the database and on what is expected; after each the two must
agree on every run. Who crashes simply takes no further step, and who has lost a run may come back:
holds are kept for ever, and forged ones are tried too.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.viewer import SCOPES, Viewer
from tasks import effects, runs, sql, statements, submission
from tasks.context import LogLine, Progress
from tasks.exceptions import Failure, Fenced, RefusalCode, Refused
from tasks.models import Attempt, Event, File, Run, Worker
from tasks.models import Effect as EffectRow
from tasks.registry import REGISTRY, Task
from tasks.rows import fetch
from tasks.runs import Claimant, Ending
from tasks.status import OPEN, OnLost, Outcome, Priority, Status
from tasks.submission import RunOptions
from tests.model.expected import LEASE, WAITING, Effect, Expected, Hold

QUOTA = 5
TOLERANCE = 2.5  # seconds that one example may take; the times of the model are further apart
ERROR = {"code": "BROKEN", "message": "It broke.", "retryable": True}
DELAY = 7.0
ENDINGS = {
    "success": Ending(Status.SUCCEEDED, Outcome.SUCCEEDED, result={}),
    "failure": Ending(Status.FAILED, Outcome.FAILED, error=ERROR),
    "retry": Ending(Status.SCHEDULED, Outcome.FAILED, error=ERROR, delay=DELAY),
    "time limit": Ending(Status.SCHEDULED, Outcome.FAILED, error=ERROR, cut_off=True),
    "release": Ending(Status.QUEUED, Outcome.RELEASED, error=ERROR, cut_off=True),
    "canceled": Ending(Status.CANCELED, Outcome.CANCELED),
}


class World:
    """All that exists; `runs` in the order of their starts."""

    def __init__(self, *, is_thorough: bool = True) -> None:
        """Whether each step looks at what is kept beside the runs, too, or only `agree_on_all`."""
        self._is_thorough = is_thorough
        self.now = 0.0
        self.runs: dict[UUID, Expected] = {}
        self.holds: list[Hold] = []
        self.owners = [Viewer(User.objects.create_user(n).pk, frozenset(SCOPES)) for n in "ab"]
        self.admin = Viewer(self.owners[0].user_id, frozenset((*SCOPES, "admin")))
        self._rung: list[UUID] = []
        self._revisions: dict[UUID, int] = {}
        self._ends: dict[UUID, dict[str, Any]] = {}

    # What clients do.

    def submit(
        self,
        task: str,
        *,
        owner: int = 0,
        number: int = 0,
        key: str | None = None,
        run_in: float | None = None,
        expires_in: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> UUID:
        """Start a run, or be refused; the run that the answer names."""
        viewer, declared = self.owners[owner], REGISTRY[task]
        options = RunOptions(
            idempotency_key=key,
            run_at=_later(run_in),
            expires_at=_later(expires_in),
            priority=priority,
        )
        earlier, code = self._standing_in_the_way(viewer, declared, number, key)
        if earlier is None and code is None and self._waiting(viewer) >= QUOTA:
            code = RefusalCode.QUOTA_EXCEEDED
        try:
            made = submission.submit(viewer, declared, {"number": number}, options)
        except Refused as refused:
            found = [problem.code for problem in refused.problems]
        else:
            found = []
        assert found == ([] if code is None else [code])
        if code is not None:
            self.agree()
            return earlier or UUID(int=0)
        assert made.replayed is (earlier is not None)
        assert earlier in (None, made.run.pk)
        if earlier is None:
            self._expect(made.run, declared, number, options, run_in, expires_in)
        self.agree()
        return made.run.pk

    def _standing_in_the_way(
        self, viewer: Viewer, task: Task, number: int, key: str | None
    ) -> tuple[UUID | None, RefusalCode | None]:
        mine = [r for r in self.runs.values() if (r.owner, r.task) == (viewer.user_id, task.name)]
        for run in mine:
            if key is not None and run.key == key:
                is_same = run.number == number
                return run.id, None if is_same else RefusalCode.IDEMPOTENCY_KEY_REUSED
        for run in mine:
            if task.options.unique and run.is_unique and run.is_open and run.number == number:
                return run.id, None
        return None, None

    def _waiting(self, viewer: Viewer) -> int:
        mine = [run for run in self.runs.values() if run.owner == viewer.user_id]
        return sum(run.status in WAITING for run in mine)

    def _expect(
        self,
        run: Run,
        task: Task,
        number: int,
        options: RunOptions,
        run_in: float | None,
        expires_in: float | None,
    ) -> None:
        expires = None if expires_in is None else self.now + expires_in
        is_ahead = run_in is not None and run_in > 0
        ring = self.now + (run_in if is_ahead and run_in else 60.0)
        self.runs[run.pk] = Expected(
            id=run.pk,
            owner=run.owner_id,
            task=task.name,
            number=number,
            key=options.idempotency_key,
            on_lost=task.options.on_lost,
            is_gated=task.options.is_gated,
            is_unique=task.options.unique,
            max_failures=task.options.max_failures,
            priority=Priority.NORMAL if options.priority is None else options.priority,
            expires=expires,
            status=Status.SCHEDULED if is_ahead else Status.QUEUED,
            ring=ring if expires is None else min(ring, expires),
        )

    def cancel(self, run: UUID, owner: int = 0, *, as_admin: bool = False) -> None:
        viewer = self.admin if as_admin else self.owners[owner]
        it = self.runs[run]
        may = it.is_open and not it.is_asked and (as_admin or it.owner == viewer.user_id)
        asked = runs.cancel(viewer, [run])
        assert [each.pk for each in asked] == [run] * may
        if may:
            it.cancel()
        self.agree()

    # What workers do.

    def claim(self, run: UUID, limit: int | None = None) -> Hold | None:
        it, claimant = self.runs[run], Claimant(self.runs[run].task, "w:1", limit)
        may = self._may_start(it) and (limit is None or self._running(it.task) < limit)
        return self._claimed(runs.claim(run, claimant), run if may else None, claimant)

    def claim_next(self, task: str, limit: int | None = None) -> Hold | None:
        has_room = limit is None or self._running(task) < limit
        waiting = [r for r in self.runs.values() if r.task == task and self._may_start(r)]
        waiting.sort(key=lambda run: (-run.priority, run.id))
        wanted = waiting[0].id if waiting and has_room else None
        claimant = Claimant(task, "w:1", limit)
        return self._claimed(runs.claim_next(claimant), wanted, claimant)

    def _may_start(self, run: Expected) -> bool:
        return run.status is Status.QUEUED and not run.has_expired(self.now)

    def _running(self, task: str) -> int:
        return sum(r.task == task and r.status is Status.RUNNING for r in self.runs.values())

    def _claimed(self, claimed: Run | None, wanted: UUID | None, by: Claimant) -> Hold | None:
        assert (claimed and claimed.pk) == wanted
        hold = None
        if wanted is not None:
            self.runs[wanted].claim(by.token, self.now)
            hold = (wanted, self.runs[wanted].attempt, by.token)
            self.holds.append(hold)
            again = runs.claimed_earlier(wanted, by.token)  # as if the answer had been lost
            assert again is not None
            assert again.pk == wanted
        self.agree()
        return hold

    def heartbeat(self, hold: Hold) -> None:
        it = self._of(hold)
        told = runs.heartbeat(runs.Hold(*hold), Progress(1, 2))
        assert (told is not None) is (it is not None)
        if it is not None and told is not None:
            assert (told.cancel_requested_at is not None) is it.is_asked
            it.lease = self.now + LEASE
        self.agree()

    def log(self, hold: Hold) -> None:
        it = self._of(hold)
        written = runs.log(runs.Hold(*hold), [LogLine("a"), LogLine("b")])
        assert written is (it is not None)
        if it is not None:
            it.logged += 2
        self.agree()

    def save(self, hold: Hold) -> None:
        it, file = self._of(hold), uuid4()
        kept = sql.perform(
            statements.SAVE_FILE, lease=LEASE, file_id=File._meta.pk.to_python(file).hex,
            name="a", content_type="text/plain", size=1, sha256="0" * 64, storage_name=file.hex,
            **runs.Hold(*hold).as_params(),
        )  # fmt: skip
        assert bool(kept) is (it is not None)
        if it is not None:
            it.files += 1
            it.lease = self.now + LEASE
        self.agree()

    def begin(self, hold: Hold, key: str = "charge") -> bool:
        """Begin an effect; whether it may now be done."""
        run = self.runs.get(hold[0])
        may = run is not None and run.begin(key, hold, self.now)
        known = run.effects.get(key) if run else None
        try:
            done = effects.begin(runs.Hold(*hold), key)
        except (Fenced, Failure):
            assert not may
            assert known is None or not known.is_done
        else:
            assert (done is None) is may
            assert may or (known is not None and known.is_done)
        self.agree()
        return may

    def act(self, hold: Hold, key: str = "charge") -> None:
        """The effect happens, outside."""
        self.runs[hold[0]].acts[key] += 1

    def complete(self, hold: Hold, key: str = "charge") -> None:
        effects.complete(runs.Hold(*hold), key, None)
        if (effect := self.runs[hold[0]].effects.get(key)) is not None:
            effect.is_done = True
        self.agree()

    def withdraw(self, hold: Hold, key: str = "charge") -> None:
        effects.withdraw(runs.Hold(*hold), key)
        known = self.runs[hold[0]].effects
        if key in known and known[key].attempt == hold[1] and not known[key].is_done:
            del known[key]
        self.agree()

    def once(self, hold: Hold) -> None:
        """Change the database exactly once in the life of the run."""
        it, run = self._of(hold), self.runs.get(hold[0])
        is_done = run is not None and "once" in run.effects
        try:
            with transaction.atomic():
                effects.once(runs.Hold(*hold), "once", lambda: _count(hold))
        except (Fenced, IntegrityError):  # the latter of a run that does not exist
            assert not is_done
            assert it is None
        else:
            assert is_done or it is not None
            if run is not None and not is_done:
                run.effects["once"] = Effect(run.attempt, is_done=True)
                run.lease = self.now + LEASE
        self.agree()

    def finish(self, hold: Hold, how: str) -> None:
        it, ending = self._of(hold), ENDINGS[how]
        run = self.runs.get(hold[0])
        became = runs.finish(runs.Hold(*hold), ending)
        if it is not None:
            outcome = ending.outcome.value
            expected = it.finish(ending.status, outcome, hold, self.now, ending.cut_off)
            assert became == expected
            if expected is Status.SCHEDULED:
                it.ring = self.now + ending.delay
        elif run is not None and run.ended_by.get(hold) == ending.outcome.value:
            assert became == ending.status  # it was our own
        else:
            assert became is None
        self.agree()

    def lose(self, hold: Hold) -> None:
        """Its process is known to be dead."""
        it = self._of(hold)
        lost = runs.lose(runs.Hold(*hold), "It died.")
        assert (lost is not None) is (it is not None)
        if it is not None:
            it.lose(self.now)
        self.agree()

    def _of(self, hold: Hold) -> Expected | None:
        """The run, if this attempt holds it."""
        run = self.runs.get(hold[0])
        return run if run is not None and run.is_held_by(hold) else None

    # What conductors do.

    def recover(self) -> None:
        gone = [run for run in self.runs.values() if run.has_no_sign(self.now)]
        assert {run.pk for run in runs.recover()} == {run.id for run in gone}
        for run in gone:
            run.lose(self.now)
        self.agree()

    def expire(self) -> None:
        late = [
            run
            for run in self.runs.values()
            if run.status in WAITING and run.is_due(self.now) and run.has_expired(self.now)
        ]
        assert runs.expire() == len(late)
        for run in late:
            run.expire()
        self.agree()

    def start_due(self) -> None:
        due = [r for r in self.runs.values() if r.status is Status.SCHEDULED and r.is_due(self.now)]
        assert runs.start_due() == len(due)
        for run in due:
            run.start_due(self.now)
        self.agree()

    def ring(self, priority: Priority = Priority.NORMAL) -> None:
        due = [run for run in self._queued() if run.priority is priority and run.is_due(self.now)]
        assert runs.ring(priority) == len(due)
        for run in due:
            run.rung(self.now)
        self.agree()

    def make_due(self, tasks: Iterable[str] | None = None) -> None:
        names = None if tasks is None else list(tasks)
        late = [
            run
            for run in self._queued()
            if not run.is_due(self.now) and (names is None or run.task in names)
        ]
        assert runs.make_due(names) == len(late)
        for run in late:
            run.ring = self.now
        self.agree()

    def make_next_due(self, task: str, limit: int) -> None:
        runs.make_next_due(task, limit)
        waiting = [r for r in self._queued() if r.task == task and not r.has_expired(self.now)]
        waiting.sort(key=lambda run: (-run.priority, run.id))
        for run in waiting[: max(0, limit - self._running(task))]:
            run.ring = self.now
        self.agree()

    def _queued(self) -> list[Expected]:
        return [run for run in self.runs.values() if run.status is Status.QUEUED]

    # What befalls all.

    def pass_time(self, seconds: float) -> None:
        """Everything open is so much older."""
        ago = timedelta(seconds=seconds)
        columns = ("lease_until", "ring_at", "run_at", "expires_at")
        rows = Run.objects.filter(status__in=[status.value for status in OPEN])
        rows.update(**{column: F(column) - ago for column in columns})
        self.now += seconds
        self.agree()

    def set_clock_back(self, run: UUID) -> None:
        """A lease ends later than any can: whoever wrote it had another clock."""
        if self.runs[run].status is Status.RUNNING:
            rows = Run.objects.filter(pk=run)
            rows.update(lease_until=F("lease_until") + timedelta(seconds=100))
            self.runs[run].lease = (self.runs[run].lease or 0.0) + 100
        self.agree()

    # What must hold after each step.

    def agree(self) -> None:
        """Every row is what is expected."""
        if self._is_thorough:
            self.agree_on_all()
            return
        rows = self._rows()
        for run in self.runs.values():
            self._agree_on(run, rows[run.id])

    def agree_on_all(self) -> None:
        """So is what is kept beside them, and no promise is broken."""
        rows, beside = self._rows(), Beside()
        for run in self.runs.values():
            self._agree_on(run, rows[run.id])
            beside.agree(run, rows[run.id])

    def _rows(self) -> dict[UUID, Run]:
        rows = {row.pk: row for row in fetch("SELECT * FROM tasks_run", ())}
        assert rows.keys() == self.runs.keys()
        return rows

    def _agree_on(self, run: Expected, row: Run) -> None:
        found = (row.status, row.attempt, row.failures, row.may_have_repeated)
        assert found == (run.status.value, run.attempt, run.failures, run.has_repeated), run
        assert (row.cancel_requested_at is not None) is run.is_asked, run
        assert row.token == run.token, run
        assert row.rings == run.rings, run
        self._agree_on_time("ring", row.ring_at, run.ring)
        self._agree_on_time("lease", row.lease_until, run.lease)
        assert row.revision >= self._revisions.get(run.id, 0), f"the revision fell: {run}"
        self._revisions[run.id] = row.revision
        self._agree_on_the_end(run, row)

    def _agree_on_time(self, name: str, at: datetime | None, expected: float | None) -> None:
        assert (at is None) is (expected is None), f"{name}: {at}, expected {expected}"
        if at is not None and expected is not None:
            ahead = (at - timezone.now()).total_seconds()
            assert abs(ahead - (expected - self.now)) < TOLERANCE, f"{name}: {ahead} s ahead"

    def _agree_on_the_end(self, run: Expected, row: Run) -> None:
        if not run.is_final:
            assert row.finished_at is None
            return
        assert row.finished_at is not None
        columns = {name: value for name, value in vars(row).items() if name != "_state"}
        assert self._ends.setdefault(run.id, columns) == columns, f"a final row changed: {run}"


class Beside:
    """What is kept with the runs, as it is now."""

    def __init__(self) -> None:
        self._attempts = _grouped(Attempt.objects.order_by("number"), "number", "outcome")
        self._events = _grouped(Event.objects.order_by("number"), "number", "kind")
        self._effects = _grouped(EffectRow.objects.all(), "key", "attempt", "done_at")
        self._files = _grouped(File.objects.all(), "name")
        self._counted = Counter(Worker.objects.values_list("name", flat=True))

    def agree(self, run: Expected, row: Run) -> None:
        assert self._attempts[run.id] == list(enumerate(run.outcomes, 1)), run
        numbers, kinds = zip(*self._events[run.id], strict=True)
        assert len(set(numbers)) == len(numbers)
        assert numbers[-1] <= row.revision
        assert kinds.count("LOGGED") == run.logged
        assert kinds.count("STARTED") == run.attempt
        assert len(self._files[run.id]) == run.files
        self._agree_on_effects(run)

    def _agree_on_effects(self, run: Expected) -> None:
        found = {key: (attempt, at is not None) for key, attempt, at in self._effects[run.id]}
        assert found == {k: (e.attempt, e.is_done) for k, e in run.effects.items()}, run
        counted = self._counted[str(run.id)]
        assert counted == ("once" in run.effects), f"changed {counted} times: {run}"
        if run.on_lost is OnLost.PARK and run.is_gated:
            assert all(times <= 1 for times in run.acts.values()), f"parked, done twice: {run}"
        if any(times > 1 for times in run.acts.values()):
            assert run.has_repeated, f"done twice in silence: {run}"


def _grouped(rows: QuerySet[Any], *columns: str) -> defaultdict[UUID, list[tuple[Any, ...]]]:
    """The values of the columns by run."""
    found: defaultdict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    for run_id, *values in rows.values_list("run_id", *columns):
        found[run_id].append(tuple(values))
    return found


def _count(hold: Hold) -> None:
    """A change to the database: any row will do."""
    Worker.objects.create(name=str(hold[0]))


def _later(seconds: float | None) -> datetime | None:
    return None if seconds is None else timezone.now() + timedelta(seconds=seconds)


def forged(hold: Hold, other: UUID) -> list[Hold]:
    """What somebody might believe to hold who does not."""
    run, attempt, token = hold
    return [(other, attempt, token), (run, attempt + 1, token), (run, attempt, uuid4())]
