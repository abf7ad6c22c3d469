"""The whole life of a run through GraphQL, over every stack: each verb, each ending."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.jobs import begin, lines, until_status, with_jobs
from tests.stacks.fixtures import NAMES, make_stack, on
from tests.stacks.service import Service, running

CANCEL = "mutation($id: ID!) { cancelRun(id: $id) { run { status } errors { code } } }"
TIMES = "query($id: ID!) { run(id: $id) { asked: cancelRequestedAt ended: finishedAt } }"
CANCEL_ALL = """mutation($filter: RunFilter!) { cancelRuns(filter: $filter) {
  items { run { id status } errors { code } } errors { code } } }"""
RERUN = """mutation($id: ID!) { rerun(id: $id) {
  run { id rerunOf { id } } replayed errors { code } } }"""
FILES = """query($id: ID!) { run(id: $id) {
  files(first: 5) { nodes { id name size download { url } } } } }"""
DELETE_FILE = "mutation($id: ID!) { deleteFile(id: $id) { deletedId errors { code } } }"
DELETE_RUN = "mutation($id: ID!) { deleteRun(id: $id) { deletedId errors { code } } }"
START_BARE = """mutation { startRuns(runs: [
  {task: {doNothing: true}}, {task: {doNothing: false}}, {task: {doNothing: true}}]) {
  items { run { id } errors { field code message } } errors { code } } }"""
STARTED_AT = "query($id: ID!) { run(id: $id) { startedAt } }"
EVENTS = """query($id: ID!, $last: Int, $filter: EventFilter) { run(id: $id) {
  events(last: $last, filter: $filter) { nodes { kind level message attempt number } } } }"""


@pytest.fixture(scope="module", params=on(*NAMES))
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that knows the jobs, shared by the tests that do it no harm.

    Its stack is its own: the worker of another would take its knocks, and give them back a second
    later, for it does not know the jobs.
    """
    stack, env = make_stack(request, request.param), with_jobs(tmp_path_factory.mktemp("jobs"))
    with running(stack, CANCEL_GRACE_SECONDS="1", RING_SECONDS="5", **env) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: Service) -> Client:
    return Client(service)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def outcomes(run: dict[str, Any]) -> list[str]:
    return [attempt["outcome"] for attempt in run["attempts"]]


def soon(seconds: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).isoformat()


def test_a_failing_task_is_tried_again_until_it_succeeds(client: Client, ledger: Path) -> None:
    run = client.finished(begin(client, "failTwice", ledger=str(ledger)))
    assert (run["status"], outcomes(run)) == ("SUCCEEDED", ["FAILED", "FAILED", "SUCCEEDED"])
    events = client.ask(EVENTS, id=run["id"])["run"]["events"]["nodes"]
    life = ["STARTED", "LOGGED", "RETRIED", "QUEUED"]
    assert [event["kind"] for event in events] == ["QUEUED", *life, *life, *life[:2], "SUCCEEDED"]
    logged = [(e["level"], e["message"], e["attempt"]) for e in events if e["kind"] == "LOGGED"]
    assert logged == [("WARNING", f"try {n}", n) for n in (1, 2, 3)]
    tail = client.ask(EVENTS, id=run["id"], last=1, filter={"kinds": ["LOGGED"]})
    assert [event["message"] for event in tail["run"]["events"]["nodes"]] == ["try 3"]


def seconds_to_cancel(client: Client, run: str) -> float:
    """From the asking to the end, by the database's clock: whoever polls may be slow."""
    found = client.ask(TIMES, id=run)["run"]
    asked, ended = (dt.datetime.fromisoformat(found[at]) for at in ("asked", "ended"))
    return (ended - asked).total_seconds()


def test_a_task_that_listens_is_canceled_within_two_seconds(client: Client, ledger: Path) -> None:
    run = begin(client, "sleepAWhile", seconds=30, ledger=str(ledger))
    until_status(client, run, "RUNNING")
    payload = client.ask(CANCEL, id=run)["cancelRun"]
    assert payload == {"run": {"status": "CANCELING"}, "errors": []}
    until_status(client, run, "CANCELED")
    assert seconds_to_cancel(client, run) < 2
    found = client.read(run)
    assert (outcomes(found), found["error"]) == (["CANCELED"], None)
    assert client.ask(CANCEL, id=run)["cancelRun"]["errors"] == []


