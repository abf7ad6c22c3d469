"""`manage.py api_token NAME`: print a new API token for the user NAME, made if missing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from accounts.models import User
from accounts.tokens import create_token
from accounts.viewer import SCOPES


class Command(BaseCommand):
    help = "Make an API token; it is the last word printed and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the user's name; the user is made if missing")
        parser.add_argument(
            "--scope",
            action="append",
            choices=SCOPES,
            help="what the token may do; may be repeated; default: everything",
        )

    def handle(self, *, name: str, scope: list[str] | None, **options: Any) -> None:
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
        self.stdout.write(f"Token of {name}: {create_token(user, scope or SCOPES)}")
