"""The tables of docs/scaling.md, made from the reports of bench.scale and bench.throughput.

python -m bench.scale_page
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs/scaling.md"
DEPTH, PROCESSES = "depth", "processes"
END = "<!-- end of the tables -->\n"
RATES = (100, 1_000, 10_000)  # runs a second
FULL = 0.7  # the part of a core that is planned with: beyond it answers wait for each other


def reports() -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in RESULTS.glob("scale-*.json")]
    return sorted(found, key=lambda report: int(report["rows"]))


def found_by(plans: list[str]) -> str:
    """The scans of the runs in the plans, by the name of what they scan."""
    names: dict[str, None] = {}
    for plan in plans:
        for line in plan.splitlines():
            if "never executed" in line:
                continue
            if match := re.search(r"(Index Only Scan|Index Scan)\b.* using (\w+) on (\w+)", line):
                names[match[2]] = None
            elif match := re.search(r"Bitmap Index Scan on (\w+)", line):
                names[match[1]] = None
            elif match := re.search(r"Seq Scan on (\w+)", line):
                names[f"all of {match[1]}"] = None
    return ", ".join(f"`{name}`" for name in names)


def _times(found: list[dict[str, Any]]) -> Iterator[str]:
    """One row for each deed: its time at each number of runs. Names with a number differ."""
    yield _row(["ms, of all code and all queries", *_heads(found), "found by"])
    yield _row(["---"] * (len(found) + 2))
    for deeds in zip(*(report["deeds"] for report in found), strict=True):
        name = re.sub(r"page [\d,]+", "the last page", deeds[-1]["name"])
        times = [f"{deed['ms']:.1f}" for deed in deeds]
        yield _row([name, *times, found_by(deeds[-1]["plans"])])


def _sizes(found: list[dict[str, Any]]) -> Iterator[str]:
    yield _row(["MB", *_heads(found)])
    yield _row(["---"] * (len(found) + 1))
    for table, parts in found[-1]["bytes"].items():
        for part in parts:
            name = f"rows of `{table}`" if part == "rows" else f"`{part}`"
            sizes = [f"{report['bytes'][table][part] / 1e6:,.1f}" for report in found]
            yield _row([name, *sizes])


def _heads(found: list[dict[str, Any]]) -> list[str]:
    return [f"{report['rows']:,} runs" for report in found]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rates(report: dict[str, Any]) -> Iterator[str]:
    """How many a second this machine does, by processes."""
    yield _row(["processes", "starts a second, by web processes", "runs a second, by worker slots"])
    yield _row(["---"] * 3)
    for count in report["runs"]:
        starts = report["starts"].get(count)
        yield _row([count, f"{starts:,.0f}" if starts else "", f"{report['runs'][count]:,.0f}"])


def _costs(report: dict[str, Any]) -> Iterator[str]:
    """What each part spends on a run, and how many cores it takes at a rate."""
    yield _row(["CPU of", "for a run", *(f"cores at {rate:,}/s" for rate in RATES)])
    yield _row(["---"] * (2 + len(RATES)))
    parts = report["cpu_ms"][list(report["cpu_ms"])[1]]
    costs = {"web, for starts one by one": report["start_cpu_ms"]["web"]}
    costs |= {"web, for starts in bulk" if part == "web" else part: parts[part] for part in parts}
    for part, ms in costs.items():
        cores = [f"{rate * ms / 1_000 / FULL:.1f}" for rate in RATES]
        yield _row([part, f"{ms:.2f} ms", *cores])


def _writes(report: dict[str, Any]) -> str:
    """What a run writes, from its start to its end."""
    wal, updates, hot = (report[name] for name in ("wal_bytes", "updates", "hot_updates"))
    return (
        f"A run writes {wal:,} bytes of PostgreSQL's log (without full pages) from its start to\n"
        f"its end, and updates its row {updates:.1f} times, {hot:.1f} of them without new entries"
        " in indexes."
    )


def _between(mark: str, text: str, lines: Iterable[str]) -> str:
    """The page with these lines between the marks."""
    begin = f"<!-- the tables of {mark} -->\n"
    fresh = "".join((begin, "\n", *(f"{line}\n" for line in lines), "\n", END))
    return re.sub(f"{begin}.*?{END}", lambda _: fresh, text, flags=re.DOTALL)


def renewed(text: str) -> str:
    """The page with the tables of all reports that are there."""
    if found := reports():
        text = _between(DEPTH, text, (*_times(found), "", *_sizes(found)))
    if (file := RESULTS / "throughput.json").exists():
        report = json.loads(file.read_text())
        text = _between(
            PROCESSES, text, (*_rates(report), "", *_costs(report), "", _writes(report))
        )
    return text


def write() -> None:
    PAGE.write_text(renewed(PAGE.read_text()))


if __name__ == "__main__":
    write()
