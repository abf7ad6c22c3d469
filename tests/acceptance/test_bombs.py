"""Files that are made to burst a worker end as FAILED runs, and its processes live on."""

import gzip

import httpx
import pytest

from tests.acceptance.client import PROFILE, UPLOAD, Client
from tests.stacks.service import Service
from tests.tasks.definitions import parquet_bombs as bombs

pytestmark = pytest.mark.xdist_group("embedded")

PARQUET = "application/vnd.apache.parquet"
CSV = b"a,b\n1,2\n"


@pytest.fixture(scope="module")
def client(embedded_service: Service) -> Client:
    return Client(embedded_service, "bomber")


def test_a_bomb_ends_its_run_and_not_its_worker(client: Client) -> None:
    def profiled(content: bytes, name: str, content_type: str) -> tuple[str, str | None, str]:
        """The status, the code of the error and the process of the only attempt."""
        file = client.upload(content, name, content_type)
        run = client.finished(client.started(PROFILE, file=file))
        (attempt,) = run["attempts"]
        return run["status"], (run["error"] or {}).get("code"), attempt["worker"]

    workers = set()
    for content, code in (
        (bombs.claiming(3 * 10**6), "TABLE_TOO_LARGE"),
        (bombs.repeating(10**10), "TABLE_TOO_LARGE"),
        (bombs.unfolding(bombs.zeros_in_zstd(2**30), 2**30, bombs.ZSTD), "TABLE_TOO_LARGE"),
        (bombs.with_footer(b"\x1c" * 2**20), "BAD_PARQUET"),
    ):
        status, found, worker = profiled(content, "t.parquet", PARQUET)
        assert (status, found) == ("FAILED", code)
        workers.add(worker)
    after = {profiled(CSV, "t.csv", "text/csv") for _ in range(4)}
    assert {status for status, _, _ in after} == {"SUCCEEDED"}
    assert {worker for _, _, worker in after} & workers


def test_an_upload_that_is_not_what_was_said_is_refused_and_can_be_sent_right(
    client: Client,
) -> None:
    packed = gzip.compress(bytes(2**20))
    given = {"name": "t.csv", "size": len(packed), "contentType": "text/csv"}
    url = client.ask(UPLOAD, input=given)["createUpload"]["upload"]["url"]
    answer = httpx.put(url, content=packed)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["code"] == "UPLOAD_MISMATCH"
    assert "a gzip file, not text/csv" in error["message"]
    assert httpx.put(url, content=CSV.ljust(len(packed))).status_code == 204
