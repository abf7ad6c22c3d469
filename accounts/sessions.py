"""Django sessions as credentials: whoever is signed in on our own pages."""

import re
from collections.abc import Collection
from uuid import UUID

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.viewer import SCOPES, Credential, Kind, Viewer

_KEY = re.compile(r"[a-z0-9]{1,40}", re.ASCII)  # as django.contrib.sessions makes and stores it


def viewer_from_session(key: str) -> Viewer | None:
    """The viewer behind a session's key; None when nobody is signed in by it (any more)."""
    found = viewers_by_session([Credential(Kind.SESSION, key)]) if _KEY.fullmatch(key) else ()
    return next(iter(found), None)


def viewers_by_session(credentials: Collection[Credential]) -> list[Viewer]:
    """The viewers behind those of the sessions in which somebody is signed in; two queries.

    As django.contrib.auth.get_user judges: not expired, of today's password, and of the secret key
    or one of its fallbacks.
    """
    keys = {credential.key for credential in credentials}
    sessions = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    contents = {session.session_key: session.get_decoded() for session in sessions}
    signed_in = {key: content for key, content in contents.items() if SESSION_KEY in content}
    users = User.objects.filter(is_active=True).in_bulk(
        {UUID(content[SESSION_KEY]) for content in signed_in.values()}
    )
    return [
        Viewer(
            user.pk,
            frozenset(SCOPES),
            Credential(Kind.SESSION, key),
            is_staff=user.is_staff,
        )
        for key, content in signed_in.items()
        if (user := users.get(UUID(content[SESSION_KEY]))) is not None
        and BACKEND_SESSION_KEY in content
        and _is_of(user, content.get(HASH_SESSION_KEY, ""))
    ]


def _is_of(user: User, session_hash: str) -> bool:
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(session_hash, each) for each in hashes)
