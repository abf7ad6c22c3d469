"""What the client selects below a field, so that a page loads it with one query, not many."""

from collections.abc import Iterable, Iterator

from graphene import ResolveInfo
from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

STORED = ("input", "inputJson", "result", "resultJson")  # of a run; they may be large


def selects_stored(info: ResolveInfo, *path: str) -> bool:
    """Whether the runs at this path below the current field are asked for what may be large."""
    return any(selects(info, *path, name) for name in STORED)


def selects(info: ResolveInfo, *path: str) -> bool:
    """Whether some selection below the current field reaches this path of field names."""
    level: Iterable[FieldNode] = info.field_nodes
    for name in path:
        level = [
            node
            for parent in level
            for node in _fields(parent.selection_set, info)
            if node.name.value == name
        ]
    return bool(level)


def _fields(selections: SelectionSetNode | None, info: ResolveInfo) -> Iterator[FieldNode]:
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _fields(node.selection_set, info)
        elif isinstance(node, FragmentSpreadNode):
            yield from _fields(info.fragments[node.name.value].selection_set, info)
