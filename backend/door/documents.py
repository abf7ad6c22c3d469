"""Parsed, admitted and validated documents, kept by their text: validation costs milliseconds."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    parse,
    validate,
)

from backend.door.admission import Survey, admit
from backend.door.errors import Fault, RequestRefused
from schema.errors import Code
from schema.limits import ERRORS, LINES, TOKENS

ENTRIES = 1_000
TEXT_LENGTH = 300_000  # characters of all texts together; their trees take up to 100 bytes for each
LONGEST = 20_000  # characters of a text that is kept; a longer one carries data, so it comes once
CONDITIONS = frozenset(("skip", "include"))


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may be executed; a kept one has no source locations, which weigh most."""

    tree: DocumentNode
    operations: dict[str | None, OperationType]
    survey: Survey

    def operation(self, name: str | None) -> tuple[OperationType, int]:
        """The kind of the operation that will run, and its cost."""
        if name is None and len(self.operations) == 1:
            name = next(iter(self.operations))
        elif name is None:
            raise _no_operation("Say with `operationName` which of the operations to run.")
        if name not in self.operations:
            raise _no_operation("`operationName` names no operation of the document.")
        return self.operations[name], self.survey.costs[name]


class Documents:
    """A bounded cache, least recently used out first; safe to use from many threads.

    What is refused is not kept: each of a hundred wrong documents would push out a right one.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._length = 0
        self._lock = threading.Lock()

    def get(
        self,
        text: str,
        *,
        introspection: bool = True,
        pay: Callable[[int], None] = lambda cost: None,
    ) -> Document:
        """The document, from the cache if it is there; RequestRefused when it must not run.

        Without `introspection` nothing helps to guess the schema either. `pay` is asked for the
        work that a document makes which is not in the cache.
        """
        document = self._find(text)
        if document is None:
            pay(len(text))  # to validate it takes longer than to execute most
            return self._read(text, introspection)
        if not introspection:
            document.survey.refuse_introspection()
        return document

    def _find(self, text: str) -> Document | None:
        with self._lock:
            document = self._kept.get(text)
            if document is not None:
                self._kept.move_to_end(text)
            return document

    def _read(self, text: str, introspection: bool) -> Document:
        tree, survey = self._validated(text, introspection)
        if len(text) > LONGEST:
            return Document(tree, _operations(tree), survey)
        document = Document(parse(text, no_location=True), _operations(tree), survey)
        with self._lock:
            self._keep(text, document)
        return document

    def _keep(self, text: str, document: Document) -> None:
        if text in self._kept:  # another thread was faster
            return
        self._kept[text] = document
        self._length += len(text)
        while len(self._kept) > ENTRIES or self._length > TEXT_LENGTH:
            oldest, _ = self._kept.popitem(last=False)
            self._length -= len(oldest)

    def _validated(self, text: str, introspection: bool) -> tuple[DocumentNode, Survey]:
        if text.count("\n") + text.count("\r") > LINES:  # each error counts them again
            message = f"The query is too complex: more than {LINES} lines."
            raise RequestRefused(Fault.REQUEST, Code.QUERY_TOO_COMPLEX, message)
        tree = _parse(text)
        survey = admit(tree)
        if not introspection:
            survey.refuse_introspection()
        _check_subscriptions(tree)
        errors = validate(self._schema, tree, max_errors=ERRORS, hide_suggestions=not introspection)
        if errors:
            raise RequestRefused(Fault.DOCUMENT, Code.GRAPHQL_VALIDATION_FAILED, *errors)
        return tree, survey


def _check_subscriptions(tree: DocumentNode) -> None:
    """What a subscription watches must not depend on a variable.

    Asked before the installed rules, which let it pass, or stumble over the variable.
    https://spec.graphql.org/September2025/#sec-Single-Root-Field
    """
    fragments = {
        node.name.value: node
        for node in tree.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    for node in tree.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        if node.operation is not OperationType.SUBSCRIPTION:
            continue
        for directive in _root_directives(node, fragments):
            message = f"@{directive.name.value} is not for what a subscription watches."
            error = GraphQLError(message, directive)
            raise RequestRefused(Fault.DOCUMENT, Code.GRAPHQL_VALIDATION_FAILED, error)


def _root_directives(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[DirectiveNode]:
    """The conditions on what is selected at the root, fragments written out."""
    within: set[str] = set()
    selections: list[SelectionNode] = list(operation.selection_set.selections)
    while selections:
        selection = selections.pop()
        yield from (each for each in selection.directives if each.name.value in CONDITIONS)
        if isinstance(selection, InlineFragmentNode):
            selections += selection.selection_set.selections
        elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in within:
            within.add(selection.name.value)
            fragment = fragments.get(selection.name.value)  # validation tells of an unknown one
            selections += fragment.selection_set.selections if fragment else ()


def _parse(text: str) -> DocumentNode:
    try:
        return parse(text, max_tokens=TOKENS)
    except GraphQLSyntaxError as error:
        if error.description.startswith("Document contains more"):  # than max_tokens
            message = f"The query is too complex: more than {TOKENS} tokens."
            raise RequestRefused(Fault.REQUEST, Code.QUERY_TOO_COMPLEX, message) from None
        raise RequestRefused(Fault.DOCUMENT, Code.GRAPHQL_PARSE_FAILED, error) from None


def _operations(tree: DocumentNode) -> dict[str | None, OperationType]:
    return {
        node.name.value if node.name else None: node.operation
        for node in tree.definitions
        if isinstance(node, OperationDefinitionNode)
    }


def _no_operation(message: str) -> RequestRefused:
    return RequestRefused(Fault.REQUEST, Code.BAD_REQUEST, message)
