"""Clients of the admin: a superuser's, and those of staff with some permissions."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User

MakeStaff = Callable[..., Client]


@pytest.fixture
def root(db: None) -> Client:
    """Signed in as somebody who may everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def staff(db: None) -> MakeStaff:
    """`staff("tasks.view_run")`: signed in as staff with these permissions and no others."""

    def make(*permissions: str) -> Client:
        user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            found = Permission.objects.get(content_type__app_label=app, codename=codename)
            user.user_permissions.add(found)
        client = Client()
        client.force_login(user)
        return client

    return make
