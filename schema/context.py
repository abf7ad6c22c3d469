"""What resolvers know of the request that they answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from accounts.viewer import Viewer
from schema.errors import unauthenticated
from tasks.models import File


@dataclass
class RequestContext:
    """`info.context`: who asks (None: nobody signed in) and under which address they see us."""

    viewer: Viewer | None
    base_url: str
    _wanted_files: set[UUID] = field(default_factory=set)
    _files: dict[UUID, File | None] = field(default_factory=dict)

    @property
    def signed_in(self) -> Viewer:
        """The viewer, or UNAUTHENTICATED."""
        if self.viewer is None:
            raise unauthenticated()
        return self.viewer

    def will_need_files(self, ids: Iterable[UUID]) -> None:
        """Announce files, so that the first one asked for brings all of them in one query."""
        self._wanted_files.update(ids)

    def file(self, key: UUID) -> File | None:
        """The file as this viewer may see it; None when it was pruned."""
        if key not in self._files:
            self._wanted_files.add(key)
            rows = File.objects.visible_to(self.viewer).in_bulk(self._wanted_files)
            self._files.update({wanted: rows.get(wanted) for wanted in self._wanted_files})
            self._wanted_files.clear()
        return self._files[key]
