"""The tabs that GraphiQL starts with can be played as they stand."""

import re
from pathlib import Path

import pytest

from backend.door.documents import Documents
from schema.build import schema

TABS = Path(__file__).parents[2] / "web" / "src" / "tabs"
HAS_SUBSCRIPTIONS = schema().graphql_schema.subscription_type is not None
LATER = pytest.mark.skipif(not HAS_SUBSCRIPTIONS, reason="there are no subscriptions yet")


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(schema().graphql_schema)


@pytest.mark.parametrize(
    "tab", ["start", pytest.param("watch", marks=LATER), "list", "cancel", "upload"]
)
def test_a_tab_and_what_its_comment_offers_are_valid(documents: Documents, tab: str) -> None:
    text = (TABS / f"{tab}.graphql").read_text()
    assert documents.get(text)
    for offered in re.findall(r"^# ((?:mutation|subscription) .*?^# \})", text, re.M | re.S):
        assert documents.get(offered.replace("\n# ", "\n"))


def test_every_tab_begins_with_a_comment_and_its_lines_are_short() -> None:
    for path in TABS.iterdir():
        text = path.read_text()
        assert text.startswith("# "), path.name
        assert max(map(len, text.splitlines())) <= 50, path.name  # else the editor cuts them off
