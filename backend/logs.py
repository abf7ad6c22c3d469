"""How a line of the log looks, and what never gets into one.

All lines come by the standard library's logging, whoever writes them: Downbeat, Django, Celery or
uvicorn. A line has no message of an exception, which may repeat the input that it was raised over:
its class, code and frames say where to look. SECURITY.md tells the rest of the rules.
"""

import contextlib
import errno
import json
import logging
import logging.config
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from traceback import walk_tb
from typing import Any

from django.db.utils import OperationalError
from structlog.contextvars import get_contextvars
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict

from backend.trace import new_id

FRAMES = 50  # of each exception, the innermost
CHAIN = 10  # exceptions of one line
NEW_LINE = "\n"

_OF_PROCESS = new_id()
"""The trace id of lines that belong to no request and no attempt."""


def configuration(
    *, as_json: bool, level: str, debug: bool, packages: Iterable[str]
) -> dict[str, Any]:
    """The settings of Python's logging: one handler, which writes lines to standard error.

    With `debug` the messages of exceptions are told. Only Downbeat and the `packages` of the tasks
    may write lines below INFO: those of libraries hold SQL, frames and bodies.
    """
    libraries = "INFO" if level == "DEBUG" else level
    own = dict.fromkeys(("downbeat", *(name.partition(".")[0] for name in packages)), level)
    levels = {
        **own,
        "django": libraries,
        "django.request": "ERROR",  # a client's 4xx is the client's business
        "django.security": "CRITICAL",  # so are its Host header, its Origin, its forms
        "uvicorn.error": libraries,  # uvicorn asks this logger for the level itself
        "downbeat.http": "ERROR",  # uvicorn tells of each client that speaks no HTTP
        "downbeat.websocket": "WARNING",  # and of each socket that comes
        "celery.worker.strategy": "WARNING",
        "celery.app.trace": "WARNING",  # the run's own events say the same, durably
    }
    formatter = {"()": Formatter, "as_json": as_json, "debug": debug}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": libraries},
        "loggers": {
            **{name: {"level": level} for name, level in levels.items()},
            "uvicorn.access": {"propagate": False},  # it would tell the signatures of uploads
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Set logging up (Django's LOGGING_CONFIG), for exceptions that end a thread too."""
    logging.config.dictConfig(settings)
    logging.captureWarnings(True)
    threading.excepthook = _log_end_of_thread


def _log_end_of_thread(args: "threading.ExceptHookArgs") -> None:
    name = args.thread.name if args.thread else "unknown"
    logging.getLogger("downbeat").error("The thread %s has ended.", name, exc_info=args.exc_value)


class Formatter(ProcessorFormatter):
    """Lines as JSON objects, or as text for a terminal."""

    def __init__(self, *, as_json: bool, debug: bool) -> None:
        self._debug = debug
        render = JSONRenderer(ensure_ascii=False) if as_json else _as_text
        super().__init__(
            processors=[self._line, render], use_get_message=False, pass_foreign_args=True
        )

    def _line(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        record: logging.LogRecord = event["_record"]
        error = (event.get("exc_info") or (None, None))[1]
        line = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._text(record, event["positional_args"], error),
            "trace_id": _OF_PROCESS,
            "pid": record.process,
            **get_contextvars(),
        }
        if error is not None:
            line["exceptions"] = [self._told(each) for each in _chain(error)]
        return line

    def _text(self, record: logging.LogRecord, args: Any, error: BaseException | None) -> str:
        """The line's own words, with exceptions among its arguments by name."""
        if isinstance(record.msg, BaseException):
            return self._name(record.msg)
        text = str(record.msg)
        if isinstance(args, Mapping):
            args = {key: self._plain(value) for key, value in args.items()}
        elif args:
            args = tuple(self._plain(value) for value in args)
        if args:
            with contextlib.suppress(TypeError, ValueError, KeyError):  # else only the words
                text = text % args
        is_own = record.name.partition(".")[0] == "downbeat"
        return text if error is None or is_own or self._debug else _unquoted(text, error)

    def _plain(self, value: object) -> object:
        return self._name(value) if isinstance(value, BaseException) else value

    def _told(self, error: BaseException) -> dict[str, Any]:
        frames = [
            f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
            for frame, line in walk_tb(error.__traceback__)
        ]
        return {"type": self._name(error), "frames": frames[-FRAMES:]}

    def _name(self, error: BaseException) -> str:
        """The class, with a code of the system or the database.

        What OperationalError says is about the server, never about values; of more than one line
        the others may be.
        """
        code = _code(error)
        name = f"{_class_name(error)} [{code}]" if code else _class_name(error)
        if self._debug:
            return f"{name}: {error}"
        if isinstance(error, OperationalError):
            return f"{name}: {str(error).partition(NEW_LINE)[0]}"
        return name


def as_json_line(name: str, line: str) -> str:
    """What the program of this name has printed, as a line of the log; such a line as it is."""
    with contextlib.suppress(ValueError):
        if isinstance(json.loads(line), dict):
            return line
    return json.dumps(
        {
            "timestamp": _timestamp(time.time()),
            "level": "info",
            "logger": name,
            "event": line,
            "trace_id": _OF_PROCESS,
            "pid": os.getpid(),
        },
        ensure_ascii=False,
    )


def _timestamp(seconds: float) -> str:
    """In UTC, as RFC 3339 writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _code(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno)
    for each in (error, error.__cause__):
        for name in ("sqlstate", "sqlite_errorname"):
            if (code := getattr(each, name, None)) is not None:
                return str(code)
    return None


def _class_name(error: BaseException) -> str:
    kind = type(error)
    is_builtin = kind.__module__ == "builtins"
    return kind.__qualname__ if is_builtin else f"{kind.__module__}.{kind.__qualname__}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, those of its group, and those that it was raised over."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < CHAIN:
        error = waiting.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        over = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        waiting += [over] if over is not None else []
        waiting += reversed(getattr(error, "exceptions", ()))


def _unquoted(text: str, error: BaseException) -> str:
    """Another's line, which may quote the exception that it is about: its first line, without."""
    text = text.strip().partition(NEW_LINE)[0]
    for each in _chain(error):
        for quoted in (repr(each), str(each)):
            if quoted:
                text = text.replace(quoted, _class_name(each))
    return text


def _as_text(_logger: Any, _method: str, line: EventDict) -> str:
    """The same for a person, to whom the id of a process says nothing."""
    head = " ".join((line.pop("timestamp"), line.pop("level").upper(), f"{line.pop('logger')}:"))
    text, exceptions = line.pop("event"), line.pop("exceptions", [])
    if line["trace_id"] == _OF_PROCESS:
        del line["trace_id"]
    del line["pid"]
    bound = " ".join(f"{key}={value}" for key, value in line.items())
    lines = [f"{head} {text}" + (f" ({bound})" if bound else "")]
    for each in exceptions:
        lines += [f"  {each['type']}", *(f"    {frame}" for frame in each["frames"])]
    return "\n".join(lines)