def test_a_deaf_task_is_canceled_after_its_grace_and_no_other_suffers(
    client: Client, ledger: Path, tmp_path: Path
) -> None:
    other = begin(client, "sleepAWhile", seconds=4, ledger=str(tmp_path / "other"))
    run = begin(client, "sleepDeaf", seconds=60, ledger=str(ledger))
    until_status(client, run, "RUNNING")
    until_status(client, other, "RUNNING")
    client.ask(CANCEL, id=run)
    until_status(client, run, "CANCELED")
    assert seconds_to_cancel(client, run) < 1 + 2
    found = client.finished(other)
    assert (found["status"], outcomes(found)) == ("SUCCEEDED", ["SUCCEEDED"])
    quick = client.finished(begin(client, "sleepAWhile", seconds=0, ledger=str(ledger)))
    assert quick["status"] == "SUCCEEDED"  # the slot is free again


def test_waiting_runs_are_canceled_by_a_filter_with_a_word_for_each(client: Client) -> None:
    options = {"runAt": soon(3_600), "tags": ["night"]}
    waiting = [begin(client, "sleepAWhile", options, seconds=1, ledger="x") for _ in range(3)]
    payload = client.ask(CANCEL_ALL, filter={"tags": ["night"]})["cancelRuns"]
    assert {item["run"]["id"] for item in payload["items"]} == set(waiting)
    assert {item["run"]["status"] for item in payload["items"]} == {"CANCELED"}
    assert client.ask(CANCEL_ALL, filter={"tags": ["night"]})["cancelRuns"]["items"] == []


def test_waiting_and_running_runs_are_canceled_together(client: Client, tmp_path: Path) -> None:
    tagged = {"tags": ["both"]}
    running = [
        begin(client, "sleepAWhile", tagged, seconds=30, ledger=str(tmp_path / f"{n}"))
        for n in range(2)
    ]
    for run in running:
        until_status(client, run, "RUNNING")
    late = {**tagged, "runAt": soon(3_600)}
    waiting = [begin(client, "sleepAWhile", late, seconds=1, ledger="x") for _ in range(2)]
    payload = client.ask(CANCEL_ALL, filter=tagged)["cancelRuns"]
    assert {item["run"]["id"]: item["run"]["status"] for item in payload["items"]} == {
        **dict.fromkeys(running, "CANCELING"),
        **dict.fromkeys(waiting, "CANCELED"),
    }
    for run in running:
        until_status(client, run, "CANCELED")
        assert outcomes(client.read(run)) == ["CANCELED"]


def test_a_run_waits_for_its_time(client: Client, ledger: Path) -> None:
    at = soon(3)
    run = begin(client, "sleepAWhile", {"runAt": at}, seconds=0, ledger=str(ledger))
    assert client.read(run)["status"] == "SCHEDULED"
    assert client.finished(run)["status"] == "SUCCEEDED"
    assert dt.datetime.now(dt.UTC) >= dt.datetime.fromisoformat(at)


def test_a_run_that_nobody_takes_expires_and_says_so(client: Client, ledger: Path) -> None:
    options = {"runAt": soon(3_600), "expiresAt": soon(3_601)}
    run = begin(client, "sleepAWhile", options, seconds=0, ledger=str(ledger))
    refused = client.ask(CANCEL, id=run)["cancelRun"]
    assert refused["errors"] == []
    stuck = [begin(client, "sleepDeaf", seconds=6, ledger=str(ledger)) for _ in range(2)]
    for each in stuck:
        until_status(client, each, "RUNNING")
    short = {"expiresAt": soon(1.5)}
    late = begin(client, "sleepAWhile", short, seconds=0, ledger=str(ledger))
    assert client.finished(late)["status"] == "EXPIRED"
    assert lines(ledger) != []
    assert len(lines(ledger)) == 2


@pytest.mark.parametrize("before", [True, False])
def test_a_death_before_the_effect_repeats_nothing_and_one_within_is_parked(
    client: Client, ledger: Path, before: bool
) -> None:
    run = client.finished(begin(client, "chargeAndDie", ledger=str(ledger), before=before))
    assert len(lines(ledger)) == 1
    assert run["status"] == ("SUCCEEDED" if before else "LOST")
    assert outcomes(run) == (["LOST", "SUCCEEDED"] if before else ["LOST"])
    query = "query($id: ID!) { run(id: $id) { mayHaveRepeated } }"
    assert client.ask(query, id=run["id"])["run"]["mayHaveRepeated"] is False


