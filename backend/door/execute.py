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

from accounts.viewer import Viewer
from backend.door.documents import Document, Documents
from backend.door.encoding import encode
from backend.door.errors import Fault, RequestRefused, error_response, present
from backend.door.rates import UNLIMITED, Purse, Rates
from backend.door.requests import GraphQLRequest, bad_request
from backend.door.trusted import TrustedDocuments
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

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool,
        rates: Rates = UNLIMITED,
        trusted: TrustedDocuments | None = None,
    ) -> None:
        self._schema = schema
        self._documents = Documents(schema)
        self._introspection = introspection
        self._trusted = trusted
        self.rates = rates

    def may_introspect(self, viewer: Viewer | None) -> bool:
        """Whether this viewer may learn the schema: staff may, others where the settings say so."""
        return self._introspection or (viewer is not None and viewer.is_staff)

    def execute(self, request: GraphQLRequest, context: RequestContext) -> Content:
        """The outcome of a query or a mutation; what is to be watched, for a subscription.

        A Wait when the operation waits for runs: it has the outcome before and after. What an
        error has left without data waits for nothing: no later answer could show a run.
        """
        try:
            text, document = self._document(request, context)
            kind, cost = document.operation(request.operation_name)
            self._purse(context).pay(cost)
        except RequestRefused as refused:
            return Outcome({"errors": refused.errors}, refused.fault)
        operation = _Operation(document.tree, request.variables, request.operation_name)
        if kind is OperationType.SUBSCRIPTION:
            if len(text) + len(encode(request.variables)) > SUBSCRIPTION:
                return Outcome(error_response(Code.QUERY_TOO_COMPLEX, TOO_LONG), Fault.REQUEST)
            return self._subscribe(operation, context)
        outcome = self._outcome(operation, context)
        if not context.waits.known or outcome.response.get("data") is None:
            return outcome
        is_query = kind is OperationType.QUERY
        return Wait(context, partial(self._outcome, operation), outcome, is_query=is_query)

    def _document(self, request: GraphQLRequest, context: RequestContext) -> tuple[str, Document]:
        """The document and its text, paid for; else RequestRefused."""
        purse = self._purse(context)
        purse.pay_request()
        text = self._text(request, context.viewer)
        introspection = self.may_introspect(context.viewer)
        return text, self._documents.get(text, introspection=introspection, pay=purse.pay)

    def _purse(self, context: RequestContext) -> Purse:
        return self.rates.purse(context.viewer, context.address)

    def _text(self, request: GraphQLRequest, viewer: Viewer | None) -> str:
        is_staff = viewer is not None and viewer.is_staff and request.query is not None
        if self._trusted is not None and not is_staff:
            return self._trusted.text(request.document_id, request.query)
        if request.query is None:
            raise bad_request("This server keeps no documents: send the whole one as `query`.")
        return request.query

    def _outcome(self, operation: _Operation, context: RequestContext, root: Any = None) -> Outcome:
        return _outcome(
            execute_sync(
                self._schema,
                operation.tree,
                root_value=root,
                context_value=context,
                variable_values=operation.variables,
                operation_name=operation.name,
                hide_suggestions=not self.may_introspect(context.viewer),
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
                hide_suggestions=not self.may_introspect(context.viewer),
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
