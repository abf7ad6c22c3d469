"""Builds the one schema from the core types and the declared tasks, and prints it."""

from functools import cache

import graphene
from graphql import GraphQLError, print_schema, validate_schema

from schema.scalars import SPECIFIED_BY
from tasks.exceptions import DeclarationError


@cache
def schema() -> graphene.Schema:
    """The schema of this process, built once, after discovery, or DeclarationError."""
    try:
        built = _build()
    except DeclarationError:
        raise
    except Exception as error:  # graphene and graphql-core refuse in many ways
        raise DeclarationError(f"The tasks make no valid schema: {error}") from error
    types = built.graphql_schema.type_map
    for name, url in SPECIFIED_BY.items():
        if name in types:
            types[name].specified_by_url = url
    if "TaskInput" in types:
        types["TaskInput"].is_one_of = True  # graphene does not know of it
    mistakes = validate_schema(built.graphql_schema)
    if mistakes:
        raise DeclarationError(_explain(mistakes))
    return built


def _build() -> graphene.Schema:
    from schema.mutations import Mutation  # reads the registry, so not before it is full
    from schema.queries import Query
    from schema.subscriptions import Subscription

    return graphene.Schema(query=Query, mutation=Mutation, subscription=Subscription)


def sdl() -> str:
    """The schema as text, ending with a newline."""
    return print_schema(schema().graphql_schema) + "\n"


def _explain(mistakes: list[GraphQLError]) -> str:
    return "The tasks make no valid schema: " + " ".join(each.message for each in mistakes)
