"""API tokens: made once, shown once, found again by their digest."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.viewer import SCOPES, Credential, Kind, Viewer

BRAND = "dbt_"  # so that a leaked token is recognised by whoever finds it
PREFIX_LENGTH = len(BRAND) + 6
LAST_USED_STEP = timedelta(minutes=1)


class BadCredential(Exception):
    """The request carries a credential that opens nothing."""


def create_token(user: User, scopes: Sequence[str] = SCOPES) -> str:
    """Make a token for the user and return it; it cannot be read again later."""
    token = BRAND + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user, prefix=token[:PREFIX_LENGTH], digest=_digest(token), scopes=list(scopes)
    )
    return token


def viewer_from_authorization(header: str | None) -> Viewer | None:
    """The viewer behind an `Authorization` header: None without one; BadCredential for a false one.

    One query; `last_used_at` costs a second one at most once a minute.
    """
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise BadCredential("Send the header `Authorization: Bearer <token>`.")
    found = _valid().filter(digest=_digest(token.strip())).first()
    if found is None:
        raise BadCredential("This token is unknown, or was revoked.")
    _remember_use(found)
    return _viewer(found)


def viewers_by_token(ids: Collection[str]) -> dict[str, Viewer]:
    """The viewers behind those of the tokens that still open something, by the tokens' ids."""
    return {str(token.pk): _viewer(token) for token in _valid().filter(pk__in=ids)}


def _valid() -> QuerySet[ApiToken]:
    tokens = ApiToken.objects.filter(revoked_at=None, user__is_active=True)
    return tokens.only("id", "user_id", "scopes", "last_used_at")


def _viewer(token: ApiToken) -> Viewer:
    return Viewer(token.user_id, frozenset(token.scopes), Credential(Kind.TOKEN, str(token.pk)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _remember_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_STEP:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_STEP)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
