"""API tokens and watch tokens: made, listed and revoked by whoever is signed in."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import graphene
from django.db.models import QuerySet
from django.utils import timezone
from graphene import relay
from graphene_django import DjangoObjectType

from accounts import tokens, watch_tokens
from accounts.models import ApiToken as ApiTokenRow
from accounts.viewer import (
    ACT_AS,
    ADMIN,
    RUNS_READ,
    SCOPES,
    SPECIAL,
    TASKS_START,
    TOKENS_MANAGE,
    Kind,
    Viewer,
    is_scope,
)
from schema.core import UserError, user_error
from schema.ids import key_of
from schema.pages import Order, PageInfo
from schema.payloads import Payload
from schema.scalars import DateTime
from tasks import models
from tasks.exceptions import Problem, RefusalCode
from tasks.registry import REGISTRY
from tasks.text import is_text

NAME_LENGTH = 100
SCOPES_OF_ONE = 50
TOKENS = 100  # of one user that open something at once

_SCOPE_WORDS = f"{', '.join(SCOPES)}, {TASKS_START}:NAME for one task, {', '.join(SPECIAL)}"


class ApiToken(DjangoObjectType):
    """A bearer token of the viewer's, for programs; its text was shown once, when it was made."""

    class Meta:
        model = ApiTokenRow
        interfaces = (relay.Node,)
        fields = ()

    name = graphene.String(required=True, description="What it is for; may be empty.")
    prefix = graphene.String(required=True, description="Its first letters, to know it by.")
    scopes = graphene.Field(
        graphene.List(graphene.NonNull(graphene.String)),
        required=True,
        description=f"What it may do: {_SCOPE_WORDS}.",
    )
    created_at = DateTime(required=True, description="When it was made.")
    expires_at = DateTime(description="When it opens nothing any more; null: it does not expire.")
    last_used_at = DateTime(description="When it was last used, to the minute.")
    revoked_at = DateTime(description="When it was taken back.")


class ApiTokenEdge(graphene.ObjectType):
    """A token in a list, with its place."""

    cursor = graphene.String(required=True, description="For `after` and `before`.")
    node = graphene.Field(ApiToken, required=True, description="The token.")


class ApiTokenConnection(graphene.ObjectType):
    """A page of tokens, newest first."""

    edges = graphene.Field(
        graphene.List(graphene.NonNull(ApiTokenEdge)),
        required=True,
        description="The tokens with cursors.",
    )
    nodes = graphene.Field(
        graphene.List(graphene.NonNull(ApiToken)), required=True, description="The tokens."
    )
    page_info = graphene.Field(PageInfo, required=True, description="Where the page lies.")
    total_count = graphene.Int(description="How many in all; null when too many to count.")


class CreateApiTokenInput(graphene.InputObjectType):
    """The token that is wanted."""

    name = graphene.String(default_value="", description="What it is for.")
    scopes = graphene.List(
        graphene.NonNull(graphene.String),
        required=True,
        description=f"What it may do, no more than the viewer may: {_SCOPE_WORDS}.",
    )
    expires_at = DateTime(description="When it expires; left out: never.")


class CreateApiTokenPayload(graphene.ObjectType):
    """The token, shown this once, or why there is none."""

    class Meta:
        interfaces = (Payload,)

    api_token = graphene.Field(ApiToken, description="What is known of it; null when refused.")
    token = graphene.String(
        description="The token for the header `Authorization: Bearer`; it is not shown again."
    )


class RevokeApiTokenPayload(graphene.ObjectType):
    """The token that opens nothing any more, or why it still does."""

    class Meta:
        interfaces = (Payload,)

    api_token = graphene.Field(ApiToken, description="The token; null when not found.")


class CreateWatchTokenPayload(graphene.ObjectType):
    """A token that shows one run, or why there is none."""

    class Meta:
        interfaces = (Payload,)

    token = graphene.String(description="The token for the header `Authorization: Bearer`.")
    expires_at = DateTime(description="Until when it shows the run.")


BY_KEY = Order("apiTokens", "id", UUID, is_descending=True)


def own_tokens(viewer: Viewer) -> QuerySet[ApiTokenRow]:
    """The viewer's tokens, for a credential that may manage them."""
    rows = ApiTokenRow.objects.filter(user_id=viewer.user_id)
    return rows if viewer.may(TOKENS_MANAGE) and viewer.run_id is None else rows.none()


def _create_api_token(root: Any, info: Any, input: Any) -> dict[str, Any]:
    viewer = info.context.signed_in
    problems = list(
        _problems(viewer, input["name"] or "", input["scopes"], input.get("expires_at"))
    )
    if problems:
        errors = [user_error(problem) for problem in problems]
        return {"errors": errors}
    made = tokens.create_token(
        viewer.user_id,
        list(dict.fromkeys(input["scopes"])),
        name=input["name"] or "",
        expires_at=input.get("expires_at"),
    )
    return {"api_token": made.row, "token": made.text, "errors": []}


