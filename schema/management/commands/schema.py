"""`manage.py schema`: print the SDL, or check that schema.graphql is up to date."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from schema.build import sdl

COMMITTED = Path("schema.graphql")


class Command(BaseCommand):
    help = "Print the schema in GraphQL's schema language."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="fail when schema.graphql is stale"
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        if not check:
            sys.stdout.write(sdl())
        elif not COMMITTED.exists() or COMMITTED.read_text(encoding="utf-8") != sdl():
            raise CommandError("schema.graphql is stale: run `make schema` and commit it.")
