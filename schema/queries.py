"""What can be read: the viewer, nodes, runs, tasks, limits."""

from contextlib import suppress
from typing import Any, TypeVar

import graphene
from django.conf import settings
from django.db.models import QuerySet
from graphene import relay

from accounts.models import ApiToken
from accounts.models import User as UserRow
from accounts.viewer import Viewer
from schema import limits
from schema.core import Task, User
from schema.credentials import BY_KEY, ApiTokenConnection, own_tokens
from schema.errors import bad_user_input
from schema.filters import RunFilter, filtered
from schema.ids import from_global_id, key_of, to_number, to_uuid
from schema.limits import PAGE_SIZE
from schema.pages import OWN_RUNS, RUNS, Cut, Page, Rows, Source, arguments
from schema.run import Run, RunConnection, show
from schema.run_pages import AllRuns
from schema.scalars import BigInt
from schema.selection import selects_stored
from schema.waiting import read_wait, wait_argument
from tasks import models, reading
from tasks.exceptions import Refused
from tasks.registry import REGISTRY
from tasks.rows import LIGHT, WHOLE
from tasks.text import is_text

M = TypeVar("M", models.Attempt, models.Event)

_NODES = (("nodes",), ("edges", "node"))  # where a connection's runs are selected
_NUMBERED: dict[str, type[models.Attempt | models.Event]] = {
    "Attempt": models.Attempt,
    "Event": models.Event,
}


class Limits(graphene.ObjectType):
    """What one request, and one viewer, may at most."""

    page_size = graphene.Int(required=True, description="Items of a page.")
    wait_seconds = graphene.Float(required=True, description="Seconds that an answer may wait.")
    operations = graphene.Int(required=True, description="Open at once on one WebSocket.")
    watches = graphene.Int(
        required=True, description="Streams and waits of one user open at once in one web process."
    )
    requests_per_minute = graphene.Int(
        required=True, description="Requests of one viewer in one web process; 0: no limit."
    )
    cost_per_minute = graphene.Int(
        required=True,
        description="What these may cost together; a field costs 1, below a page as often as the "
        "page has items, and what is done 10; 0: no limit.",
    )
    queued_runs = graphene.Int(
        required=True, description="Runs of one owner that may wait for their start at once."
    )
    bulk_runs = graphene.Int(
        required=True, description="Runs that one mutation may start, cancel or delete."
    )
    request_size = BigInt(required=True, description="Bytes of a request's body.")
    upload_size = BigInt(required=True, description="Bytes of an uploaded file.")
    open_uploads = graphene.Int(
        required=True, description="Uploads of one owner promised and not complete at once."
    )
    stored_bytes = BigInt(
        required=True, description="Bytes of one owner's files, promised uploads included."
    )
    depth = graphene.Int(required=True, description="Fields within fields.")
    fields = graphene.Int(required=True, description="Fields, fragments written out.")
    aliases = graphene.Int(required=True, description="Aliases.")


