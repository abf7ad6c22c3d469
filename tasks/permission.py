"""Who may start a task: the rule that its declaration names."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from accounts.viewer import Viewer

STAFF = "staff"
GROUP = "group:"
_NAMED = re.compile(r"staff|group:.{1,150}|[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*")

# What these return is no answer yet, but true as every object is: everybody would be let in.
_LATE = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)

Rule = str | Callable[[Viewer, Any], bool] | None
"""`"staff"`, `"group:NAME"`, a Django permission such as `"reports.publish_report"`, or a function
of the viewer and the checked input, which is None where any input is asked about. None: everybody.
"""


def is_rule(rule: object) -> bool:
    """Whether a declaration may say so."""
    if isinstance(rule, str):
        return _NAMED.fullmatch(rule) is not None
    return rule is None or (callable(rule) and not any(is_late(rule) for is_late in _LATE))


def allows(rule: Rule, viewer: Viewer, given: Any) -> bool:
    """Whether the viewer may start the task with this input; None: with any input at all."""
    if rule is None or viewer.is_admin:
        return True
    if callable(rule):
        return bool(rule(viewer, given))
    if rule == STAFF:
        return viewer.is_staff
    if rule.startswith(GROUP):
        return rule.removeprefix(GROUP) in viewer.groups
    return viewer.has_permission(rule)
