"""Asks for the admin's pages in this process; see bench.admin, which gives it a database.

python -m bench.pages ROWS
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.viewer import SCOPES, Viewer  # noqa: E402
from bench.filling import Filler  # noqa: E402
from schema.ids import to_global_id  # noqa: E402
from tasks import Context, broker, notifier, runs, submission  # noqa: E402
from tasks.models import File, Run  # noqa: E402
from tasks.registry import REGISTRY  # noqa: E402
from tasks.runs import Claimant, Ending, Hold  # noqa: E402
from tasks.status import Outcome, Status  # noqa: E402

ROUNDS = 5
ROWS = 100  # of an action
SLOW_MS = 200.0
RUNS, FILES = "/admin/tasks/run/", "/admin/tasks/file/"
INDEXES = ("run_unusual", "run_task")  # that only the lists of the admin need
WRITES = 1_000


@dataclass(frozen=True)
class Page:
    """One page, and how to ask for it."""

    name: str
    path: str
    action: str = ""
    """Done by a POST to rows that each time are others; empty: a GET."""
    rows: Iterator[Any] = field(default_factory=lambda: iter(()))

    def ask(self, client: Client) -> float:
        """How many milliseconds it took."""
        data = {"action": self.action, "_selected_action": list(islice(self.rows, ROWS))}
        if self.action.startswith("delete"):
            data["confirmed"] = "yes"
        began = time.perf_counter()
        answer = client.post(self.path, data) if self.action else client.get(self.path)
        spent = (time.perf_counter() - began) * 1_000
        assert answer.status_code == (302 if self.action else 200), (self.path, answer)
        return spent


def seldom(ctx: Context) -> None:
    """A task with few runs."""


def unused(ctx: Context) -> None:
    """A task without any."""


def pages(talker: Any) -> Iterator[Page]:
    """What is measured."""
    some = list(Run.objects.order_by("-id")[500:1_000:5])
    keyed = next(run for run in some if run.idempotency_key)
    deep = Run.objects.order_by("-id").values_list("id", flat=True)[9_999]
    file = File.objects.order_by("-id")[50]
    yield Page("index", "/admin/")
    yield Page("runs", RUNS)
    yield Page("runs, page 50", f"{RUNS}?p=50")
    yield Page("runs, page 100", f"{RUNS}?p=100")
    yield Page("runs, after those", f"{RUNS}?after={deep}")
    yield Page("runs, after those, page 100", f"{RUNS}?after={deep}&p=100")
    yield Page("runs, the oldest first", f"{RUNS}?o=1")
    for status in Status:
        yield Page(f"runs, {status}", f"{RUNS}?status={status}")
    for task in ("count_words", "seldom", "unused"):
        yield Page(f"runs of {task}", f"{RUNS}?task={task}")
        yield Page(f"runs of {task}, FAILED", f"{RUNS}?task={task}&status=FAILED")
        yield Page(f"runs of {task}, QUEUED", f"{RUNS}?task={task}&status=QUEUED")
    for period in ("today", "7days", "30days"):
        yield Page(f"runs, {period}", f"{RUNS}?created={period}")
        yield Page(f"runs, {period}, FAILED", f"{RUNS}?created={period}&status=FAILED")
        yield Page(f"runs of seldom, {period}", f"{RUNS}?created={period}&task=seldom")
    yield Page("search: key", f"{RUNS}?q={keyed.pk}")
    yield Page("search: global id", f"{RUNS}?q={to_global_id('Run', keyed.pk)}")
    yield Page("search: idempotency key", f"{RUNS}?q={keyed.idempotency_key}")
    yield Page("search: user with most runs", f"{RUNS}?q=user0")
    yield Page("search: that user, FAILED", f"{RUNS}?q=user0&status=FAILED")
    yield Page("search: that user, of seldom", f"{RUNS}?q=user0&task=seldom")
    yield Page("search: user with few runs", f"{RUNS}?q=user{User.objects.count() // 2}")
    yield Page("search: nothing", f"{RUNS}?q=nothing-of-the-kind")
    yield Page("a run", f"{RUNS}{keyed.pk}/change/")
    yield Page("a run with 50,000 events", f"{RUNS}{talker}/change/")
    yield Page("its events", f"{RUNS}{talker}/events/")
    yield Page("its events, the middle", f"{RUNS}{talker}/events/?before=25000")
    yield Page("its attempts", f"{RUNS}{talker}/attempts/")
    newest = Run.objects.order_by("-id").values_list("pk", flat=True)
    waiting, failed = newest.filter(status=Status.QUEUED), newest.filter(status=Status.FAILED)
    yield Page(f"cancel {ROWS}", RUNS, "cancel_runs", iter(waiting[:10_000]))
    yield Page(f"rerun {ROWS}", RUNS, "rerun_runs", iter(failed[:10_000]))
    yield Page(f"delete {ROWS}", RUNS, "delete_runs", iter(failed[1_000:10_000]))
    yield Page("files", FILES)
    yield Page("files, page 100", f"{FILES}?p=100")
    yield Page("files, not uploaded", f"{FILES}?ready=no")
    yield Page("files, stored", f"{FILES}?ready=yes")
    yield Page("files, uploaded", f"{FILES}?origin=upload")
    yield Page("files, saved by a run", f"{FILES}?origin=run")
    yield Page("files, not uploaded, 7 days", f"{FILES}?ready=no&created=7days")
    yield Page("files of a run", f"{FILES}?run={keyed.pk}")
    yield Page("files of a user", f"{FILES}?q=user0")
    yield Page("a file", f"{FILES}{file.pk}/change/")
    yield Page("workers", "/admin/tasks/worker/")
    yield Page("tokens", "/admin/accounts/apitoken/")
    yield Page("tokens, expired", "/admin/accounts/apitoken/?state=expired")
    yield Page("users", "/admin/accounts/user/")
    yield Page("users, search", "/admin/accounts/user/?q=user77")
    yield Page("delete a user with many runs", f"/admin/accounts/user/{_most()}/delete/")


def _most() -> Any:
    return User.objects.get(username="user0").pk


def measure(client: Client, page: Page) -> float:
    """Ask a few times, print the page's line, and what was slow."""
    with CaptureQueriesContext(connection) as capture:
        page.ask(client)
    queries = list(capture)
    median = statistics.median(page.ask(client) for _ in range(ROUNDS))
    print(f"| {page.name} | {len(queries)} | {median:,.0f} |", flush=True)
    if median > SLOW_MS:
        for query in sorted(queries, key=lambda q: -float(q["time"]))[:2]:
            print(f"    {query['time']} s: {query['sql'][:1_000]}", flush=True)
            if query["sql"].startswith("SELECT"):
                explain(query["sql"])
    return median


