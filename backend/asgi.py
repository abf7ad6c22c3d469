"""The ASGI application that uvicorn serves: `uvicorn backend.asgi:application`."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
_django = get_wsgi_application()  # sets Django up, which the imports below need

from backend import recent_check  # noqa: E402
from backend.front.app import Front  # noqa: E402
from backend.front.guards import GUARDS, https_only  # noqa: E402
from backend.front.pool import Pool  # noqa: E402
from backend.live.app import Live  # noqa: E402
from backend.urls import door  # noqa: E402 - a wrong declaration stops the start here

recent_check.watch()
_pool = Pool(settings.WEB_THREADS, settings.WEB_QUEUE, at_exit=connections.close_all)

application = Front(
    _django,
    _pool,
    Live(door, _pool.run, per_user=settings.WATCHES_PER_USER),
    request_size=settings.REQUEST_SIZE,
    staging=settings.STAGING_DIR,
    origins=frozenset(settings.CORS_ALLOWED_ORIGINS),
    proxies=settings.TRUSTED_PROXIES,
    guards=(*GUARDS, *https_only(settings.SECURE_HSTS_SECONDS)),
)

# What is loaded by now stays. Each full collection would look through all of it, and hold up every
# request and every watcher for a fifth of a second.
gc.collect()
gc.freeze()
