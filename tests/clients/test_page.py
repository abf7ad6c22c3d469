"""docs/clients.md is true: its code compiles, its caches behave as it says, its table is ours."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients import blocks, building
from tests.clients.blocks import HERE, PAGE
from tests.clients.table import CACHES, PAIRS, markdown
from tests.clients.world import World

pytestmark = pytest.mark.xdist_group("clients")


def test_every_block_of_code_names_its_file() -> None:
    fences = re.findall(r"^```(\w+)$", PAGE.read_text(), re.MULTILINE)
    assert len(blocks.blocks()) == len([fence for fence in fences if fence in ("ts", "python")])


def test_all_typescript_compiles_strictly(built: None) -> None:
    building.check_types()


def test_every_block_is_used_by_a_test(built: None) -> None:
    texts = [path.read_text() for path in HERE.glob("src/*.*")] + list(blocks.blocks().values())
    unused = {name.partition(".")[0] for name in blocks.blocks()} - {"codegen"}
    for text in texts:
        unused -= set(re.findall(r'from "(?:\./|\.\./page/)([\w-]+)"', text))
        unused -= set(re.findall(r"^import (\w+)", text, re.MULTILINE))
    assert unused == set()


def test_the_configuration_of_relay_is_the_one_that_is_used() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    used = json.loads((HERE / "relay.config.json").read_text())
    paths = {"src": "./page", "schema": "../../schema.graphql"}
    assert {**json.loads(shown), **paths} == used


@pytest.mark.parametrize("cache", CACHES)
def test_a_cache_behaves_as_the_page_says(shared: World, tmp_path: Path, cache: str) -> None:
    command = (building.node(), f"build/{cache}.mjs", f"{shared.service.url}/graphql")
    token = shared.tokens[len(PAIRS) + CACHES.index(cache)][0]
    done = subprocess.run(
        (*command, token, str(tmp_path)), cwd=HERE, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_table_of_the_page_is_the_one_that_is_tested() -> None:
    assert markdown(lambda pair, scenario: "✓") in PAGE.read_text()
