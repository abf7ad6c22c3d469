"""Who asks: the user behind a request and the scopes of the credential."""

from dataclasses import dataclass
from uuid import UUID

RUNS_READ = "runs:read"
TASKS_START = "tasks:start"
RUNS_CANCEL = "runs:cancel"
RUNS_DELETE = "runs:delete"
SCOPES = (RUNS_READ, TASKS_START, RUNS_CANCEL, RUNS_DELETE)


@dataclass(frozen=True)
class Viewer:
    """A signed-in asker; nobody signed in is None."""

    user_id: UUID
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes
