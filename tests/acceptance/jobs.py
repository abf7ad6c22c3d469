"""A package of tasks for the acceptance tests, and the settings of a service that knows it.

Each attempt appends a line to a ledger outside the database: what was done is counted there.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.client import Client

ROOT = Path(__file__).parents[2]
QUICK = {"LEASE_SECONDS": "3", "HEARTBEAT_SECONDS": "1", "RECOVER_SECONDS": "0.5"}
SOURCE = '''"""Tasks that sleep, fail, listen or do not, and leave a line for each attempt."""
import os, signal, time
from pathlib import Path
from pydantic import BaseModel
from tasks import Context, Retry, TimeLimit, task

class Lines(BaseModel):
    lines: int

def line(ledger: str) -> int:
    with open(ledger, "a") as file:
        file.write(f"{os.getpid()}\\n")
    return len(Path(ledger).read_text().split())

@task(on_lost="rerun")
def sleep_a_while(ctx: Context, *, seconds: float, ledger: str) -> None:
    line(ledger)
    for _ in ctx.track(range(int(seconds * 10))):
        time.sleep(0.1)

@task(on_lost="park")
def sleep_once(ctx: Context, *, seconds: float, ledger: str) -> None:
    line(ledger)
    time.sleep(seconds)

@task(on_lost="rerun")
def sleep_deaf(ctx: Context, *, seconds: float, ledger: str) -> None:
    line(ledger)
    time.sleep(seconds)

@task(on_lost="rerun", backoff=0.1)
def fail_twice(ctx: Context, *, ledger: str) -> Lines:
    done = line(ledger)
    ctx.log(f"try {done}", "warning")
    if done < 3:
        raise ConnectionError("not yet")
    return Lines(lines=done)

@task(on_lost="park", effects="gated")
def charge_and_die(ctx: Context, *, ledger: str, before: bool) -> Lines:
    if before and line(ledger + ".tries") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    def charge(key: str) -> int:
        done = line(ledger)
        if not before:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return Lines(lines=ctx.effect("charge", charge))

@task(on_lost="rerun", soft_time_limit=0.5, retries=0)
def dawdle(ctx: Context, *, ledger: str) -> None:
    try:
        time.sleep(20)
    except TimeLimit:
        line(ledger)
        raise

@task(on_lost="rerun", max_running=1)
def one_at_a_time(ctx: Context, *, ledger: str) -> None:
    line(ledger)
    assert not os.path.exists(ledger + ".busy")
    Path(ledger + ".busy").touch()
    time.sleep(0.3)
    os.unlink(ledger + ".busy")

@task(on_lost="rerun")
def chatter(ctx: Context, *, seconds: float, text: str, ledger: str) -> None:
    line(ledger)
    for _ in ctx.track(range(int(seconds * 20))):
        time.sleep(0.05)

@task(on_lost="rerun")
def write_digits(ctx: Context, *, times: int) -> None:
    with ctx.save("digits.txt", content_type="text/plain") as stream:
        stream.write(b"0123456789" * times)

@task(on_lost="rerun")
def do_nothing(ctx: Context) -> None:
    pass

@task(on_lost="rerun", queue="elsewhere")
def work_elsewhere(ctx: Context, *, ledger: str) -> None:
    line(ledger)
'''
FIELDS = """run { id status } replayed errors { field code message }"""


def with_jobs(folder: Path) -> dict[str, str]:
    """The settings of a service that knows these tasks, with quick leases."""
    package = folder / "night_jobs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "work.py").write_text(SOURCE)
    path = os.pathsep.join((str(folder), str(ROOT)))
    return {"TASK_PACKAGES": "tasks.definitions,night_jobs", "PYTHONPATH": path, **QUICK}


def mutation(name: str) -> str:
    """The text that starts this task."""
    given = name[0].upper() + name[1:] + "Input"
    return (
        f"mutation($input: {given}!, $options: RunOptions) {{ "
        f"{name}(input: $input, options: $options) {{ {FIELDS} }} }}"
    )


def begin(client: Client, name: str, options: dict[str, Any] | None = None, **given: Any) -> str:
    """Start the task; the run's id."""
    payload = client.ask(mutation(name), input=given, options=options)[name]
    assert payload["errors"] == []
    return str(payload["run"]["id"])


def until(condition: Callable[[], bool], seconds: float = 20) -> float:
    """Wait for it; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, f"nothing happened for {seconds} seconds"
        time.sleep(0.05)
    return time.monotonic() - began


def until_status(client: Client, run: str, status: str, seconds: float = 20) -> float:
    return until(lambda: client.read(run)["status"] == status, seconds)


def lines(ledger: Path) -> list[int]:
    """The processes that left a line, in their order."""
    return [int(pid) for pid in ledger.read_text().split()] if ledger.exists() else []
