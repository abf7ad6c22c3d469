"""Users whom somebody else signs in: known by who says so, and by the name used there."""

from collections.abc import Collection
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db.models import Q

from accounts.keys import uuid7
from accounts.models import User
from accounts.viewer import BadCredential

SUBJECT_LENGTH = 255


def external_user(issuer: str, subject: str, name: str = "") -> User:
    """The user of this name at this issuer, made at first sight; one query from then on.

    BadCredential for what can be no name: it has 1 to 255 printable characters.
    """
    if not (1 <= len(subject) <= SUBJECT_LENGTH and subject.isprintable()):
        message = f"A subject has 1 to {SUBJECT_LENGTH} printable characters."
        raise BadCredential(message)
    known = User.objects.filter(issuer=issuer, subject=subject).first()
    if known is not None:
        return known
    key = uuid7()
    defaults = {
        "id": key,
        "username": f"external-{key}",
        "password": make_password(None),  # nobody signs in here under this name
        "first_name": name[:150],
    }
    return User.objects.get_or_create(issuer=issuer, subject=subject, defaults=defaults)[0]


def external_users(named: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Those of the users, by issuer and subject, who exist and are active; at most one query."""
    if not named:
        return {}
    wanted = Q()
    for issuer in {issuer for issuer, _ in named}:
        subjects = [subject for each, subject in named if each == issuer]
        wanted |= Q(issuer=issuer, subject__in=subjects)
    rows = User.objects.filter(wanted, is_active=True).values_list("issuer", "subject", "pk")
    return {(issuer, subject): key for issuer, subject, key in rows}
