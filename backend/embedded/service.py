"""The whole service on one machine: what runs, in which order, and what is said about it."""

import os
import shlex
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from backend import config
from backend.embedded import home, ready, redis_server
from backend.embedded.process import Say
from backend.embedded.supervisor import Part, Supervisor
from backend.logs import as_json_line

ROOT = Path(__file__).resolve().parents[2]
MANAGE = (sys.executable, str(ROOT / "manage.py"))
RUNS_GRACE_SECONDS = 1.5  # for running work; what is given back then ends within the limit too
GRACE_SECONDS = 3  # for open requests and streams at shutdown; the supervisor's limit is above it


def main() -> int:
    """Run until Ctrl-C or SIGTERM; 0 after a clean stop, 1 when the start was refused."""
    home.fill_standard_streams()
    settings = config.load()
    try:
        home.prepare(settings.home)
        home.check_port(settings.host, settings.port)
        return _serve(settings)
    except home.StartError as refusal:
        print(refusal, file=sys.stderr)
        return 1


def _serve(settings: config.Config) -> int:
    say = say_as_json if settings.logs_json else say_as_text
    supervisor = Supervisor(parts(settings), say, _environment(settings))
    supervisor.listen()
    say("downbeat", f"starting on {ready.base_url(settings.host, settings.port)}")
    # With Django's checks, of which one builds the schema: what cannot be built stops the start.
    if code := supervisor.first("migrate", (*MANAGE, "migrate", "--verbosity", "0")):
        say("downbeat", "the service cannot start: see the lines above")
        return code
    threading.Thread(target=_announce, args=(settings, supervisor, say), daemon=True).start()
    supervisor.run()
    return 0


def parts(settings: config.Config) -> list[Part]:
    """What runs, in the order of its start."""
    found = [
        Part("web", (sys.executable, "-m", "backend.web", "--grace", str(GRACE_SECONDS))),
        Part("worker", (*MANAGE, "worker")),
        Part("conductor", (*MANAGE, "conductor")),
    ]
    if settings.needs_embedded_redis:
        home.prepare_socket_folder(settings.redis_socket.parent)
        server = redis_server.command(settings.redis_socket)
        found.insert(0, Part("redis", server, stops_last=True))
    return found


def _environment(settings: config.Config) -> dict[str, str]:
    """The home as an absolute path, so that all parts mean the same one; lines as they come."""
    return {
        **os.environ,
        "DOWNBEAT_HOME": str(settings.home),
        "TMPDIR": str(home.empty_scratch(settings.home)),
        "PYTHONUNBUFFERED": "1",
        "SHUTDOWN_SECONDS": str(min(settings.shutdown_seconds, RUNS_GRACE_SECONDS)),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }


def private_environment(folder: Path, port: int) -> dict[str, str]:
    """This process's environment without its settings of Downbeat, for a service apart.

    Start it with `folder` as the working directory too, so that no `.env` is read.
    """
    names = config.Config.model_fields
    kept = {key: value for key, value in os.environ.items() if key.lower() not in names}
    own = {"DOWNBEAT_HOME": str(folder), "PORT": str(port), "PYTHONPATH": str(ROOT)}
    return {**kept, **own}


def say_as_text(name: str, line: str) -> None:
    """One line of output, after the name of who said it."""
    _print(f"{name:<9} | {line}")


def say_as_json(name: str, line: str) -> None:
    """One line of output as a JSON object, which a line of the log is already."""
    if line:
        _print(as_json_line(name, line))


def _print(line: str) -> None:
    with suppress(OSError):  # the reader went away: the service stays, its pipes are still emptied
        # One write: the parts' threads say their lines at the same time.
        print(f"{line}\n", end="", flush=True)


def _announce(settings: config.Config, supervisor: Supervisor, say: Say) -> None:
    started = time.monotonic()
    name = settings.allowed_hosts[0] if settings.allowed_hosts else settings.host
    check = partial(ready.is_ready, settings.host, settings.port, name.lstrip(".*") or "localhost")
    if ready.wait(check, lambda: supervisor.is_stopping):
        seconds = time.monotonic() - started
        url = ready.base_url(settings.host, settings.port)
        for line in (
            f"ready after {seconds:.1f} s",
            f"  GraphQL  {url}/graphql",
            f"  a token  {_shown(MANAGE)} api_token NAME",
            "  stop     Ctrl-C",
        ):
            say("downbeat", line)


def _shown(command: tuple[str, ...]) -> str:
    """A command as one would type it in this folder."""
    return shlex.join(os.path.relpath(word) for word in command)
