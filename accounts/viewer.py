"""Who asks: the user behind a request and the scopes of the credential."""

from dataclasses import dataclass
from uuid import UUID

RUNS_READ = "runs:read"
TASKS_START = "tasks:start"
SCOPES = (RUNS_READ, TASKS_START)


@dataclass(frozen=True)
class Viewer:
    """A signed-in asker; nobody signed in is None."""

    user_id: UUID
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes
