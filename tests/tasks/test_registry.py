"""A wrong declaration stops start-up with a sentence that names file and fix."""

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, Field, RootModel, ValidationError

from tasks import Context, File, task
from tasks.exceptions import DeclarationError
from tasks.registry import Registry
from tasks.shapes import Choice, Listed, Model, Optional, Scalar


class Answer(BaseModel):
    """An answer."""

    value: int


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


def refusal(registry: Registry, function: Callable[..., Any], on_lost: Any = "rerun") -> str:
    with pytest.raises(DeclarationError) as caught:
        registry.declare(function, on_lost=on_lost)
    message = str(caught.value)
    assert __file__ in message
    assert function.__name__ in message
    return message


def test_a_declared_task_knows_its_shapes(registry: Registry) -> None:
    def paint(ctx: Context, *, color: Color, layers: int = 1, note: str | None = None) -> Answer:
        """Paint."""
        return Answer(value=layers)

    declared = registry.declare(paint, on_lost="park", retries=5)
    assert (declared.name, declared.description, declared.options.max_failures) == (
        "paint",
        "Paint.",
        6,
    )
    assert [(f.name, f.shape, f.required) for f in declared.input.fields] == [
        ("color", Choice(Color), True),
        ("layers", Scalar("Int"), False),
        ("note", Optional(Scalar("String")), False),
    ]
    assert isinstance(declared.result, Model)


@pytest.mark.parametrize(
    ("hint", "shape"),
    [
        (str, Scalar("String")),
        (bool, Scalar("Boolean")),
        (int, Scalar("Int")),
        (float, Scalar("Float")),
        (dt.datetime, Scalar("DateTime")),
        (dt.date, Scalar("Date")),
        (dt.time, Scalar("Time")),
        (decimal.Decimal, Scalar("Decimal")),
        (uuid.UUID, Scalar("UUID")),
        (AnyUrl, Scalar("URL")),
        (File, Scalar("File")),
        (dict[str, int], Scalar("JSON")),
        (Any, Scalar("JSON")),
        (list[int], Listed(Scalar("Int"))),
        (list[int | None], Listed(Optional(Scalar("Int")))),
        (Annotated[int, Field(le=2**31 - 1)], Scalar("Int")),
        (Annotated[int, Field(le=2**31)], Scalar("BigInt")),
        (Annotated[int, Field(ge=-(2**40))] | None, Optional(Scalar("BigInt"))),
        (list[Annotated[int, Field(lt=2**40)]], Listed(Scalar("BigInt"))),
    ],
)
def test_each_supported_hint_has_its_shape(registry: Registry, hint: Any, shape: Any) -> None:
    def work(ctx: Context, *, value: Any) -> None:
        """Work."""

    work.__annotations__["value"] = hint
    assert registry.declare(work, on_lost="rerun", retries=0).input.fields[0].shape == shape


def test_a_literal_becomes_an_enum_named_after_its_place(registry: Registry) -> None:
    def sort_words(ctx: Context, *, order: Literal["up", "down"] = "up") -> None:
        """Sort."""

    shape = registry.declare(sort_words, on_lost="rerun", retries=0).input.fields[0].shape
    assert isinstance(shape, Choice)
    assert shape.enum.__name__ == "SortWordsOrder"
    assert {member.name: member.value for member in shape.enum} == {"UP": "up", "DOWN": "down"}


def test_a_model_may_contain_itself(registry: Registry) -> None:
    def grow(ctx: Context) -> Tree:
        """Grow."""
        raise AssertionError

    model = registry.declare(grow, on_lost="rerun", retries=0).result
    assert model is not None
    assert model.fields[0].shape == Listed(model)


class Tree(BaseModel):
    branches: list["Tree"]


@pytest.mark.parametrize("hint", [set[int], tuple[int, int], bytes, int | str, object, complex])
def test_an_unsupported_hint_is_refused(registry: Registry, hint: Any) -> None:
    def work(ctx: Context, *, value: Any) -> None:
        """Work."""

    work.__annotations__["value"] = hint
    message = refusal(registry, work)
    assert "Work.value" in message
    assert "use str, int, float" in message


