"""What it costs a tight loop to report each step as progress."""

import statistics

from bench.contenders import Downbeat
from bench.costs import Session
from tests.stacks.machine import wait_until

STEPS = 1_000_000
WAIT_SECONDS = 60
SPIN = """mutation($steps: Int!, $isTracked: Boolean!) {
  spin(input: {steps: $steps, isTracked: $isTracked}) { run { id } errors { message } } }"""
READ = "query($id: ID!) { run(id: $id) { isFinal revision resultJson } }"


def loop(downbeat: Downbeat, rounds: int) -> dict[str, float]:
    """Nanoseconds a step without and with progress, and the row writes in a second."""
    session = Session(downbeat.port, downbeat.token)
    bare, tracked, writes = [], [], []
    for _ in range(rounds):
        bare.append(_spin(session, is_tracked=False)[0])
        seconds, revisions = _spin(session, is_tracked=True)
        tracked.append(seconds)
        writes.append(revisions / max(seconds, 1))
    return {
        "bare_ns": round(statistics.median(bare) / STEPS * 1e9, 1),
        "tracked_ns": round(statistics.median(tracked) / STEPS * 1e9, 1),
        "writes_per_second": round(max(writes), 1),
    }


def _spin(session: Session, *, is_tracked: bool) -> tuple[float, int]:
    """The seconds of the loop, and how many revisions it made besides claim and end."""
    data = session.ask((SPIN, {"steps": STEPS, "isTracked": is_tracked}))
    run = {"id": data["spin"]["run"]["id"]}
    assert wait_until(lambda: session.ask((READ, run))["run"]["isFinal"], WAIT_SECONDS)
    found = session.ask((READ, run))["run"]
    return float(found["resultJson"]["seconds"]), found["revision"] - 3
