"""Run a mixed load while parts of the service are killed, and let the oracle judge what is left.

    python -m bench.soak --stack postgres-redis [--seconds 900] [--seed 1] [--rate 40]

The same load goes first for a while without any fault, to compare with. Everything is private to
the soak and runs at Downbeat's published defaults. The report goes to bench/results/; exit code 1
when a promise was broken.
"""

import argparse
import json
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.embedded.service import MANAGE
from backend.embedded.supervisor import Part, Supervisor
from bench.soak import page
from bench.soak.chaos import Chaos
from bench.soak.client import Client
from bench.soak.figures import spread
from tests.faults.scene import ROOT, environment, verdict
from tests.stacks.fixtures import NAMES
from tests.stacks.private import private_stack
from tests.stacks.processes import descendants
from tests.stacks.service import PARTS, Service, running

CLIENTS = 4
ACT_SECONDS = 7.0  # between two acts, on average
DRAIN_SECONDS = 900
OPEN = """{ runs(first: 1, filter: {statuses: [SCHEDULED, QUEUED, RUNNING, CANCELING]}) {
  totalCount nodes { id status task { name } } } }"""
# Counted as always, and never reached.
RATES = {"REQUESTS_PER_MINUTE": "1000000", "COST_PER_MINUTE": "1000000000"}
PROMISES = ("lost", "unattributed_repeats", "stale_writes", "contradictions")


@contextmanager
def others_beside(service: Service, workers: int) -> Iterator[None]:
    """So many more workers, and a second conductor, beside those of the service."""
    names = ("conductor", *["worker"] * workers)
    parts = [Part(name, (*MANAGE, name)) for name in names]
    env = {**service.env, "PYTHONUNBUFFERED": "1"}
    supervisor = Supervisor(parts, lambda name, line: service.log.say(name, line), env)
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        supervisor.stop()
        thread.join()


def loaded(
    service: Service, phase: str, seconds: float, rate: float, seed: int, chaos: Chaos | None
) -> dict[str, Any]:
    """The load for so long; what the clients saw."""
    token = service.token("soak")
    clients = [
        Client(f"{phase}{n}", service.port, token, rate / CLIENTS, f"{seed} {n}",
               Path(service.env["LEDGER"]).with_name("acknowledged"))
        for n in range(CLIENTS)
    ]  # fmt: skip
    threads: Sequence[Client | Chaos] = [*clients, *([chaos] if chaos else [])]
    began = time.time()
    for thread in threads:
        thread.start()
    while time.time() < began + seconds and not any(t.broken for t in threads):
        time.sleep(0.5)
    if chaos is not None:  # first, so that the clients get their answers
        chaos.over.set()
        chaos.join()
    for client in clients:
        client.over.set()
    for client in clients:
        client.join(timeout=120)
    broken = [t.broken for t in threads if t.broken] + [c.name for c in clients if c.is_alive()]
    assert not broken, broken
    answers = [took for client in clients for _, took in client.tally.answers]
    return {
        "between": [began, time.time()],
        "started": sum(client.tally.starts for client in clients),
        "canceled": sum(client.tally.canceled for client in clients),
        "sent_again": sum(client.tally.again for client in clients),
        "answers": spread(answers),
    }


def drain(service: Service) -> float:
    """Wait until no run is open; the seconds it took."""
    token, began = service.token("soak"), time.monotonic()
    while True:
        try:
            page = service.graphql(OPEN, token=token)["data"]["runs"]
        except (OSError, ValueError, KeyError, TypeError):  # still coming back
            page = {"nodes": [None]}
        if not page["nodes"]:
            return time.monotonic() - began
        if time.monotonic() > began + DRAIN_SECONDS:
            print(f"not drained: {page}", file=sys.stderr)
            return time.monotonic() - began
        time.sleep(0.5)


