"""Measures a parsed document and refuses what would cost too much to validate or execute.

The walk writes fragments out as execution would, and stops at the first limit, so its work is
bounded by the limits and not by the document.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from backend.door.errors import Fault, RequestRefused
from schema import limits
from schema.errors import Code

INTROSPECTION = frozenset(("__schema", "__type"))
ITEMS = frozenset(("nodes", "edges"))  # the fields of a connection that bring its items
LISTS = frozenset(("attempts",))  # of so many items as their own `last` says
BULK = frozenset(
    ("cancelRuns", "startRuns")
)  # mutations that answer with `items`, one for each run


class _Place(NamedTuple):
    """A selection set, where execution would come to it."""

    selection_set: SelectionSetNode
    depth: int = 0  # fields above it
    introspecting: bool = False  # below __schema or __type
    path: int = 0  # the number of the response path above it
    page: int = 1  # items of the connection above it
    is_bulk: bool = False  # directly below a mutation of many runs
    times: int = 1  # how often execution comes here
    within: tuple[str, ...] = ()  # the fragments it is written in


@dataclass(frozen=True, slots=True)
class Survey:
    """What a document asks for. `costs`: of each operation, by its name."""

    costs: Mapping[str | None, int]
    introspects: bool

    def refuse_introspection(self) -> None:
        """RequestRefused when the document introspects."""
        if self.introspects:
            raise RequestRefused(
                Fault.DOCUMENT,
                Code.GRAPHQL_VALIDATION_FAILED,
                "Introspection is off on this server; ask its operators for the schema.",
            )


def admit(document: DocumentNode) -> Survey:
    """What the document asks for; RequestRefused when it is beyond a limit."""
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    _check(len(fragments), limits.FRAGMENTS, "fragments")
    _check(_count_directives(document), limits.DIRECTIVES, "directives")
    walk = _Walk(fragments)
    costs: dict[str | None, int] = {}
    introspects = False
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            tally = walk.measure(node.selection_set)
            name = node.name.value if node.name else None
            costs[name] = tally.cost(is_mutation=node.operation is OperationType.MUTATION)
            introspects |= tally.introspects
    while walk.unused:  # validation reads them too
        introspects |= walk.measure(fragments[walk.unused.pop()].selection_set).introspects
    return Survey(costs, introspects)


class _Walk:
    """What is common to the definitions of one document."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._selections = 0
        self.unused = set(fragments)

    def measure(self, root: SelectionSetNode) -> "_Tally":
        """Walk one operation, or a fragment that no operation uses."""
        tally = _Tally()
        places = [_Place(root)]
        while places:
            place = places.pop()
            self._selections += len(place.selection_set.selections)
            _check(self._selections, limits.SELECTIONS, "selections")
            for selection in place.selection_set.selections:
                if isinstance(selection, FieldNode):
                    below = tally.count(selection, place)
                elif isinstance(selection, InlineFragmentNode):
                    below = place._replace(selection_set=selection.selection_set)
                else:
                    below = self._spread(cast(FragmentSpreadNode, selection).name.value, place)
                if below is not None:
                    places.append(below)
        return tally

    def _spread(self, name: str, place: _Place) -> _Place | None:
        if name in place.within:
            raise _too_complex(f"The fragment `{name}` contains itself.")
        self.unused.discard(name)
        fragment = self._fragments.get(name)
        if fragment is None:
            return None  # validation says so
        return place._replace(selection_set=fragment.selection_set, within=(*place.within, name))


class _Tally:
    """The counts of one operation."""

    def __init__(self) -> None:
        self._fields = 0
        self._introspected = 0
        self._cost = 0
        self._roots = 0
        self._aliases = 0
        self._paths: dict[tuple[int, str], int] = {}
        self._repeats: Counter[int] = Counter()

    @property
    def introspects(self) -> bool:
        return self._introspected > 0

    def cost(self, *, is_mutation: bool) -> int:
        """What the operation costs its viewer."""
        doing = self._roots * limits.COST_OF_DOING if is_mutation else 0
        return self._cost + self._introspected + doing

    def count(self, node: FieldNode, place: _Place) -> _Place | None:
        """Count the field; the place below it, if it has one."""
        introspecting = place.introspecting or node.name.value in INTROSPECTION
        depth = place.depth + 1
        self._roots += depth == 1
        if introspecting:
            self._count_introspection(depth)
        else:
            self._fields += 1
            _check(self._fields, limits.FIELDS, "fields")
            # What a page's neighbours are can be told only once the page is read.
            self._cost += place.times * (place.page if node.name.value == "pageInfo" else 1)
            _check(self._cost, limits.COST, "fields in all items of its pages together")
            _check(depth, limits.DEPTH, "levels of fields")
        if node.alias is not None:
            self._aliases += 1
            _check(self._aliases, limits.ALIASES, "aliases")
        path = self._count_path(place.path, (node.alias or node.name).value)
        if node.selection_set is None:
            return None
        is_bulk = node.name.value in BULK
        return _Place(
            node.selection_set,
            depth,
            introspecting,
            path,
            page=limits.BULK if is_bulk else _page_size(node),
            is_bulk=is_bulk,
            times=place.times * _items(node, place),
            within=place.within,
        )

    def _count_introspection(self, depth: int) -> None:
        self._introspected += 1
        _check(self._introspected, limits.INTROSPECTION_FIELDS, "fields of introspection")
        _check(depth, limits.INTROSPECTION_DEPTH, "levels of introspection")

    def _count_path(self, above: int, name: str) -> int:
        """The number of this response path, after one more field on it."""
        path = self._paths.setdefault((above, name), len(self._paths) + 1)
        self._repeats[path] += 1
        _check(self._repeats[path], limits.REPEATS, f"fields called `{name[:40]}` in one place")
        return path


def _items(node: FieldNode, place: _Place) -> int:
    """The items that the field may bring where it stands."""
    name = node.name.value
    if name in ITEMS or (name == "items" and place.is_bulk):
        return place.page
    return _page_size(node) if name in LISTS else 1


def _page_size(node: FieldNode) -> int:
    """The items that a connection may bring: as its arguments say, at most those of a full page."""
    for argument in node.arguments:
        if argument.name.value in ("first", "last"):
            size = getattr(argument.value, "value", "")  # a variable has none: a full page
            is_small = isinstance(argument.value, IntValueNode) and len(size) < 4
            return max(1, min(int(size), limits.PAGE_SIZE)) if is_small else limits.PAGE_SIZE
    return limits.DEFAULT_PAGE


def _count_directives(document: DocumentNode) -> int:
    """The directives as written, on definitions, variables and selections."""
    nodes: list[Node] = list(document.definitions)
    count = 0
    while nodes:
        node = nodes.pop()
        beside = len(getattr(node, "directives", None) or ())
        _check(beside, limits.DIRECTIVES_BESIDE, "directives in one place")
        count += beside
        nodes += getattr(node, "variable_definitions", None) or ()
        selection_set: SelectionSetNode | None = getattr(node, "selection_set", None)
        if selection_set is not None:
            nodes += selection_set.selections
    return count


def _check(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise _too_complex(f"The query is too complex: more than {limit} {what}.")


def _too_complex(message: str) -> RequestRefused:
    return RequestRefused(Fault.REQUEST, Code.QUERY_TOO_COMPLEX, message)
