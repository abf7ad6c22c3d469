"""A small schema that can do everything a resolver may do wrong."""

from typing import Any, Never

from django.db import OperationalError
from django.urls import path
from graphql import GraphQLSchema, build_schema

from backend.door.execute import Door
from backend.door.http import GraphQLView
from backend.door.sdl import SchemaView
from schema.errors import bad_user_input

SECRET = "password=hunter2"

SDL = """
type Query {
  hello(name: String = "you"): String
  double(number: Int!): Int
  viewer: String
  address: String
  run: Run
  leak: String
  tooBig: Int
  refuse: String
  lockedOut: String
  must: String!
}
type Run { id: ID parent: Run runs: [Run] event: Event }
union Event = Started | Ended
type Started { at: String }
type Ended { at: String }
type Mutation { count(by: Int!): Int }
type Subscription { ticks: Int }
"""


class Root:
    """The resolvers; `counted` is what the mutation did."""

    counted: int = 0

    def hello(self, info: Any, name: str | None) -> str:
        return f"Hello {name}"

    def double(self, info: Any, number: int) -> int:
        return number * 2

    def viewer(self, info: Any) -> str | None:
        viewer = info.context.viewer
        return None if viewer is None else str(viewer.user_id)

    def address(self, info: Any) -> str:
        base_url: str = info.context.base_url
        return base_url

    def run(self, info: Any) -> dict[str, Any]:
        return {"id": "1", "runs": []}

    def leak(self, info: Any) -> Never:
        raise RuntimeError(SECRET)

    def tooBig(self, info: Any) -> int:  # noqa: N802 - GraphQL's spelling
        return 2**40

    def refuse(self, info: Any) -> Never:
        raise bad_user_input("Not like that.")

    def lockedOut(self, info: Any) -> Never:  # noqa: N802
        raise OperationalError(SECRET)

    def must(self, info: Any) -> None:
        return None

    def count(self, info: Any, by: int) -> int:
        Root.counted += by
        return Root.counted


def _resolver(name: str) -> Any:
    method = getattr(Root(), name)
    return lambda _root, info, **arguments: method(info, **arguments)


def make_schema() -> GraphQLSchema:
    schema = build_schema(SDL)
    for root in (schema.query_type, schema.mutation_type):
        assert root is not None
        for name, field in root.fields.items():
            field.resolve = _resolver(name)
    return schema


SCHEMA = make_schema()
DOOR = Door(SCHEMA, introspection=True)
CLOSED = Door(SCHEMA, introspection=False)

urlpatterns = [
    path("graphql", GraphQLView(DOOR)),
    path("closed", GraphQLView(CLOSED)),
    path("schema.graphql", SchemaView(SDL, DOOR)),
    path("closed.graphql", SchemaView(SDL, CLOSED)),
]
