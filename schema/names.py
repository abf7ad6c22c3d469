"""The names of generated types, and the names that are taken."""

from django.conf import settings
from graphene.utils.str_converters import to_camel_case

from tasks.exceptions import DeclarationError
from tasks.shapes import Model

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


def type_name(model: Model) -> str:
    """The model's name in the schema: its own, or what the setting TYPE_NAMES says."""
    renamed: str = settings.TYPE_NAMES.get(f"{model.type.__module__}.{model.name}", model.name)
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
        where = f"{owner.__module__}.{owner.__qualname__}"
        if name in CORE:
            raise DeclarationError(
                f"{where}: {name} is one of Downbeat's own types: rename yours, or set "
                f'TYPE_NAMES={{"{where}": "Other{name}"}}.'
            )
        known = self._owners.setdefault(name, owner)
        if known is not owner and isinstance(known, type):
            raise DeclarationError(
                f"{where}: {known.__module__}.{known.__qualname__} is called {name} too: rename "
                f'one, or set TYPE_NAMES={{"{where}": "Other{name}"}}.'
            )
