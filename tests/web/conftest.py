"""What tests in a browser need of this machine."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.stacks.machine import absent, find

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS",
    "/Applications/Chromium.app/Contents/MacOS",
)


def make(target: str) -> tuple[bool, str]:
    """Whether the target was made, and what was said about it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ("make", "--silent", target),
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode == 0, (done.stdout + done.stderr).strip()


@pytest.fixture(scope="session")
def chromium() -> str:
    found = [find(name, ()) for name in BROWSERS]
    found += [find(name, MAC) for name in ("Google Chrome", "Chromium")]
    program = next(filter(None, found), None)
    return program or absent("Chromium is not installed")
