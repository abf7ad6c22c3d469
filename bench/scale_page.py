"""The tables of docs/scaling.md, made from the reports of bench.scale.

python -m bench.scale_page
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs/scaling.md"
BEGIN, END = "<!-- the tables of depth -->\n", "<!-- end of the tables -->\n"


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


def tables(found: list[dict[str, Any]]) -> str:
    return "".join(f"{line}\n" for line in (*_times(found), "", *_sizes(found)))


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


def renewed(text: str, found: list[dict[str, Any]]) -> str:
    """The page with the tables of these reports between the marks."""
    fresh = f"{BEGIN}\n{tables(found)}\n{END}"
    return re.sub(f"{BEGIN}.*{END}", lambda _: fresh, text, flags=re.DOTALL)


def write() -> None:
    PAGE.write_text(renewed(PAGE.read_text(), reports()))


if __name__ == "__main__":
    write()
