"""What grows with the number of runs, and what must not: 10,000 runs and a million, side by side.

    python -m bench.scale [--rows 10000 1000000]

Fills a PostgreSQL of its own for each number (a million takes some four minutes), asks for pages at
every depth and filter, performs each verb, and keeps the times, the plans and the sizes in
bench/results/scale-*.json, the tables in docs/scaling.md.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bench import scale_page
from bench.watchers import stack
from tests.stacks.machine import folder

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for rows in given.rows:
        with stack("postgres-redis") as chosen, folder("scale") as home:
            env = {**os.environ, **chosen.env, "DOWNBEAT_HOME": str(home)}
            file = RESULTS / f"scale-{rows}.json"
            command = (sys.executable, "-m", "bench.depth", str(rows), str(file))
            subprocess.run(command, env=env, cwd=Path(__file__).parents[1], check=True)
    scale_page.write()


if __name__ == "__main__":
    main()
