"""Puts Downbeat together: settings, urls, Celery, the ASGI application and its health."""
