"""Downbeat beside what a team would have written instead, in alternating rounds.

    python -m bench [--rounds 5] [--requests 400]

Starts PostgreSQL, Redis and every stack by itself, on spare ports. The figures go to
bench/results/bench.json, and as a table to docs/performance.md. It takes about ten minutes; let
nothing else run meanwhile.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

from bench import latency, page, progress
from bench.contenders import Contender, Downbeat, Tutorial, contenders, servers
from bench.costs import Bench, Cost, spread
from bench.watchers import memory_mb

RESULT = Path(__file__).parent / "results/bench.json"
SAMPLES = 100  # of one round of latency
BULK = 1_000  # runs of one request
WORK = ("start", "worker", "beside", "read", "page", "bulk")


def costs(found: list[Contender], rounds: int, requests: int) -> dict[str, dict[str, Any]]:
    """The cost of each kind of work, by contender."""
    kept = {each.name: {work: Cost() for work in WORK} for each in found}
    benches = [Bench(each) for each in found]
    for number in range(rounds):
        for bench in benches if number % 2 == 0 else reversed(benches):
            cost = kept[bench.contender.name]
            bench.start(requests, cost["start"], cost["worker"], cost["beside"])
            bench.read(requests, cost["read"])
            bench.page(requests, cost["page"])
            if isinstance(bench.contender, Downbeat):
                bench.bulk(BULK, cost["bulk"])
            print(f"round {number + 1}: {bench.contender.name}", flush=True)
    return {
        name: {work: cost.as_json() for work, cost in works.items()} for name, works in kept.items()
    }


def latencies(found: list[Contender], redis_url: str, rounds: int) -> dict[str, Any]:
    """Milliseconds until a watched result is known, and until Celery's own task begins."""
    downbeat = next(each for each in found if isinstance(each, Downbeat))
    watched, floor = [], []
    for _ in range(rounds):
        watched += latency.watched(downbeat, SAMPLES)
        floor += latency.floor(redis_url, SAMPLES)
    return {"watched_ms": spread(watched), "floor_ms": spread(floor)}


def memory(downbeat: Downbeat) -> dict[str, float]:
    """The resident MB of the web process, and of the largest of the worker's, at rest."""
    return {part: round(max(map(memory_mb, downbeat.tree(part)))) for part in ("web", "worker")}


def measure(rounds: int, requests: int) -> dict[str, Any]:
    with servers() as (database, redis), contenders(database, redis) as found:
        tutorial = next(each for each in found if isinstance(each, Tutorial))
        downbeat = next(each for each in found if isinstance(each, Downbeat))
        return {
            "machine": f"{os.cpu_count()} cores, {platform.system()}",
            "python": platform.python_version(),
            "rounds": rounds,
            "requests": requests,
            "memory_mb": memory(downbeat),
            "costs": costs(found, rounds, requests),
            "latency": latencies(found, tutorial.redis_url, rounds),
            "progress": progress.loop(downbeat, rounds),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=400, help="of each kind in each round")
    given = parser.parse_args()
    report = measure(given.rounds, given.requests)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    page.write(report)
    print(page.table(report))


if __name__ == "__main__":
    main()
