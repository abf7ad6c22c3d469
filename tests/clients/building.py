"""What the clients need before they run: Node, packages, and the page's code as programs."""

import json
import shutil
import subprocess
import sys

from tests.clients import blocks
from tests.clients.blocks import HERE, ROOT
from tests.stacks.machine import absent

NODE = (20, 19)
HOW = "`make clients` installs it"
GQL = ROOT / ".venv-gql/bin/python"


def node() -> str:
    """The program; skips without one that is new enough."""
    program = shutil.which("node")
    if program is None:
        absent("Node is not installed")
    version = _run(program, "--version").strip().lstrip("v")
    if tuple(int(part) for part in version.split(".")[:2]) < NODE:
        absent(f"Node {version} is older than {'.'.join(map(str, NODE))}")
    return program


def packages() -> None:
    """Skips unless what package-lock.json says is installed."""
    installed = HERE / "node_modules/.package-lock.json"
    wanted = json.loads((HERE / "package-lock.json").read_text())["packages"]
    found = json.loads(installed.read_text())["packages"] if installed.exists() else {}
    stale = [
        name
        for name, package in wanted.items()
        if name and not package.get("optional") and package["version"] != _version(found, name)
    ]
    if stale:
        absent(f"{stale[0]} is not installed in tests/clients: {HOW}")


def _version(found: dict[str, dict[str, str]], name: str) -> str | None:
    return found.get(name, {}).get("version")


def gql() -> str:
    """The Python that has gql; skips without it."""
    if not GQL.exists():
        absent(f"gql is not installed in .venv-gql: {HOW}")
    return str(GQL)


def build() -> None:
    """The page's TypeScript with its generated parts, bundled into build/."""
    program = node()
    packages()
    blocks.write()
    for command in (
        ("node_modules/.bin/graphql-codegen", "--config", "codegen.ts"),
        ("node_modules/.bin/relay-compiler", "relay.config.json"),
        (program, "build.mjs"),
    ):
        _run(*command)


def check_types() -> None:
    """Compile everything, strictly."""
    _run("node_modules/.bin/tsc", "--project", ".")


def _run(*command: str) -> str:
    done = subprocess.run(
        command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"
    return done.stdout


if __name__ == "__main__":
    build()
    check_types()
    sys.exit(0)
