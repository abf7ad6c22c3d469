"""Documents are prepared once, kept within bounds, and shared by threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from graphql import OperationType, validate

from backend.door import documents
from backend.door.documents import Documents
from backend.door.errors import RequestRefused
from schema.limits import ERRORS
from tests.backend.door.toy import SCHEMA


@pytest.fixture
def kept() -> Documents:
    return Documents(SCHEMA)


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were validated."""
    seen: list[str] = []

    def noted(schema: Any, tree: Any, **options: Any) -> Any:
        seen.append(tree.loc.source.body)
        return validate(schema, tree, **options)

    monkeypatch.setattr(documents, "validate", noted)
    return seen


def test_a_document_is_validated_once(kept: Documents, validations: list[str]) -> None:
    assert kept.get("{ hello }") is kept.get("{ hello }")
    assert validations == ["{ hello }"]


def test_a_refused_document_is_not_kept(kept: Documents, validations: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(RequestRefused):
            kept.get("{ nothing }")
    assert validations == ["{ nothing }"] * 2


def test_the_least_recently_used_goes_first(
    kept: Documents, validations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "ENTRIES", 2)
    for text in ("{ a: hello }", "{ b: hello }", "{ a: hello }", "{ c: hello }", "{ a: hello }"):
        kept.get(text)
    assert validations == ["{ a: hello }", "{ b: hello }", "{ c: hello }"]
    kept.get("{ b: hello }")
    assert validations[-1] == "{ b: hello }"


def test_the_texts_together_are_bounded(
    kept: Documents, validations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "TEXT_LENGTH", 300)
    texts = [f"{{ hello }} #{number:0>90}" for number in range(5)]
    for text in texts:
        kept.get(text)
    assert list(kept._kept) == texts[-2:]
    assert kept._length == sum(map(len, texts[-2:]))


def test_a_text_that_carries_data_runs_and_is_not_kept(kept: Documents) -> None:
    text = f'{{ hello(name: "{"x" * documents.LONGEST}") }}'
    assert kept.get(text).operation(None)[0] is OperationType.QUERY
    assert not kept._kept


def test_errors_of_a_document_say_where(kept: Documents) -> None:
    with pytest.raises(RequestRefused) as refused:
        kept.get("{\n  nothing\n}")
    assert refused.value.errors[0]["locations"] == [{"line": 2, "column": 3}]


def test_no_more_than_a_screenful_of_errors_is_told(kept: Documents) -> None:
    with pytest.raises(RequestRefused) as refused:
        kept.get("{" + " ".join(f"f{number}" for number in range(300)) + "}")
    assert len(refused.value.errors) == ERRORS + 1


def test_a_name_as_long_as_the_document_is_cut_in_the_error(kept: Documents) -> None:
    with pytest.raises(RequestRefused) as refused:
        kept.get("{" + "x" * 100_000 + "}")
    assert len(refused.value.errors[0]["message"]) <= 1_000


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("{ hello }", None, OperationType.QUERY),
        ("query A { hello }", None, OperationType.QUERY),
        ("query A { hello } mutation B { count(by: 1) }", "B", OperationType.MUTATION),
        ("subscription { ticks }", None, OperationType.SUBSCRIPTION),
    ],
)
def test_the_operation_that_will_run_is_known(
    kept: Documents, text: str, name: str | None, kind: OperationType
) -> None:
    assert kept.get(text).operation(name)[0] is kind


@pytest.mark.parametrize("name", [None, "C", ""])
def test_an_operation_that_is_not_there_is_refused(kept: Documents, name: str | None) -> None:
    with pytest.raises(RequestRefused):
        kept.get("query A { hello } query B { hello }").operation(name)


def test_many_threads_share_it_without_losing_count(
    kept: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "ENTRIES", 5)
    texts = [f"{{ a{number}: hello }}" for number in range(12)]
    start = threading.Barrier(8)

    def work(seed: int) -> None:
        start.wait()
        for step in range(60):
            text = texts[(seed * 5 + step) % len(texts)]
            assert kept.get(text).operation(None)[0] is OperationType.QUERY

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert len(kept._kept) <= 5
    assert kept._length == sum(map(len, kept._kept))
