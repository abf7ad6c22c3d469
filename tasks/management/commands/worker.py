"""`manage.py worker`: a Celery worker with the flags that Downbeat needs."""

import os
from typing import Any

from django.core.management.base import BaseCommand

from tasks import worker
from tasks.broker import app


class Command(BaseCommand):
    requires_system_checks = ()  # those of the web would load the schema, which no worker needs
    help = "Perform runs, WORKER_PROCESSES at once; SIGTERM lets the running ones finish."

    def handle(self, *args: Any, **options: Any) -> None:
        os.environ["CELERY_SKIP_CHECKS"] = "1"
        celery = app()
        worker.install(celery)
        worker.show_life()
        # Gossip and mingle are chatter that no run needs and that breaks reconnects.
        celery.worker_main(
            [
                "--quiet",
                "worker",
                "--pool=prefork",
                "--without-gossip",
                "--without-mingle",
                "--loglevel=INFO",
            ]
        )
