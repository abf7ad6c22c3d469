"""The only documents that may be executed, where a list of them was made at build time."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from django.core.exceptions import ImproperlyConfigured

from backend.door.errors import Fault, RequestRefused
from schema.errors import Code


class TrustedDocuments:
    """Documents by the ids under which clients name them."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        # A text is known by its digest too, which is the id that some clients make of it.
        digests = {hashlib.sha256(text.encode()).hexdigest(): text for text in documents.values()}
        self._documents = digests | dict(documents)
        self._texts = frozenset(documents.values())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a list as build tools write it, or ImproperlyConfigured says what is wrong with it.

        Either `{"id": "text"}` (GraphQL Code Generator, Relay), or Apollo's manifest:
        https://www.apollographql.com/docs/react/data/persisted-queries
        """
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            message = f"TRUSTED_DOCUMENTS: {path} cannot be read as JSON: {error}"
            raise ImproperlyConfigured(message) from None
        documents = _documents(content)
        if documents is None:
            message = f'{path} must be an object {{"id": "document"}}, or a manifest of Apollo.'
            raise ImproperlyConfigured(f"TRUSTED_DOCUMENTS: {message}")
        return cls(documents)

    def text(self, document_id: str | None, query: str | None) -> str:
        """The document of this id, or the text itself if it is in the list; else RequestRefused."""
        if document_id is not None:
            found = self._documents.get(document_id)
            if found is None and document_id.startswith("sha256:"):  # GraphQL over HTTP's spelling
                found = self._documents.get(document_id.removeprefix("sha256:"))
            if found is not None:
                return found
        elif query in self._texts:
            return query
        message = "This document is not one of those that this server trusts: deploy it first."
        raise RequestRefused(Fault.REQUEST, Code.DOCUMENT_NOT_TRUSTED, message)


def _documents(content: Any) -> dict[str, str] | None:
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("operations"), list):
        try:
            content = {each["id"]: each["body"] for each in content["operations"]}
        except (KeyError, TypeError):
            return None
    return content if all(isinstance(text, str) for text in content.values()) else None
