"""`manage.py api_token NAME`: print a new API token for the user NAME, made if missing."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from accounts.models import User
from accounts.tokens import create_token
from accounts.viewer import SCOPES, SPECIAL, TASKS_START, is_scope


class Command(BaseCommand):
    requires_system_checks = ()  # those of the web would load the schema
    help = "Make an API token; it is the last word printed and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the user's name; the user is made if missing")
        parser.add_argument(
            "--scope",
            action="append",
            help=f"what the token may do; may be repeated: {', '.join(SCOPES)} (all of these when "
            f"left out), {TASKS_START}:NAME for one task, {', '.join(SPECIAL)}",
        )
        parser.add_argument("--days", type=int, help="it expires after so many; default: never")

    def handle(
        self, *, name: str, scope: list[str] | None, days: int | None, **options: Any
    ) -> None:
        for word in scope or ():
            if not is_scope(word):
                raise CommandError(f"There is no scope {word!r}: see `manage.py api_token --help`.")
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError("A token may last from 1 to 36500 days.")
        try:
            user = User.objects.filter(username=name).first()
        except DatabaseError as error:
            raise CommandError(
                "The database is not ready: run `make up` (or `manage.py migrate`) first. "
                f"({str(error).splitlines()[0]})"
            ) from None
        if user is None:
            user = User.objects.create_user(name)
            self.stdout.write(f"Made the user {name}.")
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        token = create_token(user.pk, scope or SCOPES, expires_at=expires_at)
        self.stdout.write(f"Token of {name}: {token.text}")
