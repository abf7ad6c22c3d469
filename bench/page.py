"""The table of docs/performance.md: what Downbeat costs, beside what a team would have written."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs/performance.md"
RESULT = Path(__file__).parent / "results/bench.json"
BEGIN, END = "<!-- the table of costs -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Row:
    """One kind of work; how many times cheaper than the tutorial stack it must be, and the aim."""

    work: str
    text: str
    least: float | None = None
    aim: str = ""


ROWS = (
    Row("start", "start a run: the mutation, CPU of the web process", 3, "0.82 ms"),
    Row("read", "a run's status by its id: CPU of the web process", 4, "1 ms"),
    Row("page", "the twenty newest runs: CPU of the web process"),
    Row("worker", "perform a run that does next to nothing: CPU of the worker", 2.5, "1.7 ms"),
)
OTHERS = ("tutorial", "JavaScript")


def table(report: dict[str, Any]) -> str:
    """All rows: medians, how many times cheaper Downbeat is, and what is to be reached."""
    costs = report["costs"]
    lines = [
        "| work | Downbeat | tutorial | | at least | JavaScript | | aim |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        own = costs["Downbeat"][row.work]["cpu_ms"]["median"]
        cells = [row.text, f"{own:.2f} ms"]
        for other in OTHERS:
            theirs = costs[other][row.work]["cpu_ms"]["median"]
            cells += [f"{theirs:.2f} ms", f"{theirs / own:.2f}x"]
            if other == "tutorial":
                cells.append("" if row.least is None else f"{row.least:g}x")
        lines.append(f"| {' | '.join([*cells, row.aim])} |")
    return "\n".join([*lines, "", *_others(report)])


def _others(report: dict[str, Any]) -> Iterator[str]:
    """What has no yardstick beside it."""
    costs, latency = report["costs"]["Downbeat"], report["latency"]
    bulk, start = (costs[work]["cpu_ms"]["median"] for work in ("bulk", "start"))
    watched, floor = (latency[name]["median"] for name in ("watched_ms", "floor_ms"))
    memory = report["memory_mb"]
    yield "| | measured | at least | aim |"
    yield "| --- | --- | --- | --- |"
    yield (
        f"| each of 1,000 runs that one request starts: CPU of the web process | {bulk:.2f} ms,"
        f" {start / bulk:.1f}x cheaper than alone | 10x | 0.1 ms |"
    )
    yield (
        f"| from the mutation to the result over a subscription, the median | {watched:.1f} ms,"
        f" {watched / floor:.1f} times Celery's floor of {floor:.1f} ms | 2 | 1.3 |"
    )
    bare, tracked = (report["progress"][name] for name in ("bare_ns", "tracked_ns"))
    yield (
        f"| a step of an empty loop under `ctx.track` | {tracked:.0f} ns instead of {bare:.0f} |"
        " 5 % more | |"
    )
    yield f"| memory of the web process, at rest | {memory['web']:.0f} MB | 150 MB | |"
    yield f"| memory of a worker's process, at rest | {memory['worker']:.0f} MB | 120 MB | |"


def renewed(text: str, report: dict[str, Any]) -> str:
    """The page with this report's table between the marks."""
    fresh = f"{BEGIN}\n\n{table(report)}\n\n{END}"
    return re.sub(f"{BEGIN}.*{END}", lambda _: fresh, text, flags=re.DOTALL)


def write(report: dict[str, Any]) -> None:
    PAGE.write_text(renewed(PAGE.read_text(), report))


def kept() -> dict[str, Any]:
    report: dict[str, Any] = json.loads(RESULT.read_text())
    return report
