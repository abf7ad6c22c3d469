"""Who asks: the user behind a request and what the credential may do."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from accounts.models import User

RUNS_READ = "runs:read"
TASKS_START = "tasks:start"
RUNS_CANCEL = "runs:cancel"
RUNS_DELETE = "runs:delete"
TOKENS_MANAGE = "tokens:manage"
SCOPES = (RUNS_READ, TASKS_START, RUNS_CANCEL, RUNS_DELETE, TOKENS_MANAGE)
"""What a user may do by signing in; a token has some of them, or the start of single tasks."""

ACT_AS = "users:act-as"  # for others, whom the service that holds the token knows
ADMIN = "admin"  # everything, with everybody's runs; counts while the user is a superuser
SPECIAL = (ACT_AS, ADMIN)
_ONE_TASK = re.compile(rf"{TASKS_START}:[a-z][a-z0-9_]{{0,99}}")


def is_scope(word: str) -> bool:
    """Whether a token may have it."""
    return word in SCOPES or word in SPECIAL or _ONE_TASK.fullmatch(word) is not None


class BadCredential(Exception):
    """The request carries a credential that opens nothing."""


class Kind(Enum):
    """What a credential is."""

    TOKEN = auto()
    SESSION = auto()
    WATCH = auto()
    JWT = auto()


class Credential(NamedTuple):
    """What somebody is signed in by, as it is found again.

    `key`: a token's id, a session's key, a watch token, the user and the end of a JWT. `subject`:
    for whom a token acts.
    """

    kind: Kind
    key: str
    subject: str = ""


@dataclass(frozen=True)
class Viewer:
    """A signed-in asker; nobody signed in is None."""

    user_id: UUID
    scopes: frozenset[str]
    credential: Credential | None = field(default=None, compare=False)
    run_id: UUID | None = None
    """The one run that a watch token shows; None: no such limit."""
    peers: frozenset[UUID] = frozenset()
    """Whose runs may be read too, for a common group."""
    is_staff: bool = False
    expires_at: datetime | None = None
    """When the credential ends by itself."""

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    def may(self, scope: str) -> bool:
        """Whether the credential has the scope, or one that includes it."""
        if scope in self.scopes or self.is_admin:
            return True
        return scope.startswith(f"{TASKS_START}:") and TASKS_START in self.scopes

    def may_start(self, task: str) -> bool:
        return self.may(f"{TASKS_START}:{task}")

    @property
    def may_start_some(self) -> bool:
        """Whether there may be a task that the credential may start."""
        return self.may(TASKS_START) or any(map(_ONE_TASK.fullmatch, self.scopes))

    def owns(self, owner_id: UUID) -> bool:
        """Whether rows of this owner may be changed, as far as the scopes go."""
        return self.is_admin or (owner_id == self.user_id and self.run_id is None)

    @property
    def counted_as(self) -> str:
        """Under what name limits count: browsers that watch one run each do not share a limit."""
        return str(self.user_id if self.run_id is None else self.run_id)

    @cached_property
    def user(self) -> "User":
        """The user's row, read once."""
        from django.contrib.auth import get_user_model  # Viewer is used before Django is set up

        return get_user_model().objects.get(pk=self.user_id)

    def has_permission(self, permission: str) -> bool:
        """Whether the user has this Django permission, such as "reports.publish_report"."""
        return self.user.has_perm(permission)

    @cached_property
    def groups(self) -> frozenset[str]:
        """The names of the user's groups, read once."""
        return frozenset(self.user.groups.values_list("name", flat=True))
