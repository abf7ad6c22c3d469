"""Which pages of other origins may read what we answer: those of CORS_ORIGINS, letter by letter."""

from urllib.parse import SplitResult

from corsheaders.middleware import CorsMiddleware
from django.conf import settings


class ExactCorsMiddleware(CorsMiddleware):
    """django-cors-headers, but an origin with a path behind it is no origin of the list."""

    def origin_found_in_white_lists(self, origin: str, url: SplitResult) -> bool:
        return origin in settings.CORS_ALLOWED_ORIGINS
