"""Lines are JSON objects that tell where to look, and nothing of what was worked on."""

import errno
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection
from structlog.contextvars import bound_contextvars

from accounts.models import User
from backend.logs import CHAIN, FRAMES, Formatter, as_json_line, configuration

CANARY = "canary"

Lines = list[dict[str, Any]]
log = logging.getLogger("downbeat.test")
others = logging.getLogger("another.package")


def raised(error: Exception, over: Exception | None = None) -> Exception:
    try:
        raise error from over
    except Exception as caught:
        return caught


def test_a_line_says_when_how_severe_who_what_and_in_which_trace(log_lines: Lines) -> None:
    with bound_contextvars(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", attempt=2):
        log.warning("%d of %s", 1, "many")
    log.error("again")
    log.error("and again")
    line, *unbound = log_lines
    timestamp, pid = line.pop("timestamp"), line.pop("pid")
    assert timestamp[10] == "T"
    assert timestamp[-1] == "Z"
    assert isinstance(pid, int)
    assert line == {
        "level": "warning",
        "logger": "downbeat.test",
        "event": "1 of many",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "attempt": 2,
    }
    assert len({each["trace_id"] for each in unbound}) == 1  # the process's own
    assert len(unbound[0]["trace_id"]) == 32


def test_an_exception_is_told_by_class_code_and_frames(log_lines: Lines) -> None:
    cause = raised(PermissionError(errno.EACCES, CANARY, CANARY))
    group = raised(ExceptionGroup(CANARY, [raised(KeyError(CANARY))]), over=cause)
    group.add_note(CANARY)
    log.error("It failed: %s", group, exc_info=group)
    (line,) = log_lines
    assert line["event"] == "It failed: ExceptionGroup"
    types = [each["type"] for each in line["exceptions"]]
    assert types == ["ExceptionGroup", "KeyError", "PermissionError [EACCES]"]
    for each in line["exceptions"]:
        assert each["frames"][-1].startswith(__file__)
        assert each["frames"][-1].endswith(" raised")
    assert CANARY not in json.dumps(line)


@pytest.mark.parametrize(
    "say",
    [
        lambda error: others.error("It failed: %s", error, exc_info=error),
        lambda error: others.error("It failed: %r", error),
        lambda error: others.error("It failed: %(exc)s", {"exc": error}),
        lambda error: others.error("It failed: %(exc)s", {"exc": repr(error)}, exc_info=error),
        lambda error: others.error(str(error), exc_info=error),
        lambda error: others.error(error),
        lambda error: others.error(f"It failed\nfuture: <{error!r:.15}", exc_info=error),
    ],
)
def test_no_library_quotes_an_exception(log_lines: Lines, say: Callable[[Exception], None]) -> None:
    say(raised(ValueError(f"{CANARY} \"and\" 'more'"), over=raised(KeyError(CANARY))))
    (line,) = log_lines
    assert CANARY not in json.dumps(line)
    assert "ValueError" in json.dumps(line) or line["event"] == "It failed"


def test_a_line_with_wrong_arguments_is_a_line() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%d of %d", (CANARY,), None)
    line = json.loads(Formatter(as_json=True, debug=False).format(record))
    assert line["event"] == "%d of %d"


def test_endless_exceptions_make_a_bounded_line(log_lines: Lines) -> None:
    def deeper(depth: int) -> None:
        deeper(depth + 1)

    error: Exception = ValueError()
    for _ in range(50):
        error = raised(ValueError(), over=error)
    log.error("long", exc_info=error)
    error.__cause__ = error
    log.error("round", exc_info=error)
    try:
        deeper(0)
    except RecursionError:
        log.exception("deep")
    counts = [len(line["exceptions"]) for line in log_lines]
    assert counts == [CHAIN, 1, 1]
    assert len(log_lines[2]["exceptions"][0]["frames"]) == FRAMES


@pytest.mark.django_db
@pytest.mark.database
def test_a_database_tells_its_code_and_no_value(log_lines: Lines) -> None:
    user = User.objects.create(username=CANARY)
    with pytest.raises(IntegrityError) as caught:
        User.objects.create(pk=user.pk, username=CANARY)
    log.error("It failed: %s", caught.value)
    is_postgres = connection.vendor == "postgresql"
    code = "23505" if is_postgres else "SQLITE_CONSTRAINT_PRIMARYKEY"
    assert log_lines[0]["event"] == f"It failed: django.db.utils.IntegrityError [{code}]"


def test_what_a_server_says_of_itself_is_told(log_lines: Lines) -> None:
    log.error("%s", OperationalError(f"connection refused\nDETAIL: Key (x)=({CANARY})"))
    log.error("%s", DataError(f"invalid input: {CANARY}"))
    told, silent = (line["event"] for line in log_lines)
    assert told == "django.db.utils.OperationalError: connection refused"
    assert silent == "django.db.utils.DataError"


def test_in_development_exceptions_speak() -> None:
    formatter = Formatter(as_json=True, debug=True)
    error = raised(ValueError("plain words"))
    info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed: %s", (error,), info)
    line = json.loads(formatter.format(record))
    assert line["event"] == "failed: ValueError: plain words"
    assert line["exceptions"][0]["type"] == "ValueError: plain words"


def test_a_person_gets_text() -> None:
    formatter = Formatter(as_json=False, debug=False)
    error = raised(ValueError(CANARY))
    info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x.y", logging.ERROR, __file__, 1, "failed", (), info)
    plain = formatter.format(record)
    head, kind, *frames = plain.splitlines()
    assert head.split(" ", 1)[1] == "ERROR x.y: failed"
    assert kind == "  ValueError"
    assert frames[-1].startswith(f"    {__file__}:")
    with bound_contextvars(run="7"):
        assert "(run=7)" in formatter.format(record)


def test_what_ends_a_thread_and_a_warning_are_lines(tmp_path: Path) -> None:
    program = """if True:
        import os, threading, warnings
        import django
        django.setup()
        thread = threading.Thread(target=lambda: {}[os.environ["CANARY"]], name="heartbeat")
        thread.start()
        thread.join()
        warnings.warn("This is old.")
    """
    own = {"CANARY": CANARY, "LOG_FORMAT": "json", "DOWNBEAT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program],
        env={**os.environ, **own, "DJANGO_SETTINGS_MODULE": "backend.settings"},
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    end, warning = map(json.loads, done.stderr.splitlines())
    assert end["event"] == "The thread heartbeat has ended."
    assert end["exceptions"][0]["type"] == "KeyError"
    assert "This is old." in warning["event"]
    assert CANARY not in done.stderr


def test_libraries_say_nothing_below_info() -> None:
    made = configuration(as_json=True, level="DEBUG", debug=False, packages=["acme.jobs"])
    levels = {name: each.get("level") for name, each in made["loggers"].items()}
    assert (levels["downbeat"], levels["acme"]) == ("DEBUG", "DEBUG")
    assert (made["root"]["level"], levels["django"]) == ("INFO", "INFO")
    made = configuration(as_json=True, level="ERROR", debug=False, packages=[])
    assert made["root"]["level"] == "ERROR"


def test_what_a_program_prints_becomes_a_line() -> None:
    line = as_json_line("redis", "# Ready\tto go")
    assert json.loads(line)["event"] == "# Ready\tto go"
    assert json.loads(line)["logger"] == "redis"
    assert set(json.loads(line)) == {"timestamp", "level", "logger", "event", "trace_id", "pid"}
    assert as_json_line("web", line) == line
    assert json.loads(as_json_line("web", "[1]"))["event"] == "[1]"
    assert json.loads(as_json_line("web", "{'a': 1}"))["event"] == "{'a': 1}"
