"""Who asks: the user behind a request and the scopes of the credential."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple
from uuid import UUID

RUNS_READ = "runs:read"
TASKS_START = "tasks:start"
RUNS_CANCEL = "runs:cancel"
RUNS_DELETE = "runs:delete"
SCOPES = (RUNS_READ, TASKS_START, RUNS_CANCEL, RUNS_DELETE)


class Kind(Enum):
    """What a credential is."""

    TOKEN = auto()
    SESSION = auto()


class Credential(NamedTuple):
    """What somebody is signed in by, as it is found again: a token's id, a session's key."""

    kind: Kind
    key: str


@dataclass(frozen=True)
class Viewer:
    """A signed-in asker; nobody signed in is None."""

    user_id: UUID
    scopes: frozenset[str]
    credential: Credential | None = field(default=None, compare=False)

    def may(self, scope: str) -> bool:
        return scope in self.scopes