def test_a_literal_of_numbers_is_refused(registry: Registry) -> None:
    def work(ctx: Context, *, value: Literal[1, 2]) -> None:
        """Work."""

    assert "only strings that are names" in refusal(registry, work)


def test_an_enum_whose_values_are_no_json_is_refused(registry: Registry) -> None:
    class Odd(enum.Enum):
        ONE = object()

    def work(ctx: Context, *, value: Any) -> None:
        """Work."""

    work.__annotations__["value"] = Odd
    assert "the enum Odd needs members" in refusal(registry, work)


def test_a_missing_docstring_is_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(ctx: Context) -> None:
        return None

    monkeypatch.setitem(globals(), "__doc__", None)
    assert "in a docstring, of the function or of its file" in refusal(registry, work)


def test_the_docstring_of_the_file_will_do(registry: Registry) -> None:
    def work(ctx: Context) -> None:
        return None

    assert registry.declare(work, on_lost="rerun", retries=0).description == __doc__


@pytest.mark.parametrize("on_lost", [None, "again", True])
def test_on_lost_is_required(registry: Registry, on_lost: Any) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    assert "on_lost='rerun'" in refusal(registry, work, on_lost)


@pytest.mark.parametrize("result", [int, list[Answer], dict, Answer | None])
def test_a_result_that_is_no_model_is_refused(registry: Registry, result: Any) -> None:
    def work(ctx: Context) -> Any:
        """Work."""

    work.__annotations__["return"] = result
    assert "the result must be a pydantic model or None" in refusal(registry, work)


def test_a_missing_result_hint_is_refused(registry: Registry) -> None:
    def work(ctx: Context):  # type: ignore[no-untyped-def]
        """Work."""

    assert "the result must be a pydantic model or None" in refusal(registry, work)


@pytest.mark.parametrize(
    "verb",
    ["cancel", "rerun", "start", "create", "update", "delete", "revoke", "pause", "resume"],
)
def test_names_that_begin_with_our_verbs_are_refused(registry: Registry, verb: str) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    work.__name__ = f"{verb}_things"
    assert f"names that begin with '{verb}'" in refusal(registry, work)


@pytest.mark.parametrize("name", ["Work", "_work", "work__twice", "wörk", "x" * 101])
def test_a_name_that_is_no_snake_case_is_refused(registry: Registry, name: str) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    work.__name__ = name
    assert "named in snake_case" in refusal(registry, work)


def test_two_tasks_of_one_name_are_refused(registry: Registry) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    registry.declare(work, on_lost="rerun", retries=2)
    registry.declare(work, on_lost="rerun", retries=2)  # the same file again, as a reload does
    elsewhere: dict[str, Any] = {"Context": Context}
    code = 'def work(ctx: Context) -> None:\n    """Work."""\n'
    exec(compile(code, "other.py", "exec"), elsewhere)  # noqa: S102 - a second file
    with pytest.raises(DeclarationError, match="declares this name too"):
        registry.declare(elsewhere["work"], on_lost="rerun", retries=2)


def test_a_context_is_required(registry: Registry) -> None:
    def work(*, text: str) -> None:
        """Work."""

    assert "the first parameter must be the context" in refusal(registry, work)


def test_parameters_must_be_keyword_only(registry: Registry) -> None:
    def work(ctx: Context, text: str) -> None:
        """Work."""

    assert "'text' must be keyword-only" in refusal(registry, work)


def test_open_ended_parameters_are_refused(registry: Registry) -> None:
    def work(ctx: Context, **options: str) -> None:
        """Work."""

    assert "no *args or **kwargs" in refusal(registry, work)


def test_a_parameter_without_a_hint_is_refused(registry: Registry) -> None:
    def work(ctx: Context, *, text) -> None:  # type: ignore[no-untyped-def]
        """Work."""

    assert "the parameter 'text' needs a type hint" in refusal(registry, work)


