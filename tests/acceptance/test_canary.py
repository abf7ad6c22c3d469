"""Whatever a request holds, no line of the log does; every line is JSON and belongs to a trace."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.embedded.home import spare_port
from backend.embedded.process import Process
from backend.embedded.service import MANAGE
from tests.acceptance.canary import CANARY, SENTINEL, Bird, package
from tests.stacks.fixtures import make_stack
from tests.stacks.machine import Log, wait_until
from tests.stacks.service import Service, running

NAMES = ("embedded", "postgres-rabbitmq")
KEYS = {"timestamp", "level", "logger", "event", "trace_id", "pid"}
LEVELS = {"debug", "info", "warning", "error", "critical"}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    settings = {"LOG_FORMAT": "json", "LOG_LEVEL": "debug"}
    with running(make_stack(request, request.param), **settings, **package(tmp_path)) as service:
        yield service


def read(line: str) -> dict[str, Any]:
    """The line, once it is found to be one."""
    found = json.loads(line)
    assert isinstance(found, dict), line
    assert set(found) >= KEYS, line
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["timestamp"]), line
    assert re.fullmatch(r"[0-9a-f]{32}", found["trace_id"]), line
    assert found["level"] in LEVELS, line
    return found


def test_no_line_holds_what_was_sent(service: Service) -> None:
    bird = Bird(service)
    bird.fly()
    service.stop()
    lines = service.log.lines
    told = [read(line) for line in lines]

    assert [line for line in lines if CANARY in line.lower()] == []
    assert [line for line in lines if any(secret in line for secret in bird.secrets)] == []

    (sentinel,) = [line for line in told if SENTINEL in line["event"]]  # else nothing was looked at
    assert (sentinel["task"], sentinel["attempt"]) == ("say_text", 1)
    assert {line["logger"] for line in told} >= {"downbeat.executor", "downbeat.door", "downbeat"}
    failed = {line["trace_id"] for line in told if "exceptions" in line}
    assert len(bird.references) >= 3
    assert failed >= set(bird.references)
    types = {each["type"] for line in told for each in line.get("exceptions", ())}
    assert types >= {"ValueError", "KeyError", "SystemExit", "ExceptionGroup", "OSError [EIO]"}
    assert any(line["event"].startswith("The thread ") for line in told)
    for line in told:
        if line["logger"] == "downbeat.executor":
            assert line["trace_id"] == line["run"].replace("-", ""), line


def test_parts_that_start_alone_write_such_lines_too(service: Service) -> None:
    port, log = spare_port(), Log()
    commands = {
        "web": (sys.executable, "-m", "backend.web"),
        "worker": (*MANAGE, "worker"),
        "conductor": (*MANAGE, "conductor"),
    }
    env = {**service.env, "PORT": str(port)}
    parts = [Process(name, each, log.say, env, service.home) for name, each in commands.items()]
    try:
        assert wait_until(lambda: "ready, with the tasks" in log.tail(), 60), log.tail()
        assert wait_until(lambda: "Uvicorn running" in log.tail(), 60), log.tail()
    finally:
        for part in parts:
            part.terminate()
        is_over = wait_until(lambda: all(each.exit_code() is not None for each in parts), 60)
        for part in parts:
            part.kill()
    assert is_over, log.tail()
    told = [read(line) for line in log.lines]
    assert len({line["pid"] for line in told}) > 1
    assert any("leaving" in line["event"] for line in told)
