"""Reads a GraphQL request out of the bytes of a body."""

import json
import math
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Never

from backend.door.errors import Fault, RequestRefused
from schema.errors import Code
from schema.limits import JSON_DEPTH

# Possessive, so that no input makes it go back; a string without an end reaches to the end.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asks for, on whatever transport."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    document_id: str | None = None
    """The name of a trusted document, in place of `query`."""


def bad_request(message: str) -> RequestRefused:
    return RequestRefused(Fault.REQUEST, Code.BAD_REQUEST, message)


def read_request(body: bytes) -> GraphQLRequest:
    """The request in this JSON; RequestRefused says what is wrong with it."""
    return request_from(load_json(body))


def request_from(content: object) -> GraphQLRequest:
    """The request in this JSON value; RequestRefused says what is wrong with it."""
    if isinstance(content, list):
        raise bad_request("Batches are not supported: send one operation per request.")
    if not isinstance(content, dict):
        raise bad_request('A request is a JSON object: {"query": "..."}.')
    query, document_id = content.get("query"), _document_id(content)
    if not isinstance(query, str) and (query is not None or document_id is None):
        raise bad_request("`query` must be a string that holds a GraphQL document.")
    variables = content.get("variables")
    if not isinstance(variables, dict | None):
        raise bad_request("`variables` must be an object or null.")
    operation_name = content.get("operationName")
    if not isinstance(operation_name, str | None):
        raise bad_request("`operationName` must be a string or null.")
    return GraphQLRequest(query, variables, operation_name, document_id)


def _document_id(content: dict[str, Any]) -> str | None:
    """As GraphQL over HTTP names it, or as Apollo Client and others that send a digest do."""
    extensions = content.get("extensions")
    if not isinstance(extensions, dict | None):
        raise bad_request("`extensions` must be an object or null.")
    persisted = (extensions or {}).get("persistedQuery")
    digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    document_id = content.get("documentId", digest)
    if not isinstance(document_id, str | None):
        raise bad_request("`documentId` must be a string or null.")
    return document_id


def load_json(body: bytes) -> object:
    """The JSON value in these bytes; RequestRefused says what is wrong with it."""
    _check_depth(body)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise bad_request("This is not valid UTF-8.") from None
    try:
        content: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise bad_request(f"This is not valid JSON: {error}") from None
    except ValueError:  # NaN, Infinity, 1e999, or an integer of thousands of digits
        raise bad_request("A number is not finite, or too long.") from None
    if b"\\u" in body:
        _check_surrogates(content)
    return content


def _check_depth(body: bytes) -> None:
    """Refuse deep nesting before the decoder would recurse into it."""
    if body.count(b"{") + body.count(b"[") <= JSON_DEPTH:
        return
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > JSON_DEPTH:
        raise bad_request(f"JSON may be nested {JSON_DEPTH} levels deep, not deeper.")


def _check_surrogates(content: object) -> None:
    """Refuse half a surrogate pair: JSON can spell it, but neither UTF-8 nor a database can."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise bad_request("A string contains half a surrogate pair, which is no text.") from None


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
