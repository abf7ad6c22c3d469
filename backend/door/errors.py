"""What a client may learn of an error: its code, or only a reference to the log."""

import logging
from enum import Enum
from typing import Any

from django.db import InterfaceError, OperationalError
from graphql import GraphQLError

from backend import trace
from schema.errors import Code

MESSAGE_LENGTH = 1_000  # a name in a document may be as long as the document

logger = logging.getLogger("downbeat.door")


class Fault(Enum):
    """Why nothing was executed."""

    REQUEST = "REQUEST"  # no readable GraphQL request, or one beyond the limits
    RATE = "RATE"  # too many requests, or too costly ones, in a minute
    DOCUMENT = "DOCUMENT"  # the document or its variables do not fit the schema


class RequestRefused(Exception):
    """The request is not executed; the errors are fit for the client's eyes."""

    def __init__(
        self, fault: Fault, code: Code, *errors: GraphQLError | str, **extensions: Any
    ) -> None:
        super().__init__(code)
        self.fault = fault
        self.errors = [_formatted(_graphql_error(error), code, **extensions) for error in errors]


def _graphql_error(error: GraphQLError | str) -> GraphQLError:
    return GraphQLError(error) if isinstance(error, str) else error


def _formatted(error: GraphQLError, code: str, **extensions: Any) -> dict[str, Any]:
    formatted: dict[str, Any] = {**error.formatted}
    formatted["message"] = error.message[:MESSAGE_LENGTH]
    formatted["extensions"] = {"code": code, **extensions}
    return formatted


def error_response(code: Code, message: str, **extensions: Any) -> dict[str, Any]:
    """The response that is nothing but this error."""
    return {"errors": [_formatted(GraphQLError(message), code, **extensions)]}


def present(error: GraphQLError) -> dict[str, Any]:
    """An error of an execution as the client gets it; a bug is logged and masked."""
    if error.extensions and "code" in error.extensions:
        return {**error.formatted}
    if error.path is None:  # a variable that does not fit
        return _formatted(error, Code.BAD_USER_INPUT)
    cause = _cause(error)
    if isinstance(cause, OperationalError | InterfaceError):
        return _formatted(_relocated(error, unavailable(cause)), Code.UNAVAILABLE)
    if isinstance(cause, GraphQLError) and cause.nodes is not None:
        # graphql-core refused an argument; what a resolver or a scalar raises has no nodes before
        # it is located.
        return _formatted(error, Code.BAD_USER_INPUT)
    message, reference = mask(cause)
    return _formatted(_relocated(error, message), Code.INTERNAL, reference=reference)


def unavailable(error: Exception) -> str:
    """Log that the database failed; the message for the client."""
    logger.error("The database does not answer: %s", error)
    return (
        "The database does not answer; try again. "
        "A start is safe to repeat with the same idempotencyKey."
    )


def mask(error: BaseException) -> tuple[str, str]:
    """Log the error; the message for the client, and the reference: the trace id of its line."""
    with trace.current() as reference:
        logger.error("An operation failed by a mistake of ours.", exc_info=error)
    return f"Something went wrong on our side. Reference: {reference}.", reference


def _cause(error: GraphQLError) -> BaseException:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _relocated(error: GraphQLError, message: str) -> GraphQLError:
    return GraphQLError(message, error.nodes, path=error.path)
