"""The whole main job, as a client does it, over every stack."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.client import COUNT, PROFILE, Client
from tests.stacks.fixtures import make_stack
from tests.stacks.service import Service, running

TABLE = b"city,people,since\nOslo,700000,1048-01-01\nBergen,290000,1070-01-01\nVardo,,\n"


@pytest.fixture(scope="module")
def client(service: Service) -> Client:
    return Client(service)


def test_upload_start_poll_and_read(client: Client) -> None:
    file = client.upload(TABLE)
    payload = client.start(PROFILE, "first profile", file=file)
    assert (payload["errors"], payload["replayed"]) == ([], False)
    run = client.finished(payload["run"]["id"])
    assert (run["status"], run["error"]) == ("SUCCEEDED", None)
    assert run["result"]["rows"] == 3
    columns = {column["name"]: column for column in run["result"]["columns"]}
    assert columns["city"] == {"name": "city", "type": "TEXT", "missing": 0, "distinct": 3}
    assert columns["people"] == {"name": "people", "type": "INTEGER", "missing": 1, "distinct": 2}
    assert columns["since"] == {"name": "since", "type": "DATE", "missing": 1, "distinct": 2}
    assert [attempt["outcome"] for attempt in run["attempts"]] == ["SUCCEEDED"]

    again = client.start(PROFILE, "first profile", file=file)
    assert (again["replayed"], again["run"]["id"]) == (True, run["id"])


def test_what_is_no_table_fails_with_a_sentence(client: Client) -> None:
    file = client.upload(b"a,b\n1,2\n1,2,3\n")
    run = client.finished(client.started(PROFILE, file=file))
    assert run["status"] == "FAILED"
    assert run["result"] is None
    assert "line 3" in run["error"]["message"].lower()


def test_many_runs_all_succeed_and_page(client: Client) -> None:
    texts = ["word " * count for count in range(1, 31)]
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda text: client.started(COUNT, text=text), texts))
    found = [client.finished(run)["result"]["words"] for run in started]
    assert found == list(range(1, 31))
    seen, after = [], None
    while True:
        page = client.ask(
            """query($after: String) { runs(first: 7, after: $after,
            filter: {tasks: ["count_words"]}) { nodes { id } pageInfo { endCursor hasNextPage }
            totalCount } }""",
            after=after,
        )["runs"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(seen) == len(set(seen)) == page["totalCount"]
    assert set(started) <= set(seen)


def test_a_hundred_parallel_starts_with_one_key_are_one_run(client: Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        payloads = list(
            pool.map(lambda _: client.start(COUNT, "one of a hundred", text="x"), range(100))
        )
    assert {payload["run"]["id"] for payload in payloads} == {payloads[0]["run"]["id"]}
    assert [payload["replayed"] for payload in payloads].count(False) == 1
    run = client.finished(payloads[0]["run"]["id"])
    assert len(run["attempts"]) == 1


def test_another_users_run_looks_like_an_unknown_one(client: Client, service: Service) -> None:
    run = client.started(COUNT, text="mine")
    query = "query($id: ID!) { run(id: $id) { id } node(id: $id) { id } }"
    bob = Client(service, "bob")
    foreign = service.http.post(
        "/graphql",
        json={"query": query, "variables": {"id": run}},
        headers={"Authorization": f"Bearer {bob.token}"},
    )
    unknown = service.http.post(
        "/graphql",
        json={"query": query, "variables": {"id": "UnVuOjA="}},
        headers={"Authorization": f"Bearer {bob.token}"},
    )
    assert foreign.status_code == unknown.status_code == 200
    assert foreign.content == unknown.content


@pytest.mark.xdist_group("postgres-rabbitmq")
def test_rabbitmq_needs_no_redis_at_all(request: pytest.FixtureRequest) -> None:
    stack = make_stack(request, "postgres-rabbitmq")
    nowhere = "redis://127.0.0.1:1/0"
    with running(stack, REDIS_URL=nowhere) as service:
        assert not any("redis-server" in p.command or "valkey" in p.command
                       for p in service.processes())  # fmt: skip
        client = Client(service)
        assert client.finished(client.started(COUNT, text="a b"))["result"]["words"] == 2
