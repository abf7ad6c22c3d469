"""What resolvers know of the request that they answer, and what they load together for many."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar
from uuid import UUID

from accounts.models import User
from accounts.viewer import Viewer
from schema.errors import Code, CodedError, unauthenticated
from tasks.models import File, Run, Worker

V = TypeVar("V")

ANSWER_BYTES = 8_000_000  # of stored inputs and results, and of the messages of events


class Batch(Generic[V]):
    """Values by key: the first one asked for brings all that were announced, in one query."""

    def __init__(
        self, load: Callable[[Collection[UUID]], Mapping[UUID, V]], announced: set[UUID]
    ) -> None:
        self._load = load
        self._announced = announced
        self._found: dict[UUID, V | None] = {}

    def put(self, key: UUID, value: V) -> None:
        """A value that is at hand."""
        self._found[key] = value

    def get(self, key: UUID) -> V | None:
        if key not in self._found:
            wanted = (self._announced | {key}) - self._found.keys()
            loaded = self._load(wanted)
            self._found.update((each, loaded.get(each)) for each in wanted)
        return self._found[key]


@dataclass
class Waits:
    """The runs that an operation waits for, and what its mutations have answered until then.

    A mutation is done once; when the operation is executed again after the wait, it answers what it
    answered before, with the runs as they then are.
    """

    seconds: float = 0.0
    known: dict[UUID, int | None] = field(default_factory=dict)
    """By run: the revision above which it is waited for; None: until it is final."""
    fresh: Mapping[UUID, Run] | None = None
    """The runs after the wait; None before."""
    _answers: dict[str | int, Any] = field(default_factory=dict)

    def until(self, run: Run, after_revision: int | None, seconds: float) -> None:
        """Wait for this run unless it is as wanted already; one deadline, the latest, for all."""
        is_newer = after_revision is not None and run.revision > after_revision
        if seconds and self.fresh is None and not run.is_final and not is_newer:
            self.seconds = max(self.seconds, seconds)
            others = (self.known[run.pk],) if run.pk in self.known else ()
            wanted = [each for each in (after_revision, *others) if each is not None]
            is_for_end = len(wanted) <= len(others)  # whichever asks for the end waits longest
            self.known[run.pk] = None if is_for_end else max(wanted)

    def once(self, key: str | int, answer: Callable[[], Any]) -> Any:
        """The answer of the mutation at this place of the response.

        One that raises leaves the operation without data, and so without a second execution.
        """
        if key not in self._answers:
            self._answers[key] = answer()
        return self._answers[key]

    def over(self, fresh: Mapping[UUID, Run]) -> "Waits":
        """The same after the wait."""
        return replace(self, fresh=fresh)

    def now(self, run: Run) -> Run:
        """The run as it is after the wait; as it was known, once it is deleted."""
        return run if self.fresh is None else self.fresh.get(run.pk, run)


@dataclass
class RequestContext:
    """`info.context`: who asks (None: nobody signed in) and under which address they see us."""

    viewer: Viewer | None
    base_url: str
    address: str = ""
    """From where an asker comes, who is counted by that if by nothing else."""
    waits: Waits = field(default_factory=Waits)
    answer_bytes: int = field(default_factory=lambda: ANSWER_BYTES)
    _bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._shown: set[UUID] = set()
        self._wanted_files: set[UUID] = set()
        self._wanted_runs: set[UUID] = set()
        self._of_runs: dict[Hashable, Batch[Any]] = {}
        self._files = Batch(self._load_files, self._wanted_files)
        self._runs = Batch(self._load_runs, self._wanted_runs)
        self._users = Batch(User.objects.in_bulk, set())

    @property
    def signed_in(self) -> Viewer:
        """The viewer, or UNAUTHENTICATED."""
        if self.viewer is None:
            raise unauthenticated()
        return self.viewer

    def charge(self, value: Any) -> Any:
        """The stored value, counted against what one answer may hold; QUERY_TOO_COMPLEX beyond."""
        self._bytes += _weight(value)
        if self._bytes > self.answer_bytes:
            message = (
                f"The inputs, results and events asked for exceed {self.answer_bytes} bytes: "
                "ask for fewer."
            )
            raise CodedError(Code.QUERY_TOO_COMPLEX, message)
        return value

    def will_show(self, runs: Iterable[Run]) -> None:
        """The runs that a root field answers with: what belongs to them is loaded together.

        What an earlier root field has loaded is forgotten: a mutation may have changed it since.
        """
        self._forget()
        self._announce(runs)

    def _announce(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._shown.add(run.pk)
            self._runs.put(run.pk, run)
            if run.rerun_of is not None:
                self._wanted_runs.add(run.rerun_of)

    def of_run(
        self, name: Hashable, run_id: UUID, load: Callable[[Collection[UUID]], Mapping[UUID, V]]
    ) -> V | None:
        """What `load` finds for this run: asked once under this name, for all runs shown."""
        batch: Batch[V] = self._of_runs.setdefault(name, Batch(load, self._shown))
        return batch.get(run_id)

    def run(self, key: UUID) -> Run | None:
        """The run as this viewer may see it, perhaps without its input and result."""
        return self._runs.get(key)

    def _load_runs(self, keys: Collection[UUID]) -> dict[UUID, Run]:
        # Input and result may be large, and are seldom asked of the runs beside a list.
        runs = Run.objects.visible_to(self.viewer).defer("input", "result").in_bulk(keys)
        self._announce(runs.values())
        return runs

    def will_need_files(self, ids: Iterable[UUID]) -> None:
        """Announce files, so that the first one asked for brings all of them in one query."""
        self._wanted_files.update(ids)

    def file(self, key: UUID) -> File | None:
        """The file as this viewer may see it; None when it was pruned."""
        return self._files.get(key)

    def _load_files(self, keys: Collection[UUID]) -> dict[UUID, File]:
        files = File.objects.visible_to(self.viewer).in_bulk(keys)
        self._wanted_runs.update(file.run_id for file in files.values() if file.run_id is not None)
        return files

    def user(self, key: UUID) -> User | None:
        """Somebody who is named in what this viewer may see."""
        return self._users.get(key)

    @cached_property
    def known_tasks(self) -> set[str]:
        """The tasks that some living worker takes."""
        return Worker.objects.known_tasks()


def _weight(value: Any) -> int:
    """About the bytes of a stored JSON value."""
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, dict):
        return sum(len(key) + 4 + _weight(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(1 + _weight(item) for item in value)
    return 8
