"""A minute's worth may come at once; beyond it one is told when to come again."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.urls import clear_url_caches, path

from accounts.tokens import create_token
from accounts.viewer import Viewer
from backend.door.execute import Door
from backend.door.http import GraphQLView
from backend.door.rates import UNLIMITED, Budget, RateLimited, Rates
from tests.backend.door import toy
from tests.backend.door.conftest import Post, codes, content


def refused(budget: Budget, name: str, amount: int) -> int:
    with pytest.raises(RateLimited) as limited:
        budget.spend(name, amount)
    return limited.value.retry_after


@pytest.fixture
def clock() -> list[float]:
    return [1_000.0]


@pytest.fixture
def make(clock: list[float]) -> Callable[..., Budget]:
    return lambda per_minute, **options: Budget(per_minute, clock=lambda: clock[0], **options)


def test_a_minutes_worth_may_come_at_once_and_grows_again(
    make: Callable[..., Budget], clock: list[float]
) -> None:
    budget = make(60)
    for _ in range(60):
        budget.spend("ada", 1)
    assert refused(budget, "ada", 1) == 1
    assert refused(budget, "ada", 20) == 20
    clock[0] += 20
    budget.spend("ada", 20)
    assert refused(budget, "ada", 1) == 1
    clock[0] += 600  # it grows to a minute's worth, not further
    budget.spend("ada", 60)
    assert refused(budget, "ada", 1) == 1


def test_what_is_refused_costs_nothing(make: Callable[..., Budget]) -> None:
    budget = make(10)
    budget.spend("ada", 5)
    for _ in range(100):
        refused(budget, "ada", 6)
    budget.spend("ada", 5)


def test_each_name_has_its_own(make: Callable[..., Budget]) -> None:
    budget = make(1)
    budget.spend("ada", 1)
    budget.spend("grace", 1)
    refused(budget, "ada", 1)


def test_more_than_a_minutes_worth_takes_a_whole_minute(
    make: Callable[..., Budget], clock: list[float]
) -> None:
    budget = make(10)
    budget.spend("ada", 1_000)
    assert refused(budget, "ada", 1) == 6
    clock[0] += 60
    budget.spend("ada", 1_000)


def test_zero_is_no_limit(make: Callable[..., Budget]) -> None:
    budget = make(0)
    for _ in range(1_000):
        budget.spend("ada", 10**9)
    assert not budget._full_at


def test_only_so_many_names_are_remembered(make: Callable[..., Budget]) -> None:
    budget = make(10, names=3)
    budget.spend("ada", 10)
    for name in "abc":
        budget.spend(name, 1)
    assert list(budget._full_at) == ["a", "b", "c"]


def test_threads_spend_no_more_than_there_is(make: Callable[..., Budget]) -> None:
    budget, start = make(1_000), threading.Barrier(8)
    spent = [0] * 8

    def spend(place: int) -> None:
        start.wait()
        for _ in range(500):
            try:
                budget.spend("ada", 1)
            except RateLimited:
                continue
            spent[place] += 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(spend, range(8)))
    assert sum(spent) == 1_000


def test_one_run_watched_is_counted_for_itself() -> None:
    rates, user = Rates(requests=1, cost=0, anonymous=1), uuid4()
    for viewer in (
        Viewer(user, frozenset()),
        Viewer(user, frozenset(), run_id=uuid4()),
        Viewer(user, frozenset(), run_id=uuid4()),
    ):
        rates.purse(viewer, "").pay_request()
        with pytest.raises(RateLimited):
            rates.purse(viewer, "").pay_request()


def test_without_limits_everything_is_paid() -> None:
    UNLIMITED.purse(None, "").pay(10**9)


Limit = Callable[..., None]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limit]:
    """Serves the toy schema under these limits."""

    def limit(requests: int = 0, cost: int = 0, anonymous: int = 0) -> None:
        rates = Rates(requests=requests, cost=cost, anonymous=anonymous)
        door = Door(toy.SCHEMA, introspection=True, rates=rates)
        monkeypatch.setattr(toy, "urlpatterns", [path("graphql", GraphQLView(door))])
        clear_url_caches()

    yield limit
    clear_url_caches()


@pytest.mark.parametrize(
    "accept", ["application/json", "application/graphql-response+json", "text/event-stream"]
)
def test_too_many_requests_are_429_and_say_when(post: Post, limit: Limit, accept: str) -> None:
    limit(anonymous=2)
    for _ in range(2):
        assert post("{ hello }", accept=accept).status_code == 200
    response = post("{ hello }", accept=accept)
    assert (response.status_code, codes(response)) == (429, ["RATE_LIMITED"])
    (error,) = content(response)["errors"]
    assert error["extensions"]["retryAfter"] == int(response.headers["Retry-After"]) == 30
    assert "30 s" in error["message"]


def test_a_viewer_is_counted_apart_from_strangers(post: Post, limit: Limit, viewer: Viewer) -> None:
    limit(requests=1, anonymous=1)
    bearer = f"Bearer {create_token(viewer.user_id).text}"
    assert post("{ hello }").status_code == 200
    assert post("{ hello }").status_code == 429
    assert post("{ hello }", authorization=bearer).status_code == 200
    other = f"Bearer {create_token(viewer.user_id).text}"
    assert post("{ hello }", authorization=other).status_code == 429  # the same user's


@pytest.mark.django_db
def test_who_tries_false_credentials_has_to_wait(post: Post, limit: Limit) -> None:
    limit(anonymous=2)
    for _ in range(2):
        assert post("{ hello }", authorization="Bearer dbt_x").status_code == 401
    assert post("{ hello }", authorization="Bearer dbt_x").status_code == 429


def test_what_costs_much_is_done_less_often(post: Post, limit: Limit, viewer: Viewer) -> None:
    bearer = f"Bearer {create_token(viewer.user_id).text}"
    limit(cost=100)
    wide = "{" + " ".join(f"a{number}: hello" for number in range(20)) + "}"
    assert post(wide, authorization=bearer).status_code == 429  # its text, then its 20 fields
    limit(cost=1_000)
    paid = 0
    while post(wide, authorization=bearer).status_code == 200:
        paid += 1
    assert paid == (1_000 - len(wide)) // 20


def test_what_is_done_costs_more_than_what_is_read(
    post: Post, limit: Limit, viewer: Viewer
) -> None:
    bearer = f"Bearer {create_token(viewer.user_id).text}"
    text = "mutation { count(by: 1) }"
    limit(cost=len(text) + 3 * 11)
    answers = [post(text, authorization=bearer).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_a_refused_document_costs_its_length(post: Post, limit: Limit, viewer: Viewer) -> None:
    bearer = f"Bearer {create_token(viewer.user_id).text}"
    limit(cost=1_000)
    wrong = "{ nothing } # " + "x" * 486
    answers = [post(wrong, authorization=bearer).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_strangers_of_one_network_share_what_they_have() -> None:
    rates = Rates(requests=0, cost=0, anonymous=1)
    rates.purse(None, "2001:db8::1").pay_request()
    with pytest.raises(RateLimited):
        rates.purse(None, "2001:db8::2:3").pay_request()
    for address in ("2001:db8:0:1::1", "192.0.2.1", "192.0.2.2", ""):
        rates.purse(None, address).pay_request()
