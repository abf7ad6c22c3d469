"""How many bytes one owner may have stored, and how many uploads promised."""

from collections.abc import Iterator
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.utils import timezone

from accounts.models import User
from tasks.exceptions import Problem, RefusalCode
from tasks.models import File


def lock(owner_id: UUID) -> None:
    """Let this owner's promises come one after the other until the transaction ends.

    SQLite's transactions do so by themselves. Runs start meanwhile: they only share the owner.
    """
    User.objects.select_for_update(no_key=True).filter(pk=owner_id).values_list("pk").first()


def problems_of_upload(owner_id: UUID, size: int) -> Iterator[Problem]:
    """Why this owner may not promise an upload of so many bytes.

    Stored bytes count, whether an upload or a run brought them, and promised ones until the promise
    expires. No run is ever refused a file, so there may be more than the quota.
    """
    is_open = Q(ready_at=None, upload_until__gt=timezone.now())
    held = File.objects.filter(is_open | Q(ready_at__isnull=False), owner_id=owner_id).aggregate(
        bytes=Sum("size", default=0), uploads=Count("pk", filter=is_open)
    )
    if held["bytes"] + size > settings.STORED_BYTES:
        message = (
            f"You have {held['bytes']} bytes stored or promised, and may have "
            f"{settings.STORED_BYTES}: delete some with deleteFile or deleteRun."
        )
        yield Problem(message, RefusalCode.QUOTA_EXCEEDED, ("input", "size"))
    if held["uploads"] >= settings.OPEN_UPLOADS:
        message = (
            f"You have {held['uploads']} uploads that are not complete: send their bytes, delete "
            "them with deleteFile, or wait until they expire."
        )
        yield Problem(message, RefusalCode.QUOTA_EXCEEDED)
