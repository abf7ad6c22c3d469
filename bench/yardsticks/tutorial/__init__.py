"""What a Django team would write first, from the public tutorials of its parts.

graphene-django's view under gunicorn's threads, `.delay()`, and django-celery-results in
PostgreSQL. It has no users, no limits and no promises: what it leaves out is in its favour.
"""

from bench.yardsticks.tutorial.celery import app as celery_app

__all__ = ["celery_app"]
