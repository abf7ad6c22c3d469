"""The real addresses, as they are with SIGN_UP=true and EMAIL_URL."""

from django.urls import include, path

from backend.people.urls import addresses
from backend.urls import handler400
from backend.urls import urlpatterns as real

__all__ = ["handler400", "urlpatterns"]

urlpatterns = [
    path("_allauth/browser/v1/", include(addresses(sign_up=True, sends_mail=True))),
    *real,
]
