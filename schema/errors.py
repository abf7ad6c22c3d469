"""Top-level errors that carry a code for clients; anything else that is raised gets masked."""

from enum import StrEnum

from graphql import GraphQLError


class Code(StrEnum):
    """The words of `extensions.code`."""

    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"
    DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    INTERNAL = "INTERNAL"


class CodedError(GraphQLError):
    """An error whose message is fit for the client's eyes."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message, extensions={"code": code.value})


def unauthenticated() -> CodedError:
    return CodedError(
        Code.UNAUTHENTICATED, "Sign in: send the header `Authorization: Bearer <token>`."
    )


def bad_user_input(message: str) -> CodedError:
    return CodedError(Code.BAD_USER_INPUT, message)