def test_a_default_that_breaks_its_own_hint_is_refused(registry: Registry) -> None:
    def work(ctx: Context, *, size: Annotated[int, Field(ge=1)] = 0) -> None:
        """Work."""

    assert "the default of 'size' breaks its own hint" in refusal(registry, work)


@pytest.mark.parametrize("retries", [-1, 101, True, "2", None])
def test_a_budget_that_is_no_number_is_refused(registry: Registry, retries: Any) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    with pytest.raises(DeclarationError, match="retries must be a whole number"):
        registry.declare(work, on_lost="rerun", retries=retries)


def test_a_hint_that_cannot_be_found_is_refused(registry: Registry) -> None:
    def work(ctx: Context, *, text: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
        """Work."""

    assert "Nowhere" in refusal(registry, work)


def test_only_functions_are_declared() -> None:
    with pytest.raises(DeclarationError, match="functions only"):
        task(on_lost="rerun")(print)


def test_the_function_stays_a_plain_function() -> None:
    from tasks.definitions.count_words import WordCount, count_words

    assert count_words(Context(), text="a bb\nccc bb", minimum=2) == WordCount(
        words=3, longest="ccc"
    )


def test_input_is_checked_as_declared(registry: Registry) -> None:
    def work(ctx: Context, *, when: dt.date, colors: list[Color]) -> None:
        """Work."""

    declared = registry.declare(work, on_lost="rerun", retries=0)
    given = declared.check_input({"when": "2026-11-23", "colors": ["red"]}, None)
    assert given.model_dump() == {"when": dt.date(2026, 11, 23), "colors": [Color.RED]}
    with pytest.raises(ValidationError):
        declared.check_input({"when": "2026-11-23", "colors": [], "more": 1}, None)


def test_only_plain_functions_are_tasks(registry: Registry) -> None:
    async def later(ctx: Context) -> None:
        """Later."""

    def many(ctx: Context) -> Any:
        """Many."""
        yield 1

    assert "a task is a plain function" in refusal(registry, later)
    assert "a task is a plain function" in refusal(registry, many)


class Items(RootModel[list[int]]):
    pass


@pytest.mark.parametrize(
    ("hint", "words"),
    [(Items, "a RootModel has no fields"), (Literal["a", "A"], "differ only by case")],
)
def test_hints_without_a_graphql_type_are_refused(
    registry: Registry, hint: Any, words: str
) -> None:
    def work(ctx: Context, *, value: Any) -> None:
        """Work."""

    work.__annotations__["value"] = hint
    assert words in refusal(registry, work)


@pytest.mark.parametrize("name", ["Meta", "is_type_of", "resolve_x", "model_config", "class_"])
def test_a_parameter_whose_name_means_something_else_is_refused(
    registry: Registry, name: str
) -> None:
    function: dict[str, Any] = {"Context": Context}
    exec(f'def work(ctx: Context, *, {name}: str) -> None:\n    """Work."""', function)  # noqa: S102
    with pytest.raises(DeclarationError, match=f"work: .*{name}"):
        registry.declare(function["work"], on_lost="rerun", retries=0)


@pytest.mark.parametrize("default", [5_000_000_000, -(2**31) - 1])
def test_a_default_beyond_its_type_is_refused(registry: Registry, default: int) -> None:
    def work(ctx: Context, *, size: int = default) -> None:
        """Work."""

    assert "the default of 'size' cannot be sent" in refusal(registry, work)


def test_two_functions_of_one_name_in_one_file_are_refused(registry: Registry) -> None:
    def first() -> Any:
        def work(ctx: Context) -> None:
            """Work."""

        return work

    def second() -> Any:
        def work(ctx: Context) -> None:
            """Work."""

        return work

    registry.declare(first(), on_lost="rerun", retries=0)
    assert "declares this name too" in refusal(registry, second())