def test_a_task_that_dawdles_is_told(client: Client, ledger: Path) -> None:
    run = client.finished(begin(client, "dawdle", ledger=str(ledger)))
    assert (run["status"], run["error"]["code"]) == ("FAILED", "TIME_LIMIT")
    assert len(lines(ledger)) == 1


def test_a_task_with_a_limit_runs_one_at_a_time(client: Client, ledger: Path) -> None:
    runs = [begin(client, "oneAtATime", ledger=str(ledger)) for _ in range(5)]
    found = [client.finished(run) for run in runs]
    assert [(run["status"], outcomes(run)) for run in found] == [("SUCCEEDED", ["SUCCEEDED"])] * 5


def test_every_queue_is_taken_and_says_who_takes_it(client: Client, ledger: Path) -> None:
    run = client.finished(begin(client, "workElsewhere", ledger=str(ledger)))
    assert run["status"] == "SUCCEEDED"
    tasks = client.ask("{ tasks { name hasWorker } }")["tasks"]
    assert {task["hasWorker"] for task in tasks} == {True}


@pytest.mark.parametrize("priority", ["LOW", "HIGH"])
def test_every_priority_is_performed(client: Client, ledger: Path, priority: str) -> None:
    options = {"priority": priority}
    run = begin(client, "sleepAWhile", options, seconds=0, ledger=str(ledger))
    assert client.finished(run)["status"] == "SUCCEEDED"


def test_what_is_urgent_goes_before_what_waits_already(client: Client, tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger")
    stuck = [begin(client, "sleepAWhile", seconds=60, ledger=ledger) for _ in range(2)]
    for run in stuck:
        until_status(client, run, "RUNNING")
    normal = [begin(client, "sleepAWhile", seconds=0.1, ledger=ledger) for _ in range(10)]
    urgent = begin(client, "writeDigits", {"priority": "HIGH"}, times=1)
    for run in stuck:  # whose slots are free then
        client.ask(CANCEL, id=run)
    started = {}
    for run in (*normal, urgent):
        client.finished(run)
        started[run] = client.ask(STARTED_AT, id=run)["run"]["startedAt"]
    earlier = [run for run in normal if started[run] < started[urgent]]
    assert len(earlier) <= 2  # that the worker's two slots had been given already


def test_what_a_task_saved_is_downloaded_whole_and_in_part_until_it_is_deleted(
    client: Client,
) -> None:
    run = client.finished(begin(client, "writeDigits", times=1_000))
    (file,) = client.ask(FILES, id=run["id"])["run"]["files"]["nodes"]
    assert (file["name"], file["size"]) == ("digits.txt", 10_000)
    url, http = file["download"]["url"], client.service.http
    whole, part = http.get(url), http.get(url, headers={"Range": "bytes=9995-"})
    assert (whole.status_code, whole.content) == (200, b"0123456789" * 1_000)
    assert (part.status_code, part.content) == (206, b"56789")
    assert part.headers["content-range"] == "bytes 9995-9999/10000"
    assert client.ask(DELETE_FILE, id=file["id"])["deleteFile"]["errors"] == []
    assert http.get(url).status_code in (404, 410)
    assert client.ask(DELETE_RUN, id=run["id"])["deleteRun"]["deletedId"] == run["id"]
    assert client.ask(FILES, id=run["id"])["run"] is None


def test_a_task_without_input_is_started_by_true_and_a_false_harms_no_other(
    client: Client,
) -> None:
    payload = client.ask(START_BARE)["startRuns"]
    first, refused, last = payload["items"]
    assert payload["errors"] == []
    for item in (first, last):
        assert client.finished(item["run"]["id"])["status"] == "SUCCEEDED"
    assert refused == {
        "run": None,
        "errors": [
            {
                "field": ["runs", "1", "task", "doNothing"],
                "code": "BAD_USER_INPUT",
                "message": "doNothing takes no input: say true.",
            }
        ],
    }


def test_a_rerun_is_performed_and_linked(client: Client, ledger: Path) -> None:
    first = client.finished(begin(client, "sleepAWhile", seconds=0, ledger=str(ledger)))
    payload = client.ask(RERUN, id=first["id"])["rerun"]
    assert payload["run"]["rerunOf"] == {"id": first["id"]}
    assert client.finished(payload["run"]["id"])["status"] == "SUCCEEDED"
    assert len(lines(ledger)) == 2
