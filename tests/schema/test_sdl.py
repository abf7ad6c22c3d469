"""The committed SDL is the schema, and a breaking change is named in the changelog."""

import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    find_breaking_changes,
)

from schema.build import schema, sdl
from schema.names import CORE

ROOT = Path(__file__).parents[2]
GROWING = ("RunInput", "RunResult", "TaskInput")  # a new task adds members: no breach


def unnamed_breaches(released: str, current: str, changelog: str) -> list[str]:
    """Breaking changes whose type (and field) the changelog's Unreleased part does not name."""
    unreleased = re.split(r"^## ", changelog, flags=re.MULTILINE)[1]
    assert unreleased.startswith("[Unreleased]")
    breaches = find_breaking_changes(build_schema(released), build_schema(current))
    return [
        breach.description
        for breach in breaches
        if not any(f"`{name}`" in unreleased for name in re.findall(r"[\w.]+", breach.description))
    ]


def test_the_committed_sdl_is_the_schema() -> None:
    assert (ROOT / "schema.graphql").read_text() == sdl(), "run `make schema` and commit it"


def test_the_check_refuses_a_stale_sdl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="make schema"):
        call_command("schema", check=True)
    (tmp_path / "schema.graphql").write_text(sdl())
    call_command("schema", check=True)


def test_no_breaking_change_goes_unnamed() -> None:
    released = (ROOT / "tests/schema/released.graphql").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert unnamed_breaches(released, sdl(), changelog) == []


def test_a_breaking_change_is_seen_until_it_is_named() -> None:
    released = "type Query { a: Int b: Int } union RunResult = Query"
    current = "type Query { a: Int } union RunResult = Query"
    assert unnamed_breaches(released, current, "## [Unreleased]\n") == ["Query.b was removed."]
    assert unnamed_breaches(released, current, "## [Unreleased]\n- `Query.b` is gone\n") == []
    assert unnamed_breaches(released, current, "## [Unreleased]\n## [0.1] `Query.b`\n") != []


def test_a_new_task_is_no_breaking_change() -> None:
    released = "type Query { a: A } type A { x: Int } union RunResult = A"
    current = "type Query { a: A } type A { x: Int } type B { y: Int } union RunResult = A | B"
    assert unnamed_breaches(released, current, "## [Unreleased]\n") == []


def own_types() -> list[GraphQLNamedType]:
    types = schema().graphql_schema.type_map.values()
    return [each for each in types if not each.name.startswith("__")]


def test_everything_has_a_description() -> None:
    silent = [each.name for each in own_types() if each.name in CORE and not each.description]
    for each in own_types():
        if isinstance(each, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            silent += [
                f"{each.name}.{n}" for n, field in each.fields.items() if not field.description
            ]
        elif isinstance(each, GraphQLEnumType) and each.name in CORE:
            silent += [
                f"{each.name}.{n}" for n, value in each.values.items() if not value.description
            ]
    assert silent == []


def test_every_core_type_name_is_reserved() -> None:
    from schema.run import TASK_TYPES

    generated = {each.__name__ for each in TASK_TYPES.results.values()}
    core = {each.name for each in own_types()} & CORE
    assert {"Run", "Task", "Node", "UserError", "DateTime", "Upload"} <= core
    assert not generated & CORE


def test_scalars_name_their_specification() -> None:
    assert '@specifiedBy(url: "https://scalars.graphql.org/andimarek/date-time")' in sdl()
