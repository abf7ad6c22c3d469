"""The table of soaks in docs/reliability.md, made from the reports in bench/results/.

python -m bench.soak.page
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench/results"
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- the table of soaks -->\n", "<!-- end of the table -->\n"
PARTS = ("web", "worker", "conductor")
NONE = "No report is kept yet: `make soak` writes one.\n"


def reports() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("soak-*.json"))]


def table(found: list[dict[str, Any]]) -> str:
    """A block for each figure that is promised, a column for each soak."""
    if not found:
        return NONE
    rows = [
        ("seed, seconds", [f"{r['seed']}, {r['seconds']:g}" for r in found]),
        ("runs", [f"{r['runs']:,}" for r in found]),
        ("kills", [f"{r['kills']}" for r in found]),
        *((kind, [str(r["acts"].get(kind, "-")) for r in found]) for kind in _kinds(found)),
        ("**lost runs**", [_count(r["lost"]) for r in found]),
        ("**unattributed repeats**", [_count(r["unattributed_repeats"]) for r in found]),
        ("**stale writes**", [_count(r["stale_writes"]) for r in found]),
        ("other contradictions", [_count(r["contradictions"]) for r in found]),
        ("attempts lost to a kill or stop", [_lost(r) for r in found]),
        ("runs that say `mayHaveRepeated`", [str(r["said_to_have_repeated"]) for r in found]),
        ("slowest recovery", [f"{r['recoveries']['slowest']} s" for r in found]),
        ("answer to a start, undisturbed", [_spread(r["undisturbed"]["answers"]) for r in found]),
        ("answer to a start, disturbed", [_spread(r["disturbed"]["answers"]) for r in found]),
        ("short run, undisturbed", [_spread(r["undisturbed"]["short_runs"]) for r in found]),
        ("short run, disturbed", [_spread(r["disturbed"]["short_runs"]) for r in found]),
        *((f"{part}: open files, threads, MB", [_usage(r, part) for r in found]) for part in PARTS),
    ]
    head = ["", *(r["stack"] for r in found)]
    lines = [head, ["---"] * len(head), *([name, *cells] for name, cells in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _kinds(found: list[dict[str, Any]]) -> list[str]:
    return sorted({kind for report in found for kind in report["acts"]})


def _count(violations: list[str]) -> str:
    return f"**{len(violations)}**"


def _lost(report: dict[str, Any]) -> str:
    return str(report["recoveries"]["lost_attempts"])


def _spread(times: dict[str, float]) -> str:
    """Median and the 99th of a hundred."""
    return f"{times['p50'] * 1_000:.0f} ms, p99 {times['p99'] * 1_000:,.0f} ms"


def _usage(report: dict[str, Any], part: str) -> str:
    """Of all its processes, before the disturbance and after it."""
    before, after = (report["resources"][when].get(part, {}) for when in ("before", "after"))
    figures = ("files", "threads", "mb")
    return ", ".join(f"{before.get(name)} → {after.get(name)}" for name in figures)


def renewed(text: str) -> str:
    """The page with the table of today's reports."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(reports())}\n{END}{after}"


def write() -> None:
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
