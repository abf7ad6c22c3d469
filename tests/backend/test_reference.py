"""README's table and .env.example say what backend.config says."""

from pathlib import Path

from backend.config import Config
from backend.reference import env_example, table, with_table, write

ROOT = Path(__file__).parents[2]


def test_the_readme_has_todays_table_of_settings() -> None:
    readme = (ROOT / "README.md").read_text()
    assert table() in readme, "run `make settings` and commit it"
    assert with_table(readme) == readme


def test_env_example_has_every_setting_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text()
    assert example == env_example(), "run `make settings` and commit it"
    assert all(f"# {name.upper()}=" in example for name in Config.model_fields)


def test_every_setting_has_a_meaning() -> None:
    assert [n for n, field in Config.model_fields.items() if not field.description] == []


def test_writing_replaces_only_what_is_between_the_marks(tmp_path: Path) -> None:
    begin = "<!-- settings: made by `make settings` -->\n"
    (tmp_path / "README.md").write_text(f"a\n{begin}yesterday\n<!-- end of settings -->\nz\n")
    write(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith(f"a\n{begin}| setting |")
    assert text.endswith("<!-- end of settings -->\nz\n")
    assert "yesterday" not in text
    assert (tmp_path / ".env.example").exists()
