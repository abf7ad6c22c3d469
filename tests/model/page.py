"""docs/guards.md: each guard of the protocol, and the story that goes wrong without it.

python -m tests.model.page
"""

import os
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/guards.md"
TEXT = """# Guards

Every condition that a statement of [`tasks/statements.py`](../tasks/statements.py) makes before it
changes a row, every part of the trigger in [`tasks/guard.py`](../tasks/guard.py), and the two
unique indexes: what each keeps out, and the story of
[`tests/model/scenarios.py`](../tests/model/scenarios.py) that goes wrong without it. The tests take
the guards away one by one, on SQLite and on PostgreSQL, and fail if a story still ends well; a
condition that is in a statement and not in this list fails too. `make guards` writes this page.

What the guards are for is said once more without SQL in
[`tests/model/expected.py`](../tests/model/expected.py): Hypothesis plays owners, workers that die
and come back, forged holds and conductors against both, and compares every row after every step.

The guards stand in one statement each. What lies between statements has tests of its own: the row
that is locked before its effects are read, the count of running runs that nobody else makes at the
same time, a claim or an end whose answer was lost (`tests/tasks/`), and every place where a process
may die ([faults.md](faults.md)).

{table}

Conditions that keep nothing out, and let an index serve:

{others}
"""


def text() -> str:
    """The whole page."""
    from tests.model.guards import FOR_THE_INDEX, GUARDS

    rows = [("where", "condition", "keeps out", "without it goes wrong"), ("---",) * 4]
    for guard in GUARDS:
        conditions = " or ".join(f"`{condition}`" for condition in guard.conditions)
        only = f" (only {guard.vendor})" if guard.vendor else ""
        rows.append((guard.place, conditions + only, guard.keeps_out, guard.caught_by))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    others = "\n".join(
        f"- {place}: `{condition}`; {why}." for (place, condition), why in FOR_THE_INDEX.items()
    )
    return TEXT.format(table=table, others=others)


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
