"""A service that is stopped and started goes on where it left off."""

from pathlib import Path

import pytest

from tests.acceptance.client import COUNT, Client
from tests.acceptance.jobs import begin, lines, until, until_status, with_jobs
from tests.stacks.service import Stack, running


@pytest.mark.xdist_group("embedded")
def test_it_goes_on_where_it_left_off(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    stack = Stack("embedded")
    with running(stack, **with_jobs(tmp_path)) as service:
        client = Client(service)
        run = begin(client, "sleepAWhile", seconds=20, ledger=str(ledger))
        waiting = [client.started(COUNT, text=f"a {n}") for n in range(3)]
        until_status(client, run, "RUNNING")
        code, seconds = service.stop()
        assert code == 0
        assert seconds < 5
        service.start()
        for each in waiting:
            assert client.finished(each)["status"] == "SUCCEEDED"
        until(lambda: len(lines(ledger)) == 2)
        outcomes = [attempt["outcome"] for attempt in client.read(run)["attempts"]]
        assert outcomes == ["RELEASED", None]
