"""`manage.py worker [--queues A,B]`: a Celery worker with the flags that Downbeat needs."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tasks import worker
from tasks.broker import app, declared_queues, queue_names


class Command(BaseCommand):
    requires_system_checks = ()  # those of the web would load the schema, which no worker needs
    help = (
        "Perform runs, WORKER_PROCESSES at once. SIGTERM lets the running ones finish for "
        "SHUTDOWN_SECONDS and gives back the rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", help="take only these queues, separated by commas")

    def handle(self, *args: Any, queues: str | None, **options: Any) -> None:
        wanted = _wanted(queues)
        os.environ["CELERY_SKIP_CHECKS"] = "1"
        celery = app()
        house = worker.install(celery, wanted)
        # Gossip and mingle are chatter that no run needs and that breaks reconnects.
        celery.worker_main(
            [
                "--quiet",
                "worker",
                "--pool=prefork",
                "--without-gossip",
                "--without-mingle",
                "--loglevel=INFO",
                f"--queues={','.join(queue_names(wanted))}",
            ]
        )
        if house.is_deaf:
            sys.exit(worker.EXIT_DEAF)


def _wanted(queues: str | None) -> list[str]:
    declared = declared_queues()
    wanted = declared if queues is None else [name.strip() for name in queues.split(",")]
    if unknown := sorted(set(wanted) - set(declared)):
        raise CommandError(
            f"No task names the queue {unknown[0]!r}: the queues are {', '.join(declared)}."
        )
    return wanted
