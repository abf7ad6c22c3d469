"""Users, and the API tokens with which their programs sign in."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models

from accounts.keys import uuid7


class User(AbstractUser):
    """Somebody who may ask for runs and owns them.

    With `subject` it is somebody whom others sign in: an identity provider, or a service that acts
    for its own users; `issuer` says who.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    issuer = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    subject = models.CharField(
        max_length=255, blank=True, default="", db_default="", editable=False
    )

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["issuer", "subject"],
                condition=~models.Q(subject=""),
                name="user_issuer_subject",
            )
        ]

    def save(self, *args: Any, **options: Any) -> None:
        self.email = self.email.lower()  # as it is looked up when somebody signs in by it
        super().save(*args, **options)

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.subject or self.username


class ApiToken(models.Model):
    """A bearer token of a user; only its digest is stored, so a stolen table opens nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="What it is for."
    )
    prefix = models.CharField(max_length=16, help_text="The token's first letters, to know it by.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, help_text='Words such as "runs:read".')
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it does not expire.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user}"
