"""What watches, watches nothing of another owner's, whatever it names."""

from collections.abc import Awaitable, Callable
from typing import Any

from accounts.viewer import Viewer
from schema.build import schema
from tasks import runs
from tasks.models import Run
from tasks.notifier import Change
from tests.backend.live.conftest import Knocks
from tests.backend.live.wire import Wire
from tests.hostile.visits import visits
from tests.schema.asking import gid, start

SUBSCRIPTIONS = [
    each
    for each in visits(schema().graphql_schema)
    if each.kind == "subscription" and len(each.steps) == 1
]


async def test_nobody_watches_what_is_anothers(
    connect: Callable[..., Wire],
    knocks: Knocks,
    in_thread: Callable[..., Awaitable[Any]],
    make_viewer: Callable[..., Viewer],
    viewer: Viewer,
    token: str,
) -> None:
    other = await in_thread(make_viewer, "eve")
    theirs, mine = await in_thread(start, other), await in_thread(start, viewer)
    wire = connect()
    await wire.greet(token)
    ended = set()
    for each in SUBSCRIPTIONS:
        chosen = {path: gid(theirs) for path, kind in each.needed if kind == "ID"}
        wire.ask(each.name, each.document, **each.variables(chosen))
        if chosen:  # it names what is there for its owner alone
            assert await wire.hear() == {
                "id": each.name, "type": "next", "payload": {"data": {each.steps[0].name: None}},
            }  # fmt: skip
            assert await wire.hear() == {"id": each.name, "type": "complete"}
            ended.add(each.name)
    assert 0 < len(ended) < len(SUBSCRIPTIONS)
    for run in (theirs, mine):
        await in_thread(runs.cancel, Viewer(run.owner_id, viewer.scopes), [run.pk])
        now = await in_thread(Run.objects.get, pk=run.pk)
        await knocks.say(Change(now.pk, now.owner_id, now.revision))
    for _ in range(len(SUBSCRIPTIONS) - len(ended)):  # what comes first is the own run's
        message = await wire.hear()
        assert message["id"] not in ended
        assert gid(mine) in str(message)
