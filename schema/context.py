"""What resolvers know of the request that they answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.viewer import Viewer
from schema.errors import Code, CodedError, unauthenticated
from tasks.models import File

ANSWER_BYTES = 8_000_000  # of stored inputs and results


@dataclass
class RequestContext:
    """`info.context`: who asks (None: nobody signed in) and under which address they see us."""

    viewer: Viewer | None
    base_url: str
    _bytes: int = 0
    _wanted_files: set[UUID] = field(default_factory=set)
    _files: dict[UUID, File | None] = field(default_factory=dict)

    @property
    def signed_in(self) -> Viewer:
        """The viewer, or UNAUTHENTICATED."""
        if self.viewer is None:
            raise unauthenticated()
        return self.viewer

    def charge(self, value: Any) -> Any:
        """The stored value, counted against what one answer may hold; QUERY_TOO_COMPLEX beyond."""
        self._bytes += _weight(value)
        if self._bytes > ANSWER_BYTES:
            message = (
                f"The inputs and results asked for exceed {ANSWER_BYTES} bytes: ask for fewer."
            )
            raise CodedError(Code.QUERY_TOO_COMPLEX, message)
        return value

    def will_need_files(self, ids: Iterable[UUID]) -> None:
        """Announce files, so that the first one asked for brings all of them in one query."""
        self._wanted_files.update(ids)

    def file(self, key: UUID) -> File | None:
        """The file as this viewer may see it; None when it was pruned."""
        if key not in self._files:
            self._wanted_files.add(key)
            # The run tells how long its file is kept; its input and result may be large.
            files = File.objects.visible_to(self.viewer).select_related("run")
            rows = files.defer("run__input", "run__result").in_bulk(self._wanted_files)
            self._files.update({wanted: rows.get(wanted) for wanted in self._wanted_files})
            self._wanted_files.clear()
        return self._files[key]


def _weight(value: Any) -> int:
    """About the bytes of a stored JSON value."""
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, dict):
        return sum(len(key) + 4 + _weight(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(1 + _weight(item) for item in value)
    return 8
