"""The Django app of people's sign-in, for its templates and its table."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "backend.people"
