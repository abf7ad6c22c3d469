"""Bearer JWTs of one's own identity provider: its subjects become owners of runs.

What is checked: https://www.rfc-editor.org/rfc/rfc8725. The algorithm is the one of the settings,
never the token's own word.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from accounts.external import external_user
from accounts.models import User
from accounts.viewer import BadCredential, Credential, Kind, Viewer

logger = logging.getLogger("downbeat.accounts")

LEEWAY_SECONDS = 30  # between the clocks of two machines
FETCH_SECONDS = 3
FRESH_SECONDS = 300.0  # that fetched keys are taken as they are
STALE_SECONDS = 3_600.0  # that they are taken when the provider does not answer
PAUSE_SECONDS = 10.0  # between two tries to fetch them, so that no false token makes us hammer
TEXT_LENGTH = 8_000
FOR_EVER = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())  # whatever ends later ends then


class ProviderAway(Exception):
    """The identity provider's keys cannot be fetched, so that nobody knows who this is."""


class Keys:
    """The provider's signing keys by their ids, fetched when they are needed.

    One thread fetches; the others go on with what is known, for a slow provider must not hold all
    threads of the pool. Only the very first keys are waited for.
    """

    def __init__(
        self,
        fetch: Callable[[], Any],
        algorithm: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._algorithm = algorithm
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -STALE_SECONDS
        self._tried_at = -PAUSE_SECONDS
        self._was_tried = False

    def get(self, key_id: str) -> jwt.PyJWK:
        """The key; BadCredential when there is none of this id; ProviderAway."""
        is_renewed = True
        if key_id not in self._keys or self._age > FRESH_SECONDS:
            is_renewed = self._renew()
        if self._age > STALE_SECONDS:
            raise ProviderAway("The identity provider's keys cannot be fetched; try again soon.")
        if key_id not in self._keys:
            if not is_renewed:
                raise ProviderAway("The identity provider's keys are being fetched; try again.")
            raise BadCredential("This token is signed with a key that its issuer does not publish.")
        return self._keys[key_id]

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _renew(self) -> bool:
        """Fetch them unless that was tried just now; False while another thread does."""
        if not self._lock.acquire(blocking=not self._was_tried):
            return False
        try:
            if self._clock() - self._tried_at >= PAUSE_SECONDS:
                self._tried_at = self._clock()
                self._take(self._fetch())
        except (jwt.PyJWTError, OSError, ValueError) as error:  # `get` says what follows from that
            logger.warning("JWT_JWKS_URL: no keys could be fetched (%s).", type(error).__name__)
        finally:
            self._was_tried = True
            self._lock.release()
        return True

    def _take(self, published: Any) -> None:
        found = published.get("keys") if isinstance(published, dict) else None
        if not isinstance(found, list):
            raise ValueError("no set of keys")
        read = (self._read(key) for key in found if isinstance(key, dict))
        self._keys = {key.key_id: key for key in read if key is not None and key.key_id is not None}
        self._fetched_at = self._clock()

    def _read(self, published: dict[str, Any]) -> jwt.PyJWK | None:
        """A key that signs by our algorithm; None for any other, whatever it calls itself."""
        if published.get("use", "sig") != "sig" or not isinstance(published.get("kid"), str):
            return None
        try:
            return jwt.PyJWK(published, self._algorithm)
        except (jwt.PyJWTError, ValueError, LookupError, TypeError, AttributeError):
            return None


class IdentityProvider:
    """Who signs, for whom, and how. `key`: a PEM or a secret; else `keys` by id."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | None,
        algorithm: str,
        key: str | None,
        keys: Keys | None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._algorithm = algorithm
        self._key = key
        self._keys = keys

    def claims(self, text: str) -> dict[str, Any]:
        """What the token says, if it is true, in time and for us; else BadCredential."""
        if len(text) > TEXT_LENGTH:
            raise BadCredential("This token is too long.")
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                self._signing_key(text),
                algorithms=[self._algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise BadCredential(f"This JWT opens nothing: {_reason(error)}.") from None
        return claims

    def _signing_key(self, text: str) -> Any:
        if self._keys is None:
            return self._key
        key_id = jwt.get_unverified_header(text).get("kid")
        if not isinstance(key_id, str):
            raise BadCredential("This JWT does not say by `kid` which key has signed it.")
        return self._keys.get(key_id).key


def _reason(error: Exception) -> str:
    for kind, text in (
        (jwt.ExpiredSignatureError, "it has expired"),
        (jwt.ImmatureSignatureError, "it is not valid yet"),
        (jwt.InvalidAudienceError, "it is for another audience"),
        (jwt.InvalidIssuerError, "it is of another issuer"),
        (jwt.MissingRequiredClaimError, "it lacks one of exp, iss, aud and sub"),
        (jwt.InvalidAlgorithmError, "its algorithm is not the agreed one"),
    ):
        if isinstance(error, kind):
            return text
    return "it is not signed as agreed"


@cache
def _provider() -> IdentityProvider | None:
    """The provider of the settings; None when there is none."""
    if not settings.JWT_ISSUER:
        return None
    url, keys = settings.JWT_JWKS_URL, None
    if url:
        fetch = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS).fetch_data
        keys = Keys(fetch, settings.JWT_ALGORITHM)
    return IdentityProvider(
        issuer=settings.JWT_ISSUER,
        audience=settings.JWT_AUDIENCE,
        algorithm=settings.JWT_ALGORITHM,
        key=settings.JWT_KEY,
        keys=keys,
    )


def viewer_from_jwt(text: str) -> Viewer:
    """The viewer behind a JWT, a user from then on; else BadCredential, or ProviderAway."""
    provider = _provider()
    if provider is None:
        raise BadCredential("This token is unknown.")
    claims = provider.claims(text)
    user = external_user(claims["iss"], claims["sub"], _name(claims))
    if not user.is_active:
        raise BadCredential("This user was deactivated.")
    return _viewer(user.pk, min(int(claims["exp"]) + LEEWAY_SECONDS, FOR_EVER))


def _name(claims: dict[str, Any]) -> str:
    """The person's name, of which often the person has the say; empty for what is none."""
    name = claims.get("name")
    return name if isinstance(name, str) and name.isprintable() else ""


def viewers_by_jwt(credentials: Collection[Credential]) -> Iterator[Viewer]:
    """The viewers behind those of the credentials that are still in time; one query."""
    now = time.time()
    read = [each.key.split(" ") for each in credentials]
    ends = [(UUID(user), int(end)) for user, end in read if int(end) > now]
    users = User.objects.filter(pk__in={user for user, _ in ends}, is_active=True)
    active = set(users.values_list("pk", flat=True))
    return (_viewer(user, end) for user, end in ends if user in active)


def _viewer(user_id: UUID, end: int) -> Viewer:
    return Viewer(
        user_id,
        frozenset(settings.JWT_SCOPES),
        Credential(Kind.JWT, f"{user_id} {end}"),
        expires_at=datetime.fromtimestamp(end, UTC),
    )
