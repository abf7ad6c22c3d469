"""Builds the one schema from the core types and the declared tasks, and prints it."""

from functools import cache

import graphene
from graphql import GraphQLError, print_schema, validate_schema

from tasks.exceptions import DeclarationError


@cache
def schema() -> graphene.Schema:
    """The schema of this process, built once, after discovery, or DeclarationError."""
    from schema.mutations import Mutation  # reads the registry, so not before it is full
    from schema.queries import Query
    from schema.scalars import SPECIFIED_BY

    built = graphene.Schema(query=Query, mutation=Mutation)
    types = built.graphql_schema.type_map
    for name, url in SPECIFIED_BY.items():
        if name in types:
            types[name].specified_by_url = url
    mistakes = validate_schema(built.graphql_schema)
    if mistakes:
        raise DeclarationError(_explain(mistakes))
    return built


def sdl() -> str:
    """The schema as text, ending with a newline."""
    return print_schema(schema().graphql_schema) + "\n"


def _explain(mistakes: list[GraphQLError]) -> str:
    return "The tasks make no valid schema: " + " ".join(each.message for each in mistakes)
