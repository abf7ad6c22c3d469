"""`manage.py prune`: remove what is older than its retention; `--dry-run` only counts."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count

from tasks import retention
from tasks.retention import Pruned


class Command(BaseCommand):
    requires_system_checks = ()  # those of the web would load the schema
    help = "Remove final runs, unused uploads and stray bytes that are older than their retention."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and remove nothing")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        if dry_run:
            self._count()
        else:
            self._prune()

    def _count(self) -> None:
        groups = retention.stale_runs().order_by("task", "status").values_list("task", "status")
        for task, status, count in groups.annotate(Count("pk")):
            self.stdout.write(f"{task} {status}: {count}")
        self.stdout.write(f"uploads: {retention.stale_uploads().count()}")
        self.stdout.write(f"stray parts: {sum(1 for _ in retention.stale_parts())}")

    def _prune(self) -> None:
        done = Pruned()
        while (some := retention.prune(retention.BATCH)).total:
            done += some
        self.stdout.write(
            f"Removed {done.runs} runs, {done.uploads} uploads and {done.parts} stray parts."
        )
