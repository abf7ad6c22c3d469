"""What an author may say of a task beside its function, checked where it is declared."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Required, Self, TypedDict

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from tasks.exceptions import DeclarationError
from tasks.permission import Rule, is_rule
from tasks.status import FINAL, Effects, OnLost, Status

DEFAULT_QUEUE = "default"
MONTH = 31 * 86_400
_HELP = {
    "on_lost": "say what happens when its worker dies: on_lost='rerun' (safe to perform again) or "
    "on_lost='park' (set aside as LOST).",
    "effects": "effects must be 'gated' (it touches the world only inside ctx.effect and "
    "ctx.once) or 'free' (anywhere).",
    "retries": "retries must be a whole number from 0 to 100.",
    "retry_on": "retry_on must be a tuple of exception classes, such as (ConnectionError,).",
    "queue": "queue must be a name of at most 50 small letters, digits, - and _.",
    "permission": "permission must be 'staff', 'group:NAME', a Django permission such as "
    "'app.change_thing', or a function of the viewer and the input.",
    "retention_days": "retention_days must be whole days (0: for ever), for all final statuses or "
    f"by status: {', '.join(sorted(FINAL))}.",
}

Days = Annotated[int, Field(ge=0, le=36_500, strict=True)]
Seconds = Annotated[float, Field(ge=0.1, le=MONTH, strict=True)]


def _rule(rule: Rule) -> Rule:
    if not is_rule(rule):
        raise ValueError("no rule")
    return rule


class GivenOptions(TypedDict, total=False):
    """The options as an author writes them."""

    on_lost: Required[Literal["rerun", "park"]]
    retries: int
    retry_on: tuple[type[Exception], ...]
    backoff: float
    effects: Literal["gated", "free"]
    unique: bool
    soft_time_limit: float | None
    time_limit: float | None
    queue: str
    max_running: int | None
    retention_days: int | Mapping[str, int] | None
    permission: Rule


class Options(BaseModel):
    """The options of one task; `tasks.registry.task` tells their meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on_lost: OnLost
    retries: int = Field(2, ge=0, le=100, strict=True)
    retry_on: tuple[type[Exception], ...] = (Exception,)
    backoff: float = Field(2.0, ge=0, le=3_600, strict=True)
    effects: Effects = Effects.FREE
    unique: bool = Field(False, strict=True)
    soft_time_limit: Seconds | None = None
    time_limit: Seconds | None = None
    queue: str = Field(DEFAULT_QUEUE, pattern=r"^[a-z0-9]([a-z0-9_-]{0,48}[a-z0-9])?$")
    max_running: int | None = Field(None, ge=1, strict=True)
    retention_days: Days | dict[Status, Days] | None = None
    permission: Annotated[Rule, PlainValidator(_rule)] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.soft_time_limit and self.time_limit and self.soft_time_limit >= self.time_limit:
            raise ValueError("soft_time_limit must be less than time_limit.")
        if isinstance(self.retention_days, dict) and not set(self.retention_days) <= FINAL:
            raise ValueError(_HELP["retention_days"])
        return self

    @property
    def max_failures(self) -> int:
        """How many failed or lost attempts end a run for good."""
        return self.retries + 1

    @property
    def is_gated(self) -> bool:
        return self.effects is Effects.GATED


def read_options(given: dict[str, Any]) -> Options:
    """The options, or DeclarationError with one plain sentence that says what to change."""
    try:
        return Options(**given)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        name = str(mistake["loc"][0]) if mistake["loc"] else ""
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            message = f"there is no option {name!r}: use {', '.join(Options.model_fields)}."
        elif name:
            message = _HELP.get(name, f"{name}: {message}.")
        raise DeclarationError(message) from None
