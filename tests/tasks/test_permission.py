"""Who may start a task is what its declaration says, for a start and a rerun alike."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from pydantic import BaseModel

from accounts.models import User
from accounts.viewer import ADMIN, TASKS_START, Viewer
from tasks import Context, submission
from tasks.exceptions import DeclarationError, RefusalCode, Refused
from tasks.models import Run
from tasks.registry import Task

pytestmark = pytest.mark.django_db


def order_paint(ctx: Context, *, litres: int) -> None:
    """Order paint."""


def small_order(viewer: Viewer, given: Any) -> bool:
    return given is None or given.litres <= 10 or "buyers" in viewer.groups


def start(viewer: Viewer, task: Task, litres: int = 1) -> Run:
    return submission.submit(viewer, task, {"litres": litres}).run


def refusal(viewer: Viewer, task: Task, litres: int = 1) -> RefusalCode:
    with pytest.raises(Refused) as refused:
        start(viewer, task, litres)
    assert not Run.objects.exists()
    return refused.value.problems[0].code


def _join(user: User) -> None:
    Group.objects.create(name="buyers").user_set.add(user)


def _permit(user: User) -> None:
    user.user_permissions.add(Permission.objects.get(codename="view_worker"))


@pytest.mark.parametrize(
    ("rule", "grant"), [("group:buyers", _join), ("tasks.view_worker", _permit)]
)
def test_a_rule_lets_in_whom_it_names(
    viewer: Viewer,
    declare: Callable[..., Task],
    rule: str,
    grant: Callable[[User], None],
) -> None:
    task = declare(order_paint, permission=rule)
    assert refusal(viewer, task) == RefusalCode.FORBIDDEN
    grant(User.objects.get(pk=viewer.user_id))
    assert start(Viewer(viewer.user_id, viewer.scopes), task)


def test_staff_is_who_was_staff_when_signing_in(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    task = declare(order_paint, permission="staff")
    assert refusal(viewer, task) == RefusalCode.FORBIDDEN
    assert start(Viewer(viewer.user_id, viewer.scopes, is_staff=True), task)


def test_a_function_sees_the_viewer_and_the_checked_input(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    seen: list[Any] = []

    def rule(viewer: Viewer, given: Any) -> bool:
        seen.append(given)
        return small_order(viewer, given)

    task = declare(order_paint, permission=rule)
    assert refusal(viewer, task, 11) == RefusalCode.FORBIDDEN
    assert seen[0] is None
    assert isinstance(seen[1], BaseModel)
    assert start(viewer, task, 10).input == {"litres": 10}
    _join(User.objects.get(pk=viewer.user_id))
    assert start(Viewer(viewer.user_id, viewer.scopes), task, 11)


def test_an_admin_needs_no_rule(viewer: Viewer, declare: Callable[..., Task]) -> None:
    task = declare(order_paint, permission="group:nobody")
    assert start(Viewer(viewer.user_id, frozenset({ADMIN})), task)


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ({TASKS_START}, True),
        ({"tasks:start:order_paint"}, True),
        ({"tasks:start:count_words"}, False),
        (set(), False),
    ],
)
def test_the_token_must_have_the_scope_too(
    viewer: Viewer, declare: Callable[..., Task], scopes: set[str], may: bool
) -> None:
    task = declare(order_paint)
    scoped = Viewer(viewer.user_id, frozenset(scopes))
    if may:
        assert start(scoped, task)
    else:
        assert refusal(scoped, task) == RefusalCode.FORBIDDEN


async def later(viewer: Viewer, given: Any) -> bool:
    return False


def one_by_one(viewer: Viewer, given: Any) -> Any:
    yield False


@pytest.mark.parametrize(
    "rule",
    ["Staff", "group:", "buyers", "a.b.c", "", 1, ["staff"], True, later, one_by_one],
)
def test_what_is_no_rule_stops_the_start(declare: Callable[..., Task], rule: Any) -> None:
    with pytest.raises(DeclarationError, match="permission must be"):
        declare(order_paint, permission=rule)
