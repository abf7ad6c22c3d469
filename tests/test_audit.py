"""An audit that could not ask says so and fails; every package is pinned by its content."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NPM_FLAW = {"vulnerabilities": {"left-pad": {"range": "<1.3.0", "severity": "high"}}}
PIP_WELL = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
PIP_FLAW = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
    ]
}
PIP_SKIPPED = {
    "dependencies": [*PIP_FLAW["dependencies"], {"name": "b", "skip_reason": "not found: b"}]
}

FILES = sorted((*ROOT.glob("requirements*.txt"), *ROOT.glob("tests/*/requirements*.txt")))


@pytest.fixture
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("pip", "npm", "code", "words"),
    [
        (PIP_WELL, {"vulnerabilities": {}}, 0, "nothing found"),
        (PIP_FLAW, {"vulnerabilities": {}}, 1, "a 1: CVE-1, mended in 1.1"),
        (PIP_WELL, NPM_FLAW, 1, "left-pad <1.3.0: high"),
        (PIP_SKIPPED, {"vulnerabilities": {}}, 2, "NOT ASKED: 1 of 2 packages"),
        (PIP_WELL, {"message": "405 Method Not Allowed"}, 2, "NOT ASKED: 405 Method Not Allowed"),
        ("no JSON", {"vulnerabilities": {}}, 2, "NOT ASKED: the last word"),
        ("no JSON", NPM_FLAW, 1, "FLAWS FOUND"),
    ],
)
def test_what_is_not_known_is_no_good_news(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pip: Any,
    npm: Any,
    code: int,
    words: str,
) -> None:
    def run(_folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
        answer = npm if command[0] == "npm" else pip
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return subprocess.CompletedProcess(command, 1, text, "Traceback\nthe last word\n")

    monkeypatch.setattr(audit, "_run", run)
    assert audit.main(["packages"]) == code
    said = capsys.readouterr().out
    assert words in said
    assert ("nothing is known" in said) == (code == 2)


def test_without_npm_nothing_is_known(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(audit, "REQUIREMENTS", ())
    assert audit.main(["packages"]) == 2
    assert "npm is not installed" in capsys.readouterr().out


def test_bandit_finds_what_is_wrong(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text("import pickle\npickle.loads(b'')\neval('1')\n")
    monkeypatch.setattr(audit, "ROOMS", (str(tmp_path),))
    assert audit.main(["code"]) == 1


def test_our_code_has_no_known_flaw() -> None:
    done = subprocess.run(
        (sys.executable, ".ci/audit.py", "code"), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def requirements(path: Path) -> list[str]:
    lines = re.sub(r"\\\n", " ", path.read_text()).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_package_is_pinned_by_its_content(path: Path) -> None:
    found = requirements(path)
    assert found
    for line in found:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ ", line), line
        assert re.search(r" --hash=sha256:[0-9a-f]{64}( |$)", line), line


def test_every_installation_asks_for_the_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    installs = re.findall(r"(?:pip|PIP) (?:[^\n]|\\\n)*install[^\n]*(?:\\\n[^\n]*)*", makefile)
    assert installs
    assert all("--require-hashes" in each for each in installs), installs
