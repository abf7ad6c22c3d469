"""The admin's own page to sign in, with the same brake on attempts as everywhere."""

from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from backend.people.adapter import Throttled


class BrakedForm(AdminAuthenticationForm):
    """Asks the adapter, which counts the attempts."""

    throttled: Throttled | None = None

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if name and password:
            try:
                user = get_adapter().authenticate(self.request, username=name, password=password)
            except Throttled as error:
                self.throttled = error
                message = f"Too many attempts; try again in {error.seconds} seconds."
                raise ValidationError(message, code="rate_limited") from None
            if user is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(user)
            self.user_cache = user
        return self.cleaned_data


admin.site.login_form = BrakedForm


def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The page; 429 with Retry-After when there were too many attempts."""
    response = admin.site.login(request)
    form = (getattr(response, "context_data", None) or {}).get("form")
    if isinstance(form, BrakedForm) and form.throttled is not None:
        response.status_code = 429
        response.headers["Retry-After"] = str(form.throttled.seconds)
    return response
