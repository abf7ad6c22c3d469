"""Each hostile request of the table gets its typed no, fast, and nothing is written."""

import re
from collections.abc import Callable

import pytest

from tests.acceptance.client import COUNT
from tests.hostile import page
from tests.hostile.cases import CASES
from tests.hostile.table import cells
from tests.hostile.target import Target
from tests.hostile.transports import Answer, send

pytestmark = pytest.mark.xdist_group("hostile")

TRIES = 3
MOST_SECONDS = 1.0  # at the best try: a bomb takes seven, this table's slowest a tenth
INTERNALS = re.compile(
    r"(?i:Traceback|File \"|\.py\b|site-packages|INTERNAL|sqlite|psycopg|django|graphene"
    r"|graphql_?core|uvicorn|httptools|pydantic|celery|tasks_|accounts_)"
    r"|SELECT |INSERT |Did you mean (?!'\w+ \{ \.\.\. \}')"  # which only repeats what was sent
)


def internals(answer: Answer) -> set[str]:
    """Words of the inside that the answer has and the request had not."""
    found = {each.lower() for each in INTERNALS.findall(answer.text)}
    return {word for word in found if word not in answer.sent.lower()}


def test_there_are_many_of_them() -> None:
    assert len(CASES) >= 120


@pytest.mark.parametrize(("name", "transport"), cells(CASES))
def test_a_hostile_request_gets_a_typed_no(
    target: Target, name: str, transport: str, record_property: Callable[[str, object], None]
) -> None:
    case = CASES[name]
    before = target.rows()
    answers = [send(target, case, transport) for _ in range(1 if case.seconds else TRIES)]
    assert {each.short for each in answers} == {case.expected[transport]}, answers[-1].text[:500]
    assert internals(answers[-1]) == set()
    assert target.errors() == []
    assert target.rows() == before
    target.check_alive()
    best = min(each.seconds for each in answers)
    assert best < case.seconds + MOST_SECONDS
    cell = (name, transport, answers[-1].short, best * 1_000)
    record_property(page.PROPERTY, cell)


def test_1_000_starts_at_once_with_one_key_make_one_run(target: Target) -> None:
    before = target.rows()["tasks_run"]
    payloads = target.together(COUNT, 1_000, input={"text": "a"}, options={"idempotencyKey": "1"})
    assert len({payload["countWords"]["run"]["id"] for payload in payloads}) == 1
    assert [payload["countWords"]["replayed"] for payload in payloads].count(False) == 1
    assert target.rows()["tasks_run"] == before + 1


def test_in_the_end_everything_is_as_it_was_and_the_worker_works(target: Target) -> None:
    target.check_worker()


def test_the_table_of_the_page_is_the_one_that_is_tested(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("hostile_page", False):
        pytest.skip("the page is being written")
    assert page.expected() in page.PAGE.read_text()
