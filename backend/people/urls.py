"""allauth's addresses for SPAs in browsers, those that Downbeat needs; it names many more."""

from typing import Any

from allauth.headless.account import views as account
from allauth.headless.base import views as base
from allauth.headless.constants import Client
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, include, path, re_path

from backend.people.guard import View, guarded
from backend.people.replies import refusal

NO_SIGN_UP = "Nobody can sign up here: ask the operator for an account."
NO_MAIL = "This service sends no mail: ask its operator for a new password."


def addresses(*, sign_up: bool, sends_mail: bool) -> list[URLPattern]:
    """The addresses below `browser/v1/`; what is switched off says so."""
    reset = _refused("mail_off", NO_MAIL)
    patterns = [
        path("config", _view(base.ConfigView, "GET")),
        path("auth/session", _view(account.SessionView, "GET", "DELETE")),
        path("auth/login", _view(account.LoginView, "POST")),
        path("account/password/change", _view(account.ChangePasswordView, "POST")),
        path(
            "auth/password/request",
            _view(account.RequestPasswordResetView, "POST") if sends_mail else reset,
        ),
        path(
            "auth/password/reset",
            _view(account.ResetPasswordView, "GET", "POST") if sends_mail else reset,
        ),
        path(
            "auth/signup",
            _view(account.SignupView, "POST") if sign_up else _refused("sign_up_off", NO_SIGN_UP),
        ),
    ]
    if sign_up and sends_mail:
        patterns.append(path("auth/email/verify", _view(account.VerifyEmailView, "GET", "POST")))
    return patterns


def _view(view: Any, *methods: str) -> View:
    return guarded(view.as_api_view(client=Client.BROWSER), *methods)


def _refused(code: str, message: str) -> View:
    return lambda _request: refusal(403, code, message)


def _nothing(_request: HttpRequest, **_: str) -> HttpResponse:
    return refusal(404, "not_found", "There is nothing at this address.")


_addresses = addresses(sign_up=settings.SIGN_UP, sends_mail=settings.SENDS_MAIL)

urlpatterns = [path("browser/v1/", include(_addresses)), re_path("", _nothing)]
