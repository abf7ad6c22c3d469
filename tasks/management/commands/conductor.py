"""`manage.py conductor`: ring, recover and start runs until SIGTERM or Ctrl-C."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from tasks.conductor import Conductor


class Command(BaseCommand):
    requires_system_checks = ()  # those of the web would load the schema
    help = "Ring, recover and start runs; any number of copies may run."

    def handle(self, *args: Any, **options: Any) -> None:
        conductor = Conductor()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: conductor.stop())
        conductor.work()
