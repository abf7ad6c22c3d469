"""The settings as documents: README's table and .env.example, both made from backend.config."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from backend.config import Config

BEGIN, END = "<!-- settings: made by `make settings` -->\n", "<!-- end of settings -->"


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for name, field in Config.model_fields.items():
        yield name.upper(), field


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def table() -> str:
    """A Markdown table: setting, default, meaning."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in _fields():
        shown = f"`{_default(field)}`" if _default(field) else ""
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name}` | {shown} | {meaning} |")
    return "\n".join(rows) + "\n"


def env_example() -> str:
    """Every setting with its default, commented out."""
    lines = ["# Copy to .env and uncomment what differs; an empty value means the default.\n"]
    lines += [f"# {field.description}\n# {n}={_default(field)}\n" for n, field in _fields()]
    return "\n".join(lines)


def with_table(readme: str) -> str:
    """The README's text with today's table between its two marks."""
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    return re.sub(pattern, lambda _: BEGIN + table() + END, readme, flags=re.DOTALL)


def write(root: Path) -> None:
    """Bring both documents up to date."""
    readme = root / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
    (root / ".env.example").write_text(env_example(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parents[1])
