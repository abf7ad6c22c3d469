"""Executes one GraphQL request; every transport comes through here."""

from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLSchema,
    OperationType,
    create_source_event_stream,
    execute_sync,
)

from backend.door.documents import Documents
from backend.door.encoding import encode
from backend.door.errors import Fault, RequestRefused, error_response, present
from backend.door.requests import GraphQLRequest
from backend.door.watches import Content, Outcome, Subscription, Wait
from schema.context import RequestContext
from schema.errors import Code
from schema.limits import SUBSCRIPTION
from schema.subscriptions import Source

T = TypeVar("T")
TOO_LONG = f"A subscription and its variables have at most {SUBSCRIPTION} characters together."


@dataclass(frozen=True, slots=True)
class _Operation:
    """What is executed, once or often."""

    tree: DocumentNode
    variables: dict[str, Any] | None
    name: str | None


class Door:
    """The one way to a schema: limits, cached documents, masked errors."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._documents = Documents(schema, introspection=introspection)
        self._introspection = introspection

    def execute(self, request: GraphQLRequest, context: RequestContext) -> Content:
        """The outcome of a query or a mutation; what is to be watched, for a subscription.

        A Wait when the operation waits for runs: it has the outcome before and after. What an
        error has left without data waits for nothing: no later answer could show a run.
        """
        try:
            document = self._documents.get(request.query)
            kind = document.operation(request.operation_name)
        except RequestRefused as refused:
            return Outcome({"errors": refused.errors}, refused.fault)
        operation = _Operation(document.tree, request.variables, request.operation_name)
        if kind is OperationType.SUBSCRIPTION:
            if len(request.query) + len(encode(request.variables)) > SUBSCRIPTION:
                return Outcome(error_response(Code.QUERY_TOO_COMPLEX, TOO_LONG), Fault.REQUEST)
            return self._subscribe(operation, context)
        outcome = self._outcome(operation, context)
        if not context.waits.known or outcome.response.get("data") is None:
            return outcome
        is_query = kind is OperationType.QUERY
        return Wait(context, partial(self._outcome, operation), outcome, is_query=is_query)

    def _outcome(self, operation: _Operation, context: RequestContext, root: Any = None) -> Outcome:
        return _outcome(
            execute_sync(
                self._schema,
                operation.tree,
                root_value=root,
                context_value=context,
                variable_values=operation.variables,
                operation_name=operation.name,
                hide_suggestions=not self._introspection,
            )
        )

    def _subscribe(self, operation: _Operation, context: RequestContext) -> Outcome | Subscription:
        source = _at_once(
            create_source_event_stream(
                self._schema,
                operation.tree,
                context_value=context,
                variable_values=operation.variables,
                operation_name=operation.name,
                hide_suggestions=not self._introspection,
            )
        )
        if isinstance(source, ExecutionResult):  # there is no stream, and so there are no data
            outcome = _outcome(source)
            return Outcome({"errors": outcome.response["errors"]}, outcome.fault)
        feed = cast(Source, source).feed
        return Subscription(context, partial(self._outcome, operation), feed)


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, as our subscribe resolvers do."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("A subscribe resolver waits, where only the pool may.")


def _outcome(result: ExecutionResult) -> Outcome:
    if not result.errors:
        return Outcome({"data": result.data})
    errors = [present(error) for error in result.errors]
    if result.data is None and all(error.path is None for error in result.errors):
        return Outcome({"errors": errors}, Fault.DOCUMENT)  # the variables do not fit
    return Outcome({"errors": errors, "data": result.data})
