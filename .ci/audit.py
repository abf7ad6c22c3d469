"""Known flaws in how Downbeat is written, and in what it is made of: `make audit`, `make lint`.

    python .ci/audit.py [code] [packages]

Exit code 0: none is known; 1: some are; 2: who knows of them did not answer, so nothing is known.
"""

import json
import subprocess  # nosec B404 # without a shell
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
ROOMS = ("backend", "schema", "tasks", "accounts", "manage.py", ".ci/audit.py")
# Their SQL is made of constants of the same file, which bandit cannot tell from input.
SQL = ("tasks/statements.py", "tasks/guard.py", "tasks/sql.py")
REQUIREMENTS = ("requirements-dev.txt", "requirements-demo.txt", "tests/clients/requirements.txt")
NODE = ("web", "tests/clients")
SECONDS = 600


class NotAsked(Exception):
    """The source of advisories gave no answer; the message says why."""


def main(parts: list[str]) -> int:
    flaws, is_silent = 0, False
    for name, found in chain.from_iterable(PARTS[part]() for part in parts):
        if isinstance(found, NotAsked):
            is_silent = True
            print(f"{name}: NOT ASKED: {found}")
        else:
            flaws += len(found)
            print(*(f"{name}: {flaw}" for flaw in found or ["nothing found"]), sep="\n")
    if flaws:
        print(f"audit: {flaws} FLAWS FOUND")
    elif is_silent:
        print("audit: NOT DONE: not every source of advisories answered, so nothing is known.")
    return 1 if flaws else 2 if is_silent else 0


def _code() -> Iterator[tuple[str, list[str] | NotAsked]]:
    yield "bandit", _bandit("--recursive", *ROOMS, "--exclude", ",".join(SQL))
    yield "bandit on SQL", _bandit("--skip", "B608", *SQL)


def _packages() -> Iterator[tuple[str, list[str] | NotAsked]]:
    for path in REQUIREMENTS:
        command = (str(BIN / "pip-audit"), "--format", "json", "--progress-spinner", "off")
        given = ("--disable-pip", "--require-hashes", "--requirement", path)
        yield f"pip-audit {path}", _asked(_python_flaws, ROOT, *command, *given)
    for folder in NODE:
        words = ("npm", "audit", "--json", "--package-lock-only")
        yield f"npm audit {folder}", _asked(_node_flaws, ROOT / folder, *words)


def _bandit(*words: str) -> list[str]:
    template = "{relpath}:{line}: {test_id} {msg}"
    command = (str(BIN / "bandit"), "--quiet", "--format", "custom", "--msg-template", template)
    done = _run(ROOT, *command, *words)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()


def _asked(judge: Any, folder: Path, *command: str) -> list[str] | NotAsked:
    try:
        done = _run(folder, *command)
        return list(judge(_read(done.stdout, done.stderr)))
    except NotAsked as reason:
        return reason
    except FileNotFoundError:
        return NotAsked(f"{command[0]} is not installed")


def _run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # nosec B603 # the commands are our own
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def _read(answer: str, complaint: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        last = (complaint.strip() or "it said nothing").splitlines()[-1]
        raise NotAsked(last[:300]) from None


def _python_flaws(report: Any) -> Iterator[str]:
    """Those in pip-audit's report, which takes what it could not ask about for well."""
    skipped = [each for each in report["dependencies"] if "skip_reason" in each]
    if skipped:
        count, of = len(skipped), len(report["dependencies"])
        raise NotAsked(f"{count} of {of} packages, such as: {skipped[0]['skip_reason']}")
    for each in report["dependencies"]:
        for flaw in each["vulns"]:
            fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
            yield f"{each['name']} {each['version']}: {flaw['id']}, mended in {fixed}"


def _node_flaws(report: Any) -> Iterator[str]:
    if "vulnerabilities" not in report:
        raise NotAsked(str(report.get("message") or report.get("error") or report)[:300])
    for name, flaw in report["vulnerabilities"].items():
        yield f"{name} {flaw['range']}: {flaw['severity']}"


PARTS = {"code": _code, "packages": _packages}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(PARTS)))
