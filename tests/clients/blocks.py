"""The code blocks of docs/clients.md that name their file in the first line."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/clients.md"
FOLDER = HERE / "page"
_BLOCK = re.compile(r"^```\w+\n((?://|#) (\S+)\n.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """The blocks by the names of their files."""
    return {name: text for text, name in _BLOCK.findall(PAGE.read_text())}


def write() -> None:
    """Write each into its file, and touch none that is as it should be."""
    FOLDER.mkdir(exist_ok=True)
    wanted = blocks()
    for path in FOLDER.iterdir():
        if path.is_file() and path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
