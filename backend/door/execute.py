"""Executes one GraphQL request; every transport comes through here."""

from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, OperationType, execute_sync

from backend.door.documents import Documents
from backend.door.errors import Fault, RequestRefused, present
from backend.door.requests import GraphQLRequest, bad_request
from schema.context import RequestContext


@dataclass(frozen=True, slots=True)
class Outcome:
    """A response, and why nothing was executed if that is so."""

    response: dict[str, Any]
    fault: Fault | None = None


class Door:
    """The one way to a schema: limits, cached documents, masked errors."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._documents = Documents(schema, introspection=introspection)
        self._introspection = introspection

    def execute(self, request: GraphQLRequest, context: RequestContext) -> Outcome:
        """The outcome of a query or a mutation."""
        try:
            document = self._documents.get(request.query)
            if document.operation(request.operation_name) is OperationType.SUBSCRIPTION:
                raise bad_request("A subscription needs a stream, which this request has not.")
        except RequestRefused as refused:
            return Outcome({"errors": refused.errors}, refused.fault)
        return _outcome(
            execute_sync(
                self._schema,
                document.tree,
                context_value=context,
                variable_values=request.variables,
                operation_name=request.operation_name,
                hide_suggestions=not self._introspection,
            )
        )


def _outcome(result: ExecutionResult) -> Outcome:
    if not result.errors:
        return Outcome({"data": result.data})
    errors = [present(error) for error in result.errors]
    if result.data is None and all(error.path is None for error in result.errors):
        return Outcome({"errors": errors}, Fault.DOCUMENT)  # the variables do not fit
    return Outcome({"errors": errors, "data": result.data})
