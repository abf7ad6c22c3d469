"""By what somebody is signed in: finds the viewer, and looks again for what stays open longer."""

from collections.abc import Callable, Collection, Iterable

from accounts import identity_provider, sessions, tokens, watch_tokens
from accounts.peers import with_peers
from accounts.viewer import BadCredential, Credential, Kind, Viewer

_BY_KIND: dict[Kind, Callable[[Collection[Credential]], Iterable[Viewer]]] = {
    Kind.TOKEN: tokens.viewers_by_token,
    Kind.SESSION: sessions.viewers_by_session,
    Kind.WATCH: watch_tokens.viewers_by_watch_token,
    Kind.JWT: identity_provider.viewers_by_jwt,
}


def from_authorization(header: str, act_as: str | None = None) -> Viewer:
    """The viewer behind an `Authorization` header, or behind whom its token acts as.

    Raises BadCredential for a false one, and ProviderAway while nobody can tell.
    """
    scheme, _, text = header.partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise BadCredential("Send the header `Authorization: Bearer <token>`.")
    return with_peers([_from_bearer(text, act_as)])[0]


def _from_bearer(text: str, act_as: str | None) -> Viewer:
    if text.startswith(tokens.BRAND):
        return tokens.viewer_from_token(text, act_as)
    if act_as is not None:
        raise BadCredential("Only an API token may act for others.")
    if text.startswith(watch_tokens.BRAND):
        return watch_tokens.viewer_from_watch_token(text)
    return identity_provider.viewer_from_jwt(text)


def from_session(key: str) -> Viewer | None:
    """The viewer behind a session's key; None when nobody is signed in by it (any more)."""
    viewer = sessions.viewer_from_session(key)
    return None if viewer is None else with_peers([viewer])[0]


def still_valid(credentials: Collection[Credential]) -> dict[Credential, Viewer]:
    """The viewers of those that still open something, as they now are; a few queries for all."""
    viewers = (
        viewer
        for kind, find in _BY_KIND.items()
        if (some := [each for each in credentials if each.kind is kind])
        for viewer in find(some)
    )
    return {each.credential: each for each in with_peers(viewers) if each.credential is not None}