def explain(sql: str) -> None:
    with connection.cursor() as cursor:
        how = (
            "EXPLAIN (ANALYZE, BUFFERS)"
            if connection.vendor == "postgresql"
            else "EXPLAIN QUERY PLAN"
        )
        cursor.execute(f"{how} {sql.replace('%', '%%')}")
        for row in cursor.fetchall():
            print("       ", row[-1])


def verbs() -> Callable[[], tuple[float, float, int]]:
    """Performs runs from start to end: ms for one, of them CPU here, and bytes in PostgreSQL's log.

    SQLite works in this process: its CPU tells more than its time, which is the disk's.
    """
    viewer = Viewer(_most(), frozenset(SCOPES))
    task = REGISTRY["count_words"]
    end = Ending(Status.SUCCEEDED, Outcome.SUCCEEDED, {"words": 2, "longest": "word"})

    def perform() -> tuple[float, float, int]:
        before, began, began_cpu = _written(), time.perf_counter(), time.process_time()
        for _ in range(WRITES):
            run = submission.submit(viewer, task, {"text": "one two"}).run
            claimed = runs.claim(run.pk, Claimant(task.name, "bench:1"))
            assert claimed is not None
            assert claimed.token is not None
            assert runs.finish(Hold(claimed.pk, claimed.attempt, claimed.token), end)
        spent = (time.perf_counter() - began) * 1_000 / WRITES
        cpu = (time.process_time() - began_cpu) * 1_000 / WRITES
        return spent, cpu, (_written() - before) // WRITES

    return perform


def _written() -> int:
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])


def cost_of_indexes() -> None:
    """What the indexes cost the statements that start, claim and finish a run."""
    perform = verbs()
    perform()
    print("\n| start, claim and finish a run | ms | ms CPU | bytes of WAL |")
    print("| --- | --- | --- | --- |")

    def tell(name: str) -> None:
        found = [perform() for _ in range(3)]
        ms, cpu, wal = map(statistics.median, zip(*found, strict=True))
        print(f"| {name} | {ms:.2f} | {cpu:.2f} | {wal or ''} |", flush=True)

    tell("with all indexes")
    for name in INDEXES:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
        tell(f"and without {name}")


def main() -> None:
    rows = int(sys.argv[1])
    for silent in (broker.Knocker, notifier.Herald):  # there is nobody to knock for
        silent._start = lambda self: None  # type: ignore[method-assign]
    call_command("migrate", verbosity=0)
    REGISTRY.declare(seldom, on_lost="rerun")
    REGISTRY.declare(unused, on_lost="rerun")
    admin = User.objects.create_superuser("root", password=None)
    began, filler = time.perf_counter(), Filler(rows)
    filler.fill()
    print(f"{connection.vendor}: filled in {time.perf_counter() - began:.0f} s")
    client = Client(headers={"host": "localhost", "x-forwarded-proto": "https"})
    client.force_login(admin)
    print(f"\n| page, {rows:,} rows | queries | ms |\n| --- | --- | --- |")
    slow = [page.name for page in pages(filler.talker) if measure(client, page) > SLOW_MS]
    print(f"\nOver {SLOW_MS:.0f} ms: {', '.join(slow) or 'none'}.")
    cost_of_indexes()


if __name__ == "__main__":
    main()
