"""Two owners before the door: what one of them asks, and whether it betrays the other."""

import base64
import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from django.db import models, transaction
from graphql import GraphQLInterfaceType

from accounts.viewer import Viewer
from backend.door.execute import Door
from backend.door.requests import GraphQLRequest
from backend.door.watches import Subscription, Wait
from schema.build import schema
from schema.context import RequestContext
from schema.ids import to_global_id
from tasks.models import Run
from tasks.watch import Rows
from tests.hostile.owners import ALL, WATCH, Owner
from tests.hostile.visits import Path, Visit, visits

MINE, THEIRS, NOBODYS = "finch", "canary", "nobody"
WORDS = ("a.csv", "text/csv", "runs:read", "count_words")
"""Texts that verbs need to do what they do."""

TRIES = 2_000  # to find out what a visit needs
SHORT = 300  # characters of a text that is worth a try
SCHEMA = schema().graphql_schema
VISITS = visits(SCHEMA)

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FRESH = re.compile(rf"{_UUID.pattern}|\d{{4}}-\d\d-\d\dT[\d:.]+Z|db[tw]_[\w:-]+|signature=\S+")


class Scene:
    """`mine` asks; nothing of `theirs` may show. `deleted`: names of bytes that were deleted."""

    def __init__(self, deleted: list[str]) -> None:
        self._door = Door(SCHEMA, introspection=False)
        self._deleted = deleted
        self.theirs, self.mine = Owner(THEIRS), Owner(MINE)
        self.entangled = [_id_of(row) for row in self.mine.entangle(self.theirs)]
        self.viewers: dict[str, Viewer | None] = {**self.mine.viewers(), "nobody": None}
        self.me, self.them = self.viewers[ALL], self.theirs.viewers()[ALL]
        self.watcher = self.theirs.viewers()[WATCH]
        known = _betrayals(self.mine.dump())  # their ids in own rows betray nothing by themselves
        self._secrets = _betrayals(self.theirs.dump()) - known
        self._before = self.theirs.dump()
        self._runs = [*self.theirs.rows(Run), self.mine.first]

    def ask(
        self,
        visit: Visit,
        viewer: Viewer | None,
        variables: dict[str, Any],
        *,
        is_shallow: bool = False,
    ) -> list[Any]:
        """The answers to this viewer: one, or those of a subscription when all has changed."""
        document = visit.shallow if is_shallow else visit.document
        request = GraphQLRequest(document, variables, None)
        content = self._door.execute(request, RequestContext(viewer, "https://downbeat.test"))
        if isinstance(content, Subscription):
            return [content.outcome(item).response for item in self._news(content)]
        return [(content.before if isinstance(content, Wait) else content).response]

    def _news(self, content: Subscription) -> list[Any]:
        feed, rows = content.feed, Rows()
        for run in self._runs:
            if run.pk in feed.run_ids or run.owner_id in feed.owner_ids:
                feed.hear(run.pk, run.revision)
        question = feed.ask(rows)
        return feed.answer(question, rows, content.viewer).items

    def chosen(self, visit: Visit) -> dict[Path, str]:
        """What of the own to name, for the visit to come as far as it can."""
        return self.reach(visit, self.mine, self.me)

    def reach(self, visit: Visit, owner: Owner, viewer: Viewer | None) -> dict[Path, str]:
        """The same of an owner's, for this owner as viewer."""
        paths = [path for path, _ in visit.needed]
        pools = [ids(owner) if kind == "ID" else WORDS for _, kind in visit.needed]
        best, steps = dict[Path, str](), -1
        for values in itertools.islice(itertools.product(*pools), TRIES):
            chosen = dict(zip(paths, values, strict=True))
            with undone():
                answers = self.ask(visit, viewer, visit.variables(chosen))
            if (reached := _reached(answers, visit)) > steps:
                best, steps = chosen, reached
            if steps == len(visit.steps):
                break
        self._deleted.clear()
        assert steps >= max(len(visit.steps) - 1, 1), (
            f"{visit.name} comes nowhere: it needs a text in WORDS of tests/hostile/scene.py, or a "
            "row in owners.py."
        )
        return best

    def check(self, what: str, answers: list[Any], sent: str = "") -> None:
        """Nothing of theirs is in the answers, but what was sent; nor is a bug; all rows remain."""
        texts = "\n".join(_opened(answers))
        for text in filter(None, _opened(sent)):
            texts = texts.replace(text, "")
        found = _betrayals(texts) & self._secrets
        assert not found, f"{what} shows {found}: {answers}"
        assert "INTERNAL" not in texts, f"{what}: {answers}"

    def check_rows(self, what: str) -> None:
        """Everything of theirs is as it was."""
        now = self.theirs.dump()
        changed = [name for name in now if now[name] != self._before[name]]
        assert not changed, f"{what} changes {changed}"
        lost = [name for name in self._deleted if name.startswith(THEIRS)]
        assert not lost, f"{what} deletes the bytes of {lost}"

    def names(self) -> tuple[list[str], list[str]]:
        """Ids, and texts, that name something of theirs: all that they see themselves."""
        kinds: dict[str, list[str]] = {}
        for each in ids(self.theirs):
            kinds.setdefault(_decoded(each).partition(":")[0], []).append(each)
        texts: dict[str, list[str]] = {}
        for field, text in _named(self.seen_by_themselves()):
            if nothing(text) != text and len(text) < SHORT:
                texts.setdefault(field, []).append(text)
        return _some(kinds, 2), _some(texts, 1)

    def watch(self) -> list[str]:
        """Let all but one run of theirs be secret; the ids of the other rows."""
        rows = [row for some in self._before.values() for row in some]
        run, user = self.theirs.first.pk, self.theirs.user.pk
        shown = [row for row in rows if {row.get("run_id"), row.get("id")} & {run, user}]
        self._secrets -= _betrayals(shown)
        return [each for each in ids(self.theirs) if _betrayals(_decoded(each)) <= self._secrets]

    def seen_by_themselves(self) -> list[Any]:
        """The answers to all visits to their own."""
        answers = []
        for visit in VISITS:
            variables = visit.variables(self.reach(visit, self.theirs, self.them))
            with undone():
                answers += self.ask(visit, self.them, variables)
        self._deleted.clear()
        return answers


