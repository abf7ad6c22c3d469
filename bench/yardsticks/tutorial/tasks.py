"""The same work as Downbeat's own `count_words`."""

import os
import time

from celery import shared_task
from redis import Redis


@shared_task
def count_words(text: str) -> dict[str, object]:
    words = text.split()
    return {"words": len(words), "longest": max(words, key=len, default="")}


@shared_task(ignore_result=True)
def arrive(sent: float) -> None:
    """Tell how long the message took: the floor below every dispatch by Celery, in seconds."""
    took = time.time() - sent
    Redis.from_url(os.environ["REDIS_URL"]).rpush("arrived", took)
