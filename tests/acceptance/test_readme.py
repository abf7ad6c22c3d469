"""What README shows works as it is shown."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.client import COUNT, READ, Client
from tests.stacks.service import Service, Stack, running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    """The README's code block in this language that contains these words."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (text,) = [each for each in found if containing in each]
    return str(text)


@pytest.mark.xdist_group("embedded")
def test_a_task_is_added_in_one_file(tmp_path: Path) -> None:
    package = tmp_path / "acme_jobs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "greet_people.py").write_text(block("python", "def greet_people"))
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    env = {"TASK_PACKAGES": "tasks.definitions,acme_jobs", "PYTHONPATH": path}
    with running(Stack("embedded"), **env) as service:
        client = Client(service)
        payload = client.ask(block("graphql", "greetPeople"))["greetPeople"]
        assert payload["errors"] == []
        client.finished(payload["run"]["id"])
        read = "query($id: ID!) { run(id: $id) { status result { ... on Greetings { lines } } } }"
        assert client.ask(read, id=payload["run"]["id"])["run"] == {
            "status": "SUCCEEDED",
            "result": {"lines": ["Hello, Ada!", "Hello, Grace!"]},
        }
        refused = client.ask("mutation { greetPeople(input: {names: []}) { errors { field } } }")
        assert refused["greetPeople"]["errors"] == [{"field": ["input", "names"]}]
        catalogue = client.ask('{ task(name: "greet_people") { description resultTypeName } }')
        assert catalogue["task"] == {
            "description": "Greet some people by name.",
            "resultTypeName": "Greetings",
        }


@pytest.mark.xdist_group("embedded")
def test_the_curl_lines_start_and_read_a_run(embedded_service: Service) -> None:
    token = embedded_service.token("you")
    lines = block("console", "TOKEN=dbt_").replace("$ TOKEN=dbt_...\n", "").split("\n$ ")
    answers = []
    for line in lines:
        command = line.removeprefix("$ ").replace("http://127.0.0.1:8000", embedded_service.url)
        done = subprocess.run(
            ["sh", "-c", command], env={**os.environ, "TOKEN": token},
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        answers.append(done.stdout)
    assert '"status":"QUEUED"' in answers[0]
    assert '"errors":[]' in answers[0]
    assert '"nodes":[{"id":' in answers[1]


@pytest.mark.xdist_group("embedded")
def test_the_curl_line_watches_runs(embedded_service: Service) -> None:
    client = Client(embedded_service, "watcher")
    line = block("console", "text/event-stream").removeprefix("$ ")
    command = line.replace("http://127.0.0.1:8000", embedded_service.url)
    environment = {**os.environ, "TOKEN": client.token}
    with subprocess.Popen(
        ["sh", "-c", f"exec {command}"], env=environment, stdout=subprocess.PIPE, text=True
    ) as curl:
        assert curl.stdout is not None
        assert curl.stdout.readline() == ":\n"  # it is open
        run = client.started(COUNT, text="a b")
        for line in curl.stdout:
            if run in line and '"status":"SUCCEEDED"' in line:
                break
        curl.terminate()


@pytest.mark.xdist_group("embedded")
def test_the_subscription_for_apps_is_valid(embedded_service: Service) -> None:
    client = Client(embedded_service)
    run = client.started(COUNT, text="to be")
    client.finished(run)
    body = {"query": block("graphql", "subscription Watch"), "variables": {"id": run}}
    headers = {"Authorization": f"Bearer {client.token}", "Accept": "text/event-stream"}
    answer = embedded_service.http.post("/graphql", json=body, headers=headers).text
    assert '"result":{"words":2,"longest":"to"}' in answer
    assert answer.endswith("event: complete\ndata:\n\n")


@pytest.mark.xdist_group("embedded")
def test_the_query_for_apps_is_valid(embedded_service: Service) -> None:
    client = Client(embedded_service)
    mutation = re.search(r"const query = `(.*?)`;", README, re.DOTALL)
    assert mutation is not None
    variables = {"input": {"text": "to be or not to be"}, "options": {"idempotencyKey": "x"}}
    run = client.ask(mutation[1], **variables)["countWords"]["run"]["id"]
    client.finished(run)
    read = client.ask(block("graphql", "query Run"), id=run)["run"]
    assert read["result"] == {"words": 6, "longest": "not"}
    assert client.ask(READ, id=run)["run"]["isFinal"]


@pytest.mark.xdist_group("embedded")
def test_many_runs_start_as_shown(embedded_service: Service) -> None:
    client = Client(embedded_service)
    variables = json.loads(block("json", '"runs": ['))
    items = client.ask(block("graphql", "mutation Many"), **variables)["startRuns"]["items"]
    assert [item["errors"] for item in items] == [[], []]
    for item in items:
        client.finished(item["run"]["id"])
    again = client.ask(block("graphql", "mutation Many"), **variables)["startRuns"]["items"]
    assert [item["replayed"] for item in again] == [True, True]


@pytest.mark.xdist_group("embedded")
def test_a_run_is_steered_as_shown(embedded_service: Service) -> None:
    client = Client(embedded_service)
    run = client.started(COUNT, text="a b")
    client.finished(run)
    steered = client.ask(block("graphql", "mutation Steer"), id=run)
    assert steered["cancelRun"]["errors"][0]["code"] == "RUN_IS_FINAL"
    assert steered["rerun"]["run"]["rerunOf"] == {"id": run}
    story = client.ask(block("graphql", "query Story"), id=run)["run"]
    kinds = [event["kind"] for event in story["events"]["nodes"]]
    assert kinds == ["QUEUED", "STARTED", "SUCCEEDED"]
    assert story["files"]["nodes"] == []


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    docs = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`make ([a-z]+)`|^\$ make ([a-z]+)", docs, re.MULTILINE))
    targets = {name for pair in named for name in pair if name}
    assert {"demo", "test", "up", "check", "schema"} <= targets
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_every_linked_file_exists() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
