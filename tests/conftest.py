"""What every suite shares: users and viewers, and the private servers of tests.stacks."""

from collections.abc import Callable

import pytest

from accounts.models import User
from accounts.viewer import SCOPES, Viewer

pytest_plugins = ["tests.stacks.fixtures"]


@pytest.fixture
def make_viewer(db: None) -> Callable[..., Viewer]:
    """Makes a user of this name and the viewer behind a token with these scopes."""

    def make(name: str = "ada", scopes: tuple[str, ...] = SCOPES) -> Viewer:
        user, _ = User.objects.get_or_create(username=name)
        return Viewer(user.pk, frozenset(scopes))

    return make


@pytest.fixture
def viewer(make_viewer: Callable[..., Viewer]) -> Viewer:
    return make_viewer()
