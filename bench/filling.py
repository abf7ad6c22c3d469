"""Fills a database as a busy service would, past the verbs: for benches that need many rows."""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import connection, transaction

from accounts.keys import first_key
from accounts.models import ApiToken, User
from tasks.models import Attempt, Event, File, Run, Worker
from tasks.status import Kind, Level, Outcome

DAYS = 90  # over which the rows are spread
LARGE = "x" * 60_000  # a text in one input of a thousand
DORMANT = "dormant"  # a user with many runs, none of them among the newer nine tenths
LINES = 50_000  # log lines of the newest run that succeeded

TASKS = {"count_words": 700, "profile_dataset": 250, "retired": 49, "seldom": 1}
ENDED = {"SUCCEEDED": 9_000, "FAILED": 600, "CANCELED": 300, "EXPIRED": 95, "LOST": 5}
# The newest ones, a part of all; no final run is among them.
OPEN = {"RUNNING": 0.000_2, "CANCELING": 0.000_02, "QUEUED": 0.02, "SCHEDULED": 0.000_5}

Row = Sequence[Any]


def pick(chances: dict[str, int]) -> Callable[[random.Random], str]:
    words, weights = list(chances), list(chances.values())
    return lambda chance: chance.choices(words, weights)[0]


class Keys:
    """UUIDv7 keys at given times, alike in each run of the bench."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def at(self, when: datetime) -> UUID:
        tail = self._chance.getrandbits(74)
        return UUID(int=first_key(when).int | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail >> 12)


class Filler:
    """Makes so many runs, so many files, and what goes with them."""

    def __init__(self, rows: int) -> None:
        self._chance = random.Random(1)
        self._keys = Keys(self._chance)
        self._rows = rows
        self._start = datetime.now(UTC) - timedelta(days=DAYS)
        self._step = timedelta(days=DAYS) / (rows + 1)
        self._users: list[UUID] = []
        self._dormant = self._keys.at(self._start)
        self._runs: list[tuple[UUID, UUID, str, datetime]] = []

    def fill(self) -> None:
        """Write it all, the parents first, however long it takes."""
        if connection.vendor == "postgresql":
            _execute("SET statement_timeout = 0")
        write(User, self._user_rows())
        write(ApiToken, self._token_rows())
        write(Run, self._run_rows())
        write(Attempt, self._attempt_rows())
        write(Event, self._event_rows())
        write(File, self._file_rows())
        write(Worker, self._worker_rows())
        # What autovacuum does in time; SQLite keeps no statistics, as in service.
        if connection.vendor == "postgresql":
            _execute("VACUUM ANALYZE")
            _execute("RESET statement_timeout")

    def _owner_of_run(self, number: int) -> UUID:
        is_dormants = number < self._rows / 10 and number % 3 == 0
        return self._dormant if is_dormants else self._owner()

    def _owner(self) -> UUID:
        """One user has three rows of ten, the first few have many, the most have few."""
        if self._chance.random() < 0.3:
            return self._users[0]
        return self._users[int(len(self._users) * self._chance.random() ** 3)]

    def _user_rows(self) -> Iterator[Row]:
        yield (
            *("id", "username", "password", "first_name", "last_name", "email"),
            *("is_staff", "is_active", "is_superuser", "date_joined"),
        )
        for number in range(max(10, self._rows // 100)):
            key = self._keys.at(self._start)
            self._users.append(key)
            yield key, f"user{number}", "!", "", "", "", False, True, False, self._start
        yield self._dormant, DORMANT, "!", "", "", "", False, True, False, self._start

    def _token_rows(self) -> Iterator[Row]:
        yield (
            *("id", "user_id", "prefix", "digest", "scopes", "created_at", "revoked_at"),
            *("name", "expires_at"),
        )
        for number in range(self._rows // 10):
            at = self._start + 10 * number * self._step
            revoked = at if self._chance.random() < 0.2 else None
            expires = at + timedelta(days=self._chance.choice((30, 365)))
            key, owner = self._keys.at(at), self._owner()
            scopes = '["runs:read"]'
            yield key, owner, "dbt_abcdef", f"{number:064x}", scopes, at, revoked, "ci", expires

    def _run_rows(self) -> Iterator[Row]:
        yield (
            *("id", "owner_id", "task", "input", "input_hash", "idempotency_key", "on_lost"),
            *("max_failures", "is_gated", "is_unique", "priority", "tags", "status", "revision"),
            *("attempt", "failures", "rings", "may_have_repeated", "ring_at", "token"),
            *("lease_until", "cancel_requested_at", "result", "error"),
            *("created_at", "started_at", "finished_at"),
        )
        task_of, end_of = pick(TASKS), pick(ENDED)
        open_ones = [word for word, part in OPEN.items() for _ in range(int(self._rows * part))]
        for number in range(self._rows):
            at = self._start + number * self._step
            key, owner = self._keys.at(at), self._owner_of_run(number)
            task = task_of(self._chance)
            left = self._rows - number
            status = open_ones[left - 1] if left <= len(open_ones) else end_of(self._chance)
            self._runs.append((key, owner, status, at))
            yield self._run(key, owner, task, status, at)

    def _run(self, key: UUID, owner: UUID, task: str, status: str, at: datetime) -> Row:
        chance = self._chance.random()
        text = LARGE if chance < 0.001 else "to be or not to be " * int(1 + 10 * chance)
        is_running = status in ("RUNNING", "CANCELING")
        is_waiting = status in ("QUEUED", "SCHEDULED")
        has_begun = not is_waiting and status != "EXPIRED"
        tags = ["night", f"batch-{int(1_000 * chance)}"] if chance < 0.3 else []
        error = '{"code": "BROKEN", "message": "It broke.", "retryable": true}'
        return (
            *(key, owner, task, json.dumps({"text": text}), key.hex * 2),
            *(str(UUID(int=key.int ^ 1)) if chance < 0.5 else None, "rerun", 3),
            *(False, False, 1, json.dumps(tags), "RUNNING" if is_running else status, 3),
            *(int(has_begun), 0, 0, False, at if is_waiting else None, key if has_begun else None),
            *(at + timedelta(days=DAYS + 1) if is_running else None,),
            *(at if status == "CANCELING" else None,),
            *('{"words": 6, "longest": "be"}' if status == "SUCCEEDED" else None,),
            *(error if status in ("FAILED", "LOST") else None,),
            *(at, at if has_begun else None, None if is_running or is_waiting else at),
        )

    @property
    def talker(self) -> UUID:
        """The run with the longest story."""
        return next(key for key, _, status, _ in reversed(self._runs) if status == "SUCCEEDED")

    def _attempt_rows(self) -> Iterator[Row]:
        yield "run_id", "number", "token", "worker", "started_at", "finished_at", "outcome", "error"
        for key, _, status, at in self._runs:
            if status in set(Outcome):
                yield key, 1, key, "worker:1", at, at, status, None
            elif status in ("RUNNING", "CANCELING"):
                yield key, 1, key, "worker:1", at, None, None, None

    def _event_rows(self) -> Iterator[Row]:
        yield "run_id", "number", "at", "kind", "level", "attempt", "message"
        for key, _, status, at in self._runs:
            yield key, 1, at, "QUEUED", None, None, ""
            if status not in ("QUEUED", "SCHEDULED", "EXPIRED"):
                yield key, 2, at, "STARTED", None, 1, "worker:1"
            if status in set(Kind) and status not in ("QUEUED", "SCHEDULED"):
                yield key, 3, at, status, None, 1, ""
        talker = self.talker
        for number in range(4, 4 + LINES):
            yield talker, number, self._start, "LOGGED", int(Level.INFO), 1, f"line {number}"

    def _file_rows(self) -> Iterator[Row]:
        yield (
            *("id", "owner_id", "run_id", "name", "content_type", "size", "sha256"),
            *("storage_name", "created_at", "upload_until", "ready_at"),
        )
        for key, owner, _, at in self._runs:
            is_upload, is_ready = self._chance.random() < 0.5, self._chance.random() > 0.005
            yield (
                *(self._keys.at(at), owner, None if is_upload else key, "table.csv", "text/csv"),
                *(1_000, "0" * 64, "a/b", at, at, at if is_ready or not is_upload else None),
            )

    def _worker_rows(self) -> Iterator[Row]:
        yield "id", "name", "tasks", "slots", "busy", "started_at", "heartbeat_at"
        now = datetime.now(UTC)
        for number in range(30):
            heartbeat = now + timedelta(hours=1) if number % 3 else self._start
            tasks = '["count_words", "profile_dataset"]'
            yield self._keys.at(now), f"host:{number}", tasks, 2, 1, self._start, heartbeat


class _Named(Protocol):
    _meta: Any


def write(model: _Named, rows: Iterable[Row]) -> None:
    """Insert the rows, whose first one names the columns, by the fastest way that there is."""
    rest = iter(rows)
    columns = next(rest)
    table, names = model._meta.db_table, ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rest:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(columns))
            insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
            with transaction.atomic():
                cursor.connection.executemany(insert, (tuple(map(_plain, row)) for row in rest))


def _plain(value: Any) -> Any:
    """As Django stores it in SQLite."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
