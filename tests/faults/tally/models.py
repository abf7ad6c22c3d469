"""One row for each time that a run's effect on the database was committed."""

import uuid
from typing import ClassVar

from django.db import models


class Tally(models.Model):
    """Made by an attempt; nothing but the run's own mark keeps it from being made twice."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    run_id = models.UUIDField()
    attempt = models.PositiveIntegerField()

    objects: ClassVar["models.Manager[Tally]"] = models.Manager()

    class Meta:
        app_label = "tally"

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.run_id}"
