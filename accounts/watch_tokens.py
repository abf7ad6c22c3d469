"""Watch tokens: signed, each shows one run, for a browser whose backend has started it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.core import signing
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.tokens import valid_tokens
from accounts.viewer import ACT_AS, RUNS_READ, BadCredential, Credential, Kind, Viewer

BRAND = "dbw_"
SECONDS = 3_600  # that one lasts when nothing is said
MOST_SECONDS = 86_400
_SALT = "downbeat.watch"


@dataclass(frozen=True)
class WatchToken:
    """What to give to the browser, and until when it opens the run."""

    text: str
    expires_at: datetime


@dataclass(frozen=True)
class _Content:
    """What a token says. `made_by`: the API token that has made it, and takes it along."""

    run_id: UUID
    owner_id: UUID
    made_by: UUID | None
    expires_at: datetime


def create_watch_token(viewer: Viewer, run_id: UUID, owner_id: UUID, seconds: int) -> WatchToken:
    """A token that shows this run of this owner, for so many seconds.

    It ends with the viewer's own credential if that is a token, or expires earlier.
    """
    until = timezone.now().replace(microsecond=0) + timedelta(seconds=seconds)
    if viewer.expires_at is not None:
        until = min(until, viewer.expires_at)
    credential = viewer.credential
    is_token = credential is not None and credential.kind is Kind.TOKEN
    made_by = credential.key if credential is not None and is_token else ""
    content = [run_id.hex, owner_id.hex, made_by, int(until.timestamp())]
    return WatchToken(BRAND + signing.dumps(content, salt=_SALT), until)


def viewer_from_watch_token(text: str) -> Viewer:
    """The viewer of the one run, or BadCredential; one query, or two."""
    for viewer in viewers_by_watch_token([Credential(Kind.WATCH, text)]):
        return viewer
    raise BadCredential("This watch token is not signed by us, has expired, or was revoked.")


def viewers_by_watch_token(credentials: Collection[Credential]) -> Iterator[Viewer]:
    """The viewers behind those of the tokens that still open something; two queries."""
    read = {each: content for each in credentials if (content := _read(each.key)) is not None}
    makers = _makers(read.values())
    owners = {content.owner_id for content in read.values()}
    active = set(User.objects.filter(pk__in=owners, is_active=True).values_list("pk", flat=True))
    for credential, content in read.items():
        maker = None if content.made_by is None else makers.get(content.made_by)
        may_show = content.made_by is None if maker is None else _may_show(maker, content)
        if content.owner_id in active and may_show:
            yield Viewer(
                content.owner_id,
                frozenset({RUNS_READ}),
                credential,
                run_id=content.run_id,
                expires_at=content.expires_at,
            )


def _makers(contents: Iterable[_Content]) -> dict[UUID, ApiToken]:
    """The tokens that made them and still open something, by their ids; one query at most."""
    wanted = {content.made_by for content in contents if content.made_by is not None}
    rows = valid_tokens().select_related("user").only("user_id", "scopes", "user__is_superuser")
    return rows.in_bulk(wanted) if wanted else {}


def _may_show(maker: ApiToken, content: _Content) -> bool:
    """Whether it may show runs of this owner: its user's, a subject's, or as an admin everybody's.

    Who is an admin no longer, shows others' no longer.
    """
    return content.owner_id == maker.user_id or ACT_AS in maker.scopes or maker.user.is_superuser


def _read(text: str) -> _Content | None:
    """What the token says, while it is in time; None for a false one."""
    try:
        run_id, owner_id, made_by, until = signing.loads(text.removeprefix(BRAND), salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    expires_at = datetime.fromtimestamp(until, UTC)
    if expires_at <= timezone.now():
        return None
    return _Content(UUID(run_id), UUID(owner_id), UUID(made_by) if made_by else None, expires_at)