def resources(strangers: Collection[int]) -> dict[str, dict[str, int]]:
    """Open files, threads and resident memory (MB) of all main processes, by part."""
    found: dict[str, dict[str, int]] = {}
    for process in descendants(os.getpid(), but=strangers):
        for name in ("web", "worker", "conductor"):
            words = PARTS[name].replace("\\", "")
            if words in process.command and "guard.py" not in process.command:
                usage = found.setdefault(name, {"processes": 0, "files": 0, "threads": 0, "mb": 0})
                place = Path(f"/proc/{process.pid}")
                if not place.exists():
                    continue
                pages = int((place / "statm").read_text().split()[1])
                usage["processes"] += 1
                usage["files"] += len(list((place / "fd").iterdir()))
                usage["threads"] += len(list((place / "task").iterdir()))
                usage["mb"] += pages * os.sysconf("SC_PAGE_SIZE") // 2**20
    return found


def asked(env: dict[str, str], *command: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=env, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def soak(
    name: str,
    folder: Path,
    *,
    seconds: float,
    quiet: float,
    seed: int,
    rate: float,
    pause: float = ACT_SECONDS,
) -> dict[str, Any]:
    """The report: figures, and each broken promise as a sentence.

    Ledger, log and acts stay in the (empty) folder, for who wants to know how it came to that.
    """
    print(f"soak of {name}: seed {seed}, {seconds:g} s, {rate:g} runs/s, in {folder}", flush=True)
    env = environment(folder, **RATES)
    env["FAILPOINTS"] = ""
    strangers = {process.pid for process in descendants(os.getpid())}
    with private_stack(name, durable=True) as private, running(private.stack, **env) as service:
        with others_beside(service, workers=2):
            loaded(service, "warm", min(10.0, quiet), rate, seed, None)
            calm = loaded(service, "calm", quiet, rate, seed, None)
            drain(service)
            before = resources(strangers)
            chaos = Chaos(f"{seed} {name}", pause, private.servers, strangers)
            storm = loaded(service, "storm", seconds, rate, seed, chaos)
            storm["drain_seconds"] = round(drain(service), 1)
            time.sleep(5)
            after = resources(strangers)
            stranger = service.graphql("{ runs { totalCount } }", token=service.token("eve"))
            (folder / "acts").write_text(json.dumps(chaos.as_json()))
            phases = {"undisturbed": calm.pop("between"), "disturbed": storm.pop("between")}
            (folder / "phases").write_text(json.dumps(phases))
            found = verdict(service.env, folder)
            places = (str(folder / "acts"), str(folder / "phases"))
            figures = asked(dict(service.env), "bench.soak.figures", *places)
        (folder / "log").write_text("\n".join(service.log.lines))
    counts = chaos.counts()
    return {
        "stack": name,
        "seed": seed,
        "seconds": seconds,
        "rate": rate,
        "runs": found["runs"],
        "attempts": found["attempts"],
        "by_status": found["by_status"],
        "by_outcome": found["by_outcome"],
        "acts": counts,
        "kills": sum(count for kind, count in counts.items() if kind.startswith("kill")),
        **{promise: found[promise] for promise in PROMISES},
        "seen_by_a_stranger": stranger["data"]["runs"]["totalCount"],
        "said_to_have_repeated": found["repeated"],
        "recoveries": figures["recoveries"],
        "undisturbed": {**calm, "short_runs": figures["runs"]["undisturbed"]},
        "disturbed": {**storm, "short_runs": figures["runs"]["disturbed"]},
        "resources": {"before": before, "after": after},
        "machine": f"{os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
    }


def is_clean(report: dict[str, Any]) -> bool:
    """Whether every promise was kept, and nothing was lost but to a kill or stop."""
    is_private = report["seen_by_a_stranger"] == 0
    is_explained = not report["recoveries"]["unexplained"]
    return is_private and is_explained and not any(report[promise] for promise in PROMISES)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", choices=NAMES, default="embedded")
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--quiet", type=float, default=120, help="seconds of load without faults")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--rate", type=float, default=40, help="runs started each second")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    report = soak(
        given.stack,
        Path(tempfile.mkdtemp(prefix="downbeat-soak-")),
        seconds=given.seconds,
        quiet=given.quiet,
        seed=seed,
        rate=given.rate,
    )
    path = ROOT / "bench/results" / f"soak-{given.stack}-{seed}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    page.write()
    print(json.dumps(report, indent=2))
    print(f"written: {path.relative_to(ROOT)}")
    return 0 if is_clean(report) else 1


if __name__ == "__main__":
    sys.exit(main())
