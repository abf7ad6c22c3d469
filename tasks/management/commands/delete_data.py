"""`manage.py delete_data USERNAME`: delete all runs and files of a user."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from tasks.deletion import delete_data


class Command(BaseCommand):
    requires_system_checks = ()  # those of the web would load the schema
    help = "Delete all runs of a user, open ones too, and all files. The user stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="the user's name")

    def handle(self, *, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        deleted = delete_data(user.pk)
        self.stdout.write(f"Deleted {deleted.runs} runs and {deleted.files} files of {username}.")
