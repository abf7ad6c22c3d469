"""Asks one database for what grows with the number of runs, or must not; see bench.scale.

python -m bench.depth ROWS FILE
"""

import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.viewer import ADMIN, SCOPES, Viewer  # noqa: E402
from backend.door.execute import Door  # noqa: E402
from backend.door.requests import GraphQLRequest  # noqa: E402
from backend.door.watches import Outcome  # noqa: E402
from bench.filling import DORMANT, Filler  # noqa: E402
from schema.build import schema  # noqa: E402
from schema.context import RequestContext  # noqa: E402
from schema.ids import to_global_id  # noqa: E402
from schema.pages import RUNS, to_cursor  # noqa: E402
from tasks import broker, notifier, retention, runs, submission  # noqa: E402
from tasks.models import Run  # noqa: E402
from tasks.registry import REGISTRY  # noqa: E402
from tasks.runs import Claimant, Ending, Hold  # noqa: E402
from tasks.status import Outcome as RunOutcome  # noqa: E402
from tasks.status import Priority, Status  # noqa: E402

ROUNDS = 20
PAGE = 20
PAGES = """query($after: String, $filter: RunFilter) {
  runs(first: 20, after: $after, filter: $filter) {
    nodes { id status createdAt } pageInfo { endCursor } } }"""
COUNTED = "{ runs(first: 20) { nodes { id } totalCount } }"
ONE = """query($id: ID!) { node(id: $id) { ... on Run {
  status attempts { number } events(last: 20) { nodes { kind } } } } }"""
EXPLAINED = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
TABLES = ("tasks_run", "tasks_attempt", "tasks_event", "tasks_file")


@dataclass(frozen=True)
class Deed:
    """Something that is asked for, all of it undone afterwards."""

    name: str
    do: Callable[[], object]

    def measure(self) -> dict[str, Any]:
        """Its median in ms, and how the database found what it asked for most."""
        self._once()
        with CaptureQueriesContext(connection) as capture:
            self._once()
        asked = [query for query in capture if query["sql"].startswith(EXPLAINED)]
        plans = [explained(query["sql"]) for query in asked]
        ms = statistics.median(self._once() for _ in range(ROUNDS))
        print(f"{self.name}: {ms:.2f} ms, {len(asked)} statements", flush=True)
        return {"name": self.name, "ms": round(ms, 3), "statements": len(asked), "plans": plans}

    def _once(self) -> float:
        with transaction.atomic():
            began = time.perf_counter()
            self.do()
            spent = (time.perf_counter() - began) * 1_000
            transaction.set_rollback(True)
        return spent


