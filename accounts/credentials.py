"""Looks again at what people are signed in by, for what stays open longer than a request."""

from collections.abc import Collection

from accounts.sessions import viewers_by_session
from accounts.tokens import viewers_by_token
from accounts.viewer import Credential, Kind, Viewer


def still_valid(credentials: Collection[Credential]) -> dict[Credential, Viewer]:
    """The viewers of those that still open something, as they now are; at most three queries."""
    keys = {kind: [key for each, key in credentials if each is kind] for kind in Kind}
    tokens = viewers_by_token(keys[Kind.TOKEN]) if keys[Kind.TOKEN] else {}
    sessions = viewers_by_session(keys[Kind.SESSION]) if keys[Kind.SESSION] else {}
    found = [*tokens.values(), *sessions.values()]
    return {viewer.credential: viewer for viewer in found if viewer.credential is not None}
