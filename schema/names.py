"""The names of generated types, and the names that are taken."""

import re

from django.conf import settings
from graphene.utils.str_converters import to_camel_case

from tasks.exceptions import DeclarationError

# Every type of the contract, those of later releases too: a model that took one of these names
# today would break its clients on the day that release comes.
CORE = frozenset(
    """
    Query Mutation Subscription String Int Float Boolean ID DateTime Date Time Decimal UUID URL
    BigInt JSON Upload Node Payload StartPayload Run RunStatus Attempt AttemptOutcome Event
    EventKind LogLevel Priority ErrorCode UserError RunError Progress PageInfo Header File Download
    Task User Limits RunInput RunResult RunOptions RunFilter RunScope EventFilter RunEdge
    RunConnection EventEdge EventConnection FileEdge FileConnection TaskInput StartRunInput
    CreateUploadInput CreateUploadPayload CancelRunPayload CancelRunsPayload RerunPayload
    StartedRun DeletePayload StartRunsPayload
    """.split()  # noqa: SIM905 - a list would take forty lines
)


_GRAPHQL_NAME = re.compile(r"[A-Za-z][_0-9A-Za-z]*")


def type_name(declared: type) -> str:
    """A model's or enum's name in the schema: its own, or what the setting TYPE_NAMES says."""
    own = declared.__name__
    renamed: str = settings.TYPE_NAMES.get(f"{declared.__module__}.{own}", own)
    return renamed


def input_name(name: str) -> str:
    return name + "Input"


def given_name(name: str) -> str:
    return name + "Given"


def payload_name(name: str) -> str:
    return name + "Payload"


def mutation_name(task: str) -> str:
    camel: str = to_camel_case(task)
    return camel


class Names:
    """Who has which name in one schema: a second claim is refused."""

    def __init__(self) -> None:
        self._owners: dict[str, object] = {}

    def claim(self, name: str, owner: type) -> None:
        """Take the name for what `owner` declares, or raise DeclarationError."""
        where = f"{owner.__module__}.{owner.__name__}"
        if not _GRAPHQL_NAME.fullmatch(name):
            raise DeclarationError(
                f"{where}: {name!r} is no name in GraphQL: rename it, or set "
                f'TYPE_NAMES={{"{where}": "SomeName"}}.'
            )
        if name in CORE:
            raise DeclarationError(
                f"{where}: {name} is one of Downbeat's own types: rename yours, or set "
                f'TYPE_NAMES={{"{where}": "Other{name}"}}.'
            )
        known = self._owners.setdefault(name, owner)
        if known is not owner and isinstance(known, type):
            raise DeclarationError(
                f"{where}: {known.__module__}.{known.__name__} is called {name} too: rename "
                f'one, or set TYPE_NAMES={{"{where}": "Other{name}"}}.'
            )