def explained(sql: str) -> str:
    """The plan as PostgreSQL carried it out; what it changed is undone."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) " + sql)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        transaction.set_rollback(True)
    return re.sub(r"'[^']{200,}'", "'...'", plan)


def deeds(viewer: Viewer, dormant: Viewer, everybody: Viewer) -> Iterator[Deed]:
    """Each row of the table."""

    door = Door(schema().graphql_schema, introspection=True)

    def ask(who: Viewer, query: str = PAGES, **variables: Any) -> Callable[[], object]:
        def do() -> object:
            context = RequestContext(who, "https://downbeat.test")
            outcome = door.execute(GraphQLRequest(query, variables, None), context)
            assert isinstance(outcome, Outcome)
            assert "errors" not in outcome.response, outcome.response
            return outcome

        return do

    def page(number: int, rows: Any) -> str | None:
        key = rows.order_by("-id").values_list("id", flat=True)[number * PAGE - PAGE - 1]
        return to_cursor(key, RUNS)

    own, all_runs = Run.objects.filter(owner_id=viewer.user_id), Run.objects.all()
    yield Deed("the first page of an owner", ask(viewer))
    last = own.count() // PAGE - 1
    yield Deed(f"page {last:,} of that owner", ask(viewer, after=page(last, own)))
    yield Deed("the first page of all runs", ask(everybody))
    last = all_runs.count() // PAGE - 1
    yield Deed(f"page {last:,} of all runs", ask(everybody, after=page(last, all_runs)))
    yield Deed("the first page of an owner whose runs are all old", ask(dormant))
    for name, wanted in {
        "FAILED": {"statuses": ["FAILED"]},
        "QUEUED": {"statuses": ["QUEUED"]},
        "not final": {"isFinal": False},
        "of one task": {"tasks": ["profile_dataset"]},
        "of a task with few runs": {"tasks": ["seldom"]},
        "of one task, FAILED": {"tasks": ["count_words"], "statuses": ["FAILED"]},
        "with a tag of many": {"tags": ["night"]},
        "with a tag of few": {"tags": ["batch-7"]},
        "with no such tag": {"tags": ["nothing"]},
    }.items():
        yield Deed(f"an owner's runs {name}", ask(viewer, filter=wanted))
    yield Deed("an old owner's runs not final", ask(dormant, filter={"isFinal": False}))
    yield Deed("an old owner's runs with no such tag", ask(dormant, filter={"tags": ["nothing"]}))
    yield Deed("the first page, counted", ask(viewer, COUNTED))
    some = own.filter(status=Status.SUCCEEDED).order_by("-id")[100]
    yield Deed(
        "a run by its id, attempts and events", ask(viewer, ONE, id=to_global_id("Run", some.pk))
    )

    task = REGISTRY["count_words"]
    end = Ending(Status.SUCCEEDED, RunOutcome.SUCCEEDED, {"words": 2, "longest": "word"})
    waiting = Run.objects.filter(status=Status.QUEUED, task=task.name).order_by("id")
    queued = list(waiting[:1_000])[-1]
    claimant = Claimant(task.name, "bench:1")

    def finish() -> None:
        run = runs.claim(queued.pk, claimant)
        assert run is not None
        assert run.token is not None
        assert runs.finish(Hold(run.pk, run.attempt, run.token), end)

    yield Deed("start", lambda: submission.submit(dormant, task, {"text": "one two"}))
    yield Deed("claim", lambda: runs.claim(queued.pk, claimant))
    yield Deed("claim the next", lambda: runs.claim_next(claimant))
    yield Deed("claim and finish", finish)
    yield Deed("ring a batch", lambda: runs.ring(Priority.NORMAL))
    yield Deed("start what is due", runs.start_due)
    yield Deed("expire", runs.expire)
    yield Deed("recover", runs.recover)
    yield Deed("the signs of life", runs.vitals)
    yield Deed("find 200 to prune", lambda: list(retention.stale_runs().values_list("pk")[:200]))
    yield Deed("prune 200", lambda: retention.prune(200))


def sizes() -> dict[str, dict[str, int]]:
    """Bytes of each table and of its indexes."""
    found: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute("SELECT pg_table_size(%s::regclass)", [table])
            found[table] = {"rows": int(cursor.fetchone()[0])}
            cursor.execute(
                "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index"
                " WHERE indrelid = %s::regclass ORDER BY 2 DESC",
                [table],
            )
            found[table] |= {name: int(size) for name, size in cursor.fetchall()}
    return found


def main() -> None:
    rows, file = int(sys.argv[1]), Path(sys.argv[2])
    for silent in (broker.Knocker, notifier.Herald):  # there is nobody to knock for
        silent._start = lambda self: None  # type: ignore[method-assign]
    broker.publish = lambda knocks: None
    call_command("migrate", verbosity=0)
    began, filler = time.perf_counter(), Filler(rows)
    filler.fill()
    print(f"{rows:,} runs: filled in {time.perf_counter() - began:.0f} s", flush=True)
    viewer, dormant = (
        Viewer(User.objects.get(username=name).pk, frozenset(SCOPES)) for name in ("user0", DORMANT)
    )
    everybody = Viewer(viewer.user_id, frozenset((*SCOPES, ADMIN)))
    found = [deed.measure() for deed in deeds(viewer, dormant, everybody)]
    report = {"rows": rows, "deeds": found, "bytes": sizes()}
    file.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
