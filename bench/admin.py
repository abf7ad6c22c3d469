"""How fast the admin's pages are beside a million runs, attempts, files and three million events.

    python -m bench.admin [--rows 1000000] [--stack postgres-redis]

Fills a database of its own, asks for each page in this process, and prints the queries and the
milliseconds of each: of all its code and all its queries, without the network. For a page that is
slow, what the database did.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bench.watchers import stack
from tests.stacks.machine import folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stack", choices=("embedded", "postgres-redis"), default="embedded")
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    with stack(given.stack) as chosen, folder("admin") as home:
        env = {**os.environ, **chosen.env, "DOWNBEAT_HOME": str(home)}
        command = (sys.executable, "-m", "bench.pages", str(given.rows))
        subprocess.run(command, env=env, cwd=Path(__file__).parents[1], check=True)


if __name__ == "__main__":
    main()
