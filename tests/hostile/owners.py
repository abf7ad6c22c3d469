"""Two owners with everything that can be theirs; every text of their rows betrays whose it is."""

import logging
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.keys import uuid7
from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.viewer import ACT_AS, ADMIN, SCOPES, TASKS_START, Viewer
from accounts.watch_tokens import create_watch_token
from tasks import shapes
from tasks.models import Attempt, Effect, Event, File, Run, Worker
from tasks.registry import REGISTRY, Task
from tasks.status import Kind, Status

NOBODYS = {Worker}
"""Models of ours whose rows belong to no user."""

ALL = "a token for all"  # that a user may do
WATCH = "a watch token"  # of the first run
SUBJECT = "somebody"  # a user of two services, who are not the same


class Owner:
    """A user, rows of every model, and of runs one in every status and one of every task."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.words: dict[str, type[models.Model]] = {}
        """The words in this owner's rows, by the model."""
        self._made: dict[type[models.Model], models.Model] = {}
        self.user = User(is_active=True, is_staff=False, is_superuser=False)
        self.make(User, is_active=True)
        self.user = self._made[User]  # type: ignore[assignment]
        self.upload = self.file(run=None)
        self.file(run=None, ready_at=None, storage_name=None)
        self.first = self.run()
        for task in REGISTRY.values():
            self.run(task)
        for status in Status:
            self.run(status=status)
        self.run(rerun_of=self.first.pk)
        self.make(ApiToken, scopes=[self.word(ApiToken)])
        for model in apps.get_models():
            if model not in self._made and _path_to_owner(model) is not None:
                self.make(model)

    def word(self, model: type[models.Model]) -> str:
        """A new word that begins with the owner's name, for a row of this model."""
        word = f"{self.name}{len(self.words):03}"
        self.words[word] = model
        return word

    def make(self, model: type[models.Model], **given: Any) -> Any:
        """A row of this owner; each column that is not given holds something too."""
        columns = {
            field.name: self._value(model, field)
            for field in model._meta.concrete_fields
            if not {field.name, field.attname} & given.keys()
            and not (field.primary_key and not isinstance(field, models.UUIDField))
        }
        row = model._default_manager.create(**columns, **given)
        self._made.setdefault(model, row)
        return row

    def _value(self, model: type[models.Model], field: Any) -> Any:
        if field.choices:
            return field.choices[0][0]
        if isinstance(field, models.ForeignKey):
            found = self._made.get(field.related_model)
            return found or (None if field.null else field.related_model._default_manager.first())
        for kind, value in (
            (models.CharField, lambda: self.word(model)[: field.max_length]),
            (models.TextField, lambda: self.word(model)),
            (models.UUIDField, uuid7),
            (models.DateTimeField, timezone.now),
            (models.BooleanField, lambda: False),
            (models.IntegerField, lambda: 1),
            (models.JSONField, lambda: {"message": self.word(model), "code": self.word(model)}),
        ):
            if isinstance(field, kind):
                return value()
        pytest.fail(f"{field}: say in tests/hostile/owners.py what such a column holds.")

    def run(self, task: Task | None = None, file: UUID | None = None, **columns: Any) -> Run:
        """A run with all that belongs to one. `file` is what its input and result name."""
        task = task or next(iter(REGISTRY.values()))
        status = columns.pop("status", Status.SUCCEEDED)
        is_canceling = status is Status.CANCELING
        given = {
            "input": self._data(task.input, file),
            "result": self._data(task.result, file) if task.result else None,
            "tags": [self.word(Run)],
            "task": task.name,
            "revision": 2,
            "status": Status.RUNNING if is_canceling else status,
            "cancel_requested_at": timezone.now() if is_canceling else None,
            "owner": self.user,
            **columns,
        }
        run: Run = self.make(Run, **given)
        self.make(Attempt, run=run, number=1)
        self.make(Event, run=run, number=1, level=None)
        self.make(Event, run=run, number=2, level=logging.INFO, kind=Kind.LOGGED)
        self.make(Effect, run=run)
        self.file(run=run)
        return run

    def file(self, **columns: Any) -> File:
        """A file; nobody asks for its bytes."""
        file: File = self.make(File, **{"owner": self.user, **columns})
        return file

    def _data(self, model: shapes.Model, file: UUID | None) -> Any:
        """What a task may take or give."""
        data = self._sample(model, str(file or self.upload.pk))
        try:
            model.type.model_validate(data, context={})
        except ValueError as error:
            pytest.fail(f"{model.name}: say in tests/hostile/owners.py what it holds.\n{error}")
        return data

    def _sample(self, shape: shapes.Shape, file: str) -> Any:
        if isinstance(shape, shapes.Optional):
            return self._sample(shape.of, file)
        if isinstance(shape, shapes.Listed):
            return [self._sample(shape.of, file)]
        if isinstance(shape, shapes.Model):
            return {each.name: self._sample(each.shape, file) for each in shape.fields}
        if isinstance(shape, shapes.Choice):
            return next(iter(shape.enum)).value
        samples = {
            "String": self.word(Run), "Int": 1, "BigInt": 1, "Float": 0.5, "Boolean": True,
            "DateTime": "2026-01-01T00:00:00Z", "Date": "2026-01-01", "Time": "08:00:00",
            "Decimal": "1.5", "UUID": str(uuid7()), "URL": f"https://{self.word(Run)}.example/",
            "JSON": {"text": self.word(Run)}, "File": file,
        }  # fmt: skip
        return samples[shape.name]

    def entangle(self, other: "Owner") -> list[models.Model]:
        """Rows of this owner's that point at the other's, which no verb would write."""
        made: list[models.Model] = []
        makers: dict[type[models.Model], Callable[..., models.Model]]
        makers = {Run: self.run, File: self.file}
        for model, make in makers.items():
            for field in model._meta.concrete_fields:
                if isinstance(field, models.UUIDField) and not field.primary_key:
                    made.append(make(**{field.name: other.first.pk}))
                elif isinstance(field, models.ForeignKey) and field.related_model is not User:
                    made.append(make(**{field.name: other._made[field.related_model]}))
        return [*made, *(self.run(task, file=other.upload.pk) for task in REGISTRY.values())]

    def rows(self, model: type[models.Model]) -> models.QuerySet[Any]:
        """This owner's rows of a model that has owners."""
        path = _path_to_owner(model)
        return model._base_manager.filter(**{str(path): self.user.pk}).order_by("pk")

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of this owner's, by model."""
        owned = (model for model in apps.get_models() if _path_to_owner(model) is not None)
        return {model._meta.label: list(self.rows(model).values()) for model in owned}

    def viewers(self) -> dict[str, Viewer]:
        """This user as seen through every kind of credential."""
        pk = self.user.pk
        tokens = {
            **{f"a token for {scope}": [scope] for scope in SCOPES},
            "a token for one task": [f"{TASKS_START}:{next(iter(REGISTRY))}"],
            ALL: list(SCOPES),
            "a token for an admin, who is none": [*SCOPES, ADMIN],
        }
        found = {name: _signed_in(create_token(pk, scopes).text) for name, scopes in tokens.items()}
        acting = create_token(pk, [*SCOPES, ACT_AS]).text
        found["a service that acts for somebody"] = _signed_in(acting, SUBJECT)
        made = create_watch_token(found[ALL], self.first.pk, pk, 3_600)
        found[WATCH] = _signed_in(made.text)
        browser = Client()
        browser.force_login(self.user, settings.AUTHENTICATION_BACKENDS[0])
        session = credentials.from_session(browser.cookies[settings.SESSION_COOKIE_NAME].value)
        assert session is not None
        return {**found, "a session": session}


def _signed_in(token: str, act_as: str | None = None) -> Viewer:
    return credentials.from_authorization(f"Bearer {token}", act_as)


def _path_to_owner(model: type[models.Model]) -> str | None:
    """By which columns a row leads to its user; None for one that belongs to nobody."""
    if model is User:
        return "pk"
    if model in NOBODYS:
        return None
    links = list(_links(model))
    for field in links:
        if field.related_model is User:
            return str(field.attname)
    for field in links:
        if field.related_model is not model and (path := _path_to_owner(field.related_model)):
            return f"{field.name}__{path}"
    if model._meta.app_label in ("accounts", "tasks"):
        pytest.fail(
            f"{model}: name it in NOBODYS of tests/hostile/owners.py, or link it to a user."
        )
    return None


def _links(model: type[models.Model]) -> Iterator[Any]:
    return (each for each in model._meta.concrete_fields if isinstance(each, models.ForeignKey))
