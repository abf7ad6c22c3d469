"""What Downbeat wants otherwise than django-allauth does by itself."""

import logging
import math
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest

logger = logging.getLogger("downbeat.people")

_FAILURES = {"app": "allauth.account", "action": "login_failed"}  # the limit's name in allauth


class Throttled(Exception):
    """Too many attempts have failed; one more may be made after so many `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class MailFailed(Exception):
    """The mail server is away, or takes no mail from us."""


class Adapter(DefaultAccountAdapter):
    """Who may sign up, how attempts are counted, which mails are sent."""

    def is_open_for_signup(self, _request: HttpRequest) -> bool:
        return bool(settings.SIGN_UP)

    def get_login_stages(self) -> list[str]:
        return ["backend.people.stages.ConfirmationStage"]

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            key = self._get_login_attempts_cache_key(request, **credentials)
            raise Throttled(_seconds_to_wait(request, key)) from None

    def _get_login_attempts_cache_key(self, _request: HttpRequest, **credentials: Any) -> str:
        """Whom the attempts are counted for.

        allauth's own key holds the Host header too, whose port is for the client to choose: with
        another one in each request nobody would be throttled.
        """
        login: str = credentials.get("email") or credentials.get("username") or ""
        return login.lower()

    def respond_email_verification_sent(self, request: HttpRequest, user: Any) -> Any:
        if user is None:
            # The address has an account already, and only its owner is told. A new account's
            # password would have been hashed, so that the time would tell everybody.
            make_password("")
        return super().respond_email_verification_sent(request, user)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send it, naming the SPA's host as the site's, not what the request says; MailFailed."""
        host = urlsplit(settings.APP_URL).netloc
        site = SimpleNamespace(name=host, domain=host)
        more = {"current_site": site, "is_open_for_signup": settings.SIGN_UP}
        try:
            super().send_mail(template_prefix, email, {**context, **more})
        except OSError as error:  # smtplib's are of this kind
            logger.error("EMAIL_URL: a mail could not be sent: %s", type(error).__name__)
            raise MailFailed from error


def _seconds_to_wait(request: HttpRequest, key: str) -> int:
    """Until one more attempt for this key, from this address, would be allowed."""
    now, waits = time.time(), [1.0]
    for rate in ratelimit.get_rates(**_FAILURES):
        place = ratelimit.get_cache_key(request, **_FAILURES, rate=rate, key=key)
        attempts = cache.get(place, [])  # the newest first
        if len(attempts) >= rate.amount:
            waits.append(attempts[rate.amount - 1] + rate.duration - now)
    return math.ceil(max(waits))