def _problems(
    viewer: Viewer, name: str, scopes: list[str], expires_at: datetime | None
) -> Iterator[Problem]:
    if not viewer.may(TOKENS_MANAGE):
        yield _forbidden()
        return
    if len(name) > NAME_LENGTH or not is_text(name):
        message = f"A name has at most {NAME_LENGTH} characters, none of them NUL."
        yield Problem(message, path=("input", "name"))
    yield from _scope_problems(viewer, scopes)
    if expires_at is not None and expires_at <= timezone.now():
        yield Problem("expiresAt has passed already.", path=("input", "expires_at"))
    elif viewer.expires_at is not None and (expires_at is None or expires_at > viewer.expires_at):
        end = f"{viewer.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        message = f"Your own credential expires at {end}: this one must do so by then."
        yield Problem(message, path=("input", "expires_at"))
    if tokens.valid_tokens().filter(user_id=viewer.user_id).count() >= TOKENS:
        message = f"You have {TOKENS} tokens already: revoke one that is not needed."
        yield Problem(message, RefusalCode.QUOTA_EXCEEDED)


def _scope_problems(viewer: Viewer, scopes: list[str]) -> Iterator[Problem]:
    if not 1 <= len(scopes) <= SCOPES_OF_ONE:
        message = f"A token has 1 to {SCOPES_OF_ONE} scopes."
        yield Problem(message, path=("input", "scopes"))
        return
    for place, scope in enumerate(scopes):
        path = ("input", "scopes", place)
        task = scope.removeprefix(f"{TASKS_START}:")
        if not is_scope(scope):
            yield Problem(f"There is no such scope: use {_SCOPE_WORDS}.", path=path)
        elif task != scope and task not in REGISTRY:
            yield Problem("There is no such task.", path=path)
        elif not _may_grant(viewer, scope):
            message = f"Your own credential has not the scope {scope}, so it cannot give it."
            yield Problem(message, RefusalCode.FORBIDDEN, path)


def _may_grant(viewer: Viewer, scope: str) -> bool:
    if scope in (ADMIN, ACT_AS):
        is_session = viewer.credential is not None and viewer.credential.kind is Kind.SESSION
        return viewer.is_admin or (is_session and viewer.user.is_superuser)
    return viewer.may(scope)


def _revoke_api_token(root: Any, info: Any, id: str) -> dict[str, Any]:
    viewer, key = info.context.signed_in, key_of(id, "ApiToken")
    if not viewer.may(TOKENS_MANAGE):
        return {"errors": [user_error(_forbidden())]}
    rows = own_tokens(viewer).filter(pk=key) if key else ApiTokenRow.objects.none()
    tokens.revoke(rows)
    row = rows.first()
    if row is None:
        problem = Problem("There is no such token.", RefusalCode.NOT_FOUND, ("id",))
        return {"errors": [user_error(problem)]}
    return {"api_token": row, "errors": []}


def _forbidden() -> Problem:
    message = f"This credential may not manage tokens: that takes {TOKENS_MANAGE}."
    return Problem(message, RefusalCode.FORBIDDEN)


def _create_watch_token(root: Any, info: Any, id: str, seconds: int | None) -> dict[str, Any]:
    viewer, key = info.context.signed_in, key_of(id, "Run")
    seconds = watch_tokens.SECONDS if seconds is None else seconds  # as good as left out
    if not viewer.may(RUNS_READ) or viewer.run_id is not None:
        message = f"This credential may not make watch tokens: that takes {RUNS_READ}."
        return _no_watch_token(user_error(Problem(message, RefusalCode.FORBIDDEN)))
    if not 1 <= seconds <= watch_tokens.MOST_SECONDS:
        message = f"A watch token lasts from 1 to {watch_tokens.MOST_SECONDS} seconds."
        return _no_watch_token(user_error(Problem(message, path=("seconds",))))
    runs = models.Run.objects.visible_to(viewer).only("id", "owner_id")
    run = runs.filter(pk=key).first() if key else None
    if run is None:
        problem = Problem("There is no such run.", RefusalCode.NOT_FOUND, ("id",))
        return _no_watch_token(user_error(problem))
    if not viewer.owns(run.owner_id):  # whom a member shows it would see it longer than the member
        message = "This run is another's: you may read it, and its owner may show it to others."
        return _no_watch_token(user_error(Problem(message, RefusalCode.FORBIDDEN, ("id",))))
    made = watch_tokens.create_watch_token(viewer, run.pk, run.owner_id, seconds)
    return {"token": made.text, "expires_at": made.expires_at, "errors": []}


def _no_watch_token(error: UserError) -> dict[str, Any]:
    return {"expires_at": None, "errors": [error]}


def _id(description: str) -> graphene.Argument:
    return graphene.Argument(graphene.NonNull(graphene.ID), description=description)


FIELDS: dict[str, Any] = {
    "create_api_token": graphene.Field(
        graphene.NonNull(CreateApiTokenPayload),
        input=graphene.Argument(graphene.NonNull(CreateApiTokenInput), description="The token."),
        resolver=_create_api_token,
        description="Make a bearer token of the viewer's, for a program.",
    ),
    "revoke_api_token": graphene.Field(
        graphene.NonNull(RevokeApiTokenPayload),
        id=_id("The token's global id."),
        resolver=_revoke_api_token,
        description="Take a token back, which closes what it has open within seconds. May be "
        "repeated.",
    ),
    "create_watch_token": graphene.Field(
        graphene.NonNull(CreateWatchTokenPayload),
        id=_id("The run's global id."),
        seconds=graphene.Int(
            default_value=watch_tokens.SECONDS,
            description=f"How long it shows the run, 1 to {watch_tokens.MOST_SECONDS}.",
        ),
        resolver=_create_watch_token,
        description="Make a token that shows this one run and does nothing else, for a browser "
        "whose backend has started it.",
    ),
}
