"""The Django app of the tally; a service gets it by EXTRA_APPS."""

from django.apps import AppConfig


class TallyConfig(AppConfig):
    name = "tests.faults.tally"
    label = "tally"
