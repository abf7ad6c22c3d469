"""The Django app of the schema: a wrong declaration fails `manage.py check` and so start-up."""

from typing import Any

from django.apps import AppConfig
from django.core import checks

from tasks.exceptions import DeclarationError


class SchemaConfig(AppConfig):
    name = "schema"

    def ready(self) -> None:
        checks.register(check_schema)


def check_schema(app_configs: Any, **kwargs: Any) -> list[checks.Error]:
    """The declared tasks make a valid schema."""
    from schema.build import schema

    try:
        schema()
    except DeclarationError as error:
        return [checks.Error(str(error), id="downbeat.E001")]
    return []