class Query(graphene.ObjectType):
    """Everything that can be read."""

    viewer = graphene.Field(
        User, description="Who asks; null when nobody is signed in, or by a watch token alone."
    )
    node = graphene.Field(
        relay.Node,
        id=graphene.ID(required=True, description="A global id."),
        description="Anything with a global id; null when there is nothing to see.",
    )
    run = graphene.Field(
        Run,
        id=graphene.ID(required=True, description="The run's global id."),
        after_revision=graphene.Int(
            description="With waitSeconds: the revision that is known, to wait for a later one."
        ),
        wait_seconds=wait_argument("when the run is final, or later than afterRevision"),
        description="A run; null when there is none to see.",
    )
    runs = graphene.Field(
        RunConnection,
        **arguments(),
        filter=RunFilter(description="Which runs; all of the viewer's when left out."),
        required=True,
        description="The viewer's runs, newest first.",
    )
    task = graphene.Field(
        Task,
        name=graphene.String(required=True, description="The task's name, such as count_words."),
        description="A declared task; null when there is none of this name.",
    )
    tasks = graphene.Field(
        graphene.List(graphene.NonNull(Task)), required=True, description="All declared tasks."
    )
    api_tokens = graphene.Field(
        ApiTokenConnection,
        **arguments(),
        required=True,
        description="The viewer's tokens, newest first, those that open nothing any more too; "
        "empty for a credential that may not manage them.",
    )
    limits = graphene.Field(Limits, required=True, description="What one viewer may at most.")

    def resolve_viewer(self, info: Any) -> UserRow | None:
        viewer = info.context.viewer
        if viewer is None or viewer.run_id is not None:
            return None
        return UserRow.objects.get(pk=viewer.user_id)

    def resolve_node(self, info: Any, id: str) -> Any:
        return _node(info, id)

    def resolve_run(
        self,
        info: Any,
        id: str,
        after_revision: int | None = None,
        wait_seconds: float | None = None,
    ) -> models.Run | None:
        viewer, key = info.context.signed_in, key_of(id, "Run")
        seconds = read_wait(wait_seconds)
        run = None if key is None else reading.find(viewer, key, _columns(info, ()))
        show(info, [] if run is None else [run])
        if run is not None:
            info.context.waits.until(run, after_revision, seconds)
        return run

    def resolve_runs(self, info: Any, filter: Any = None, **page: Any) -> Page[models.Run]:
        viewer, columns = info.context.signed_in, _columns(info, *_NODES)
        order = OWN_RUNS if reading.sees_own(viewer) else RUNS
        found = Page(_source(viewer, columns, filter), Cut.of(order, **page))
        show(info, found.nodes)
        return found

    def resolve_task(self, info: Any, name: str) -> Task | None:
        return Task(name=name) if info.context.signed_in and name in REGISTRY else None

    def resolve_tasks(self, info: Any) -> list[Task]:
        return [Task(name=name) for name in REGISTRY if info.context.signed_in]

    def resolve_api_tokens(self, info: Any, **page: Any) -> Page[ApiToken]:
        return Page(Rows(own_tokens(info.context.signed_in)), Cut.of(BY_KEY, **page))

    def resolve_limits(self, info: Any) -> Limits:
        return Limits(
            page_size=PAGE_SIZE,
            wait_seconds=limits.WAIT_SECONDS,
            operations=limits.OPERATIONS,
            watches=settings.WATCHES_PER_USER,
            requests_per_minute=settings.REQUESTS_PER_MINUTE,
            cost_per_minute=settings.COST_PER_MINUTE,
            queued_runs=settings.QUEUED_RUNS,
            bulk_runs=limits.BULK,
            request_size=settings.REQUEST_SIZE,
            upload_size=settings.UPLOAD_SIZE,
            open_uploads=settings.OPEN_UPLOADS,
            stored_bytes=settings.STORED_BYTES,
            depth=limits.DEPTH,
            fields=limits.FIELDS,
            aliases=limits.ALIASES,
        )


def _node(info: Any, global_id: str) -> Any:
    """What the id names, as far as the viewer may see it: anything else is None alike."""
    viewer = info.context.signed_in
    type_name, text = from_global_id(global_id) or ("", "")
    if type_name == "Task":
        return Task(name=text) if _is_task(text, viewer) else None
    if type_name in _NUMBERED:
        return _numbered(info, _NUMBERED[type_name].objects.all(), text)
    key = to_uuid(text)
    if key is None:
        return None
    if type_name == "Run":
        return models.Run.objects.visible_to(viewer).filter(pk=key).first()
    if type_name == "File":
        return models.File.objects.visible_to(viewer).filter(pk=key).first()
    if type_name == "User" and key == viewer.user_id and viewer.run_id is None:
        return UserRow.objects.get(pk=key)
    if type_name == "ApiToken":
        return own_tokens(viewer).filter(pk=key).first()
    return None


def _is_task(name: str, viewer: Viewer) -> bool:
    """Declared today, or retired and still the task of one of the viewer's runs."""
    if name in REGISTRY:
        return True
    runs = models.Run.objects.visible_to(viewer)
    return is_text(name) and runs.filter(task=name).exists()


def _numbered(info: Any, rows: QuerySet[M], text: str) -> M | None:
    """The attempt or event of a visible run that has the number."""
    run_text, _, number = text.partition(":")
    run_key = to_uuid(run_text)
    if run_key is None:
        return None
    runs = models.Run.objects.visible_to(info.context.signed_in).filter(pk=run_key)
    with suppress(ValueError):
        return rows.filter(run__in=runs, number=to_number(number)).first()
    return None


def _source(viewer: Viewer, columns: tuple[str, ...], filter: Any) -> Source[models.Run]:
    if not filter:
        return AllRuns(viewer, columns)
    try:
        return Rows(filtered(models.Run.objects.visible_to(viewer), filter).only(*columns))
    except Refused as refused:
        raise bad_user_input(str(refused)) from None


def _columns(info: Any, *paths: tuple[str, ...]) -> tuple[str, ...]:
    """Without inputs and results, which may be large, unless they are selected below a run."""
    return WHOLE if any(selects_stored(info, *path) for path in paths) else LIGHT