@contextmanager
def undone() -> Iterator[None]:
    """What is done within leaves no row."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def models_with_ids() -> dict[type[models.Model], str]:
    """The models whose rows have global ids, and the types of these."""
    node = cast(GraphQLInterfaceType, SCHEMA.type_map["Node"])
    types = {each.name: cast(Any, each).graphene_type for each in SCHEMA.get_possible_types(node)}
    found = {name: getattr(each._meta, "model", None) for name, each in types.items()}
    return {model: name for name, model in found.items() if model is not None}


def ids(owner: Owner) -> list[str]:
    """The global ids of all rows of this owner's."""
    return [_id_of(row) for model in models_with_ids() for row in owner.rows(model)]


def _id_of(row: models.Model) -> str:
    key = row.pk if isinstance(row.pk, tuple) else (row.pk,)
    return to_global_id(models_with_ids()[type(row)], ":".join(map(str, key)))


def _betrayals(value: Any) -> set[str]:
    """Their words, and all ids."""
    return set(re.findall(rf"{THEIRS}\d+|{_UUID.pattern}", str(value)))


def nothing(text: str) -> str:
    """The same text as it would be of a row that is not there."""
    decoded = _decoded(text)
    if _UUID.search(decoded):
        encode = base64.urlsafe_b64encode if set(text) & set("-_") else base64.b64encode
        return encode(_changed(decoded).encode()).decode()
    return _changed(text)


def _changed(text: str) -> str:
    text = _UUID.sub(lambda found: str(UUID(int=UUID(found[0]).int ^ 1)), text)
    return re.sub(rf"{THEIRS}(?=\d)", NOBODYS, text)


def alike(answers: Any, sent: str) -> Any:
    """The answers without what was sent, and without what is new each time."""
    if isinstance(answers, dict):
        return {name: alike(value, sent) for name, value in answers.items()}
    if isinstance(answers, list):
        return [alike(each, sent) for each in answers]
    if not isinstance(answers, str):
        return answers
    for text in filter(None, _opened(sent)):
        answers = answers.replace(text, "<sent>")
    decoded = _decoded(answers)
    return _FRESH.sub("<new>", decoded if _UUID.search(decoded) else answers)


def _reached(answers: list[Any], visit: Visit) -> int:
    """How many fields of the way have a value; -1 when something was refused."""
    if any("errors" in each for each in answers):
        return -1
    values = [each["data"] for each in answers]
    if any(isinstance(v, dict) and v.get("errors") for data in values for v in data.values()):
        return -1
    for done, step in enumerate(visit.steps):
        found = [each.get(step.name) for each in values if isinstance(each, dict)]
        flat = [item for each in found for item in (each if isinstance(each, list) else [each])]
        values = [each for each in flat if each is not None]
        if not values:
            return done
    return len(visit.steps)


def _some(kinds: Mapping[str, list[str]], count: int) -> list[str]:
    """So many of each kind."""
    return sorted({name for each in kinds.values() for name in list(dict.fromkeys(each))[:count]})


def _opened(value: Any) -> Iterator[str]:
    """Every text in a JSON value, and what base64 hides."""
    for _, text in _named(value):
        yield text
        yield _decoded(text)


def _named(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, keys too, with the field that it stands in."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield name, key
            yield from _named(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, name)
    elif isinstance(value, str):
        yield name, value


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, altchars=b"-_" if set(text) & set("-_") else None).decode()
    except ValueError:
        return ""
