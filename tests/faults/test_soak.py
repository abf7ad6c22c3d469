"""A short soak keeps every promise; the page shows the reports that are kept."""

import os
import sys
from pathlib import Path

import pytest

from backend.embedded.process import Process
from bench.soak import page
from bench.soak.__main__ import is_clean, soak
from bench.soak.chaos import Chaos
from tests.stacks.fixtures import NAMES
from tests.stacks.machine import Log, wait_until
from tests.stacks.processes import descendants


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES]
)
def test_a_short_soak_keeps_every_promise(name: str, tmp_path: Path) -> None:
    report = soak(name, tmp_path, seconds=20, quiet=3, seed=1, rate=15, pause=2)
    assert is_clean(report), report
    assert report["kills"] > 3
    assert report["runs"] > 200
    assert report["by_status"]["SUCCEEDED"] > 200


def test_servers_of_other_tests_are_spared() -> None:
    command = (sys.executable, "-c", "import time; time.sleep(60)", "redis-server")
    before = {process.pid for process in descendants(os.getpid())}
    stranger = Process("redis", command, Log().say)
    try:
        assert wait_until(lambda: bool(Chaos("a", 1, {}, before).family("broker")), 10)
        assert Chaos("a", 1, {}, [*before, stranger.pid]).family("broker") == ()
    finally:
        stranger.kill()


def test_the_page_shows_the_reports_that_are_kept() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.renewed(text) == text
