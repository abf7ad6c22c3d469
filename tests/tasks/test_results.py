"""A result is kept as declared, or the run fails with a code that says why."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError
from pydantic import BaseModel, computed_field

from accounts.viewer import Viewer
from tasks import Context, runs
from tasks.registry import REGISTRY, Task
from tasks.runs import Ending, Hold
from tasks.status import Status
from tests.tasks.performing import Loose, Number, code_of, perform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned no Loose"),
        ({"value": 1}, "returned no Loose"),
        (Loose(number=float("nan")), "number: NaN"),
        (Loose(value=[float("inf")]), "value.0: NaN and infinity"),
        (Loose(value=2**53), "value: The number is beyond BigInt"),
        (Loose(text="a\0"), "text: The text contains a NUL"),
        (Loose(text="\ud800"), "is no JSON"),
        (Loose(value=object()), "is no JSON"),
        (Loose(value=b"\xff"), "is no JSON"),
    ],
)
def test_a_result_that_cannot_be_answered_fails_the_run(
    viewer: Viewer, declare: Callable[..., Task], returned: Any, words: str
) -> None:
    def give(ctx: Context) -> Loose:
        """Give."""
        return returned  # type: ignore[no-any-return]

    run = perform(viewer, declare(give))
    assert (run.status, code_of(run), run.result) == ("FAILED", "BAD_RESULT", None)
    assert run.error is not None
    assert words in run.error["message"]


class Strict(BaseModel, extra="forbid"):
    value: int = 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        if self.value < 0:
            raise KeyError("secret")
        return self.value * 2


class Wider(Number):
    password: str = "hunter2"


@pytest.mark.parametrize(
    ("returned", "code"),
    [
        (Strict(value=1), "BAD_RESULT"),  # what it dumps, it does not read
        (Strict(value=-1), "TASK_ERROR"),
    ],
)
def test_a_result_that_could_not_be_read_again_fails_the_run(
    viewer: Viewer, declare: Callable[..., Task], returned: Strict, code: str
) -> None:
    def give(ctx: Context) -> Strict:
        """Give."""
        return returned

    run = perform(viewer, declare(give, retries=0))
    assert (run.status, code_of(run)) == ("FAILED", code)
    assert "secret" not in str(run.error)


def test_a_null_where_none_may_be_fails_the_run(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def give(ctx: Context) -> Loose:
        """Give."""
        loose = Loose()
        loose.text = None  # type: ignore[assignment]
        return loose

    assert code_of(perform(viewer, declare(give))) == "BAD_RESULT"


def test_a_subclass_shows_no_more_than_was_declared(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def give(ctx: Context) -> Number:
        """Give."""
        return Wider(value=1)

    assert perform(viewer, declare(give)).result == {"value": 1}


def test_an_ending_that_the_database_refuses_is_replaced_by_one_it_takes(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = runs.finish

    def refuse(hold: Hold, ending: Ending, *progress: Any) -> Status | None:
        if ending.status == Status.SUCCEEDED:
            raise DataError("no such character")
        return finish(hold, ending, *progress)

    monkeypatch.setattr(runs, "finish", refuse)
    run = perform(viewer, REGISTRY["count_words"], text="a")
    assert (run.status, code_of(run)) == ("FAILED", "BAD_RESULT")


def test_a_circular_result_fails_the_run(viewer: Viewer, declare: Callable[..., Task]) -> None:
    def give(ctx: Context) -> Loose:
        """Give."""
        circle: list[Any] = []
        circle.append(circle)
        return Loose.model_construct(value=circle)

    assert code_of(perform(viewer, declare(give))) == "BAD_RESULT"


def test_an_int_beyond_32_bits_fails_the_run(viewer: Viewer, declare: Callable[..., Task]) -> None:
    def give(ctx: Context) -> Number:
        """Give."""
        return Number(value=2**31)

    run = perform(viewer, declare(give))
    assert run.error is not None
    assert "value: The number is beyond Int" in run.error["message"]


def test_a_result_of_50_megabytes_fails_the_run(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def give(ctx: Context) -> Loose:
        """Give."""
        return Loose(text="x" * 50_000_000)

    assert code_of(perform(viewer, declare(give))) == "RESULT_TOO_LARGE"
