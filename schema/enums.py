"""The enums of the core types: each value with what it means."""

import graphene

from tasks.exceptions import RefusalCode
from tasks.status import Kind, Level, Outcome, Priority, Status

_STATUS = {
    Status.SCHEDULED: "Waits for its time: a delay or a retry.",
    Status.QUEUED: "Waits for a worker.",
    Status.RUNNING: "A worker performs it.",
    Status.CANCELING: "A worker performs it and has been asked to stop.",
    Status.SUCCEEDED: "Final: the result is there.",
    Status.FAILED: "Final: the error says why.",
    Status.CANCELED: "Final: it was stopped on request.",
    Status.EXPIRED: "Final: it did not start in time.",
    Status.LOST: "Final: its worker died, and whether the work was done cannot be known.",
}
_OUTCOME = {
    Outcome.SUCCEEDED: "The function returned.",
    Outcome.FAILED: "The function raised, or its result could not be kept.",
    Outcome.CANCELED: "It stopped on request.",
    Outcome.LOST: "Its worker gave no sign of life.",
    Outcome.RELEASED: "Its worker shut down and gave the run back.",
}
_REFUSAL = {
    RefusalCode.BAD_USER_INPUT: "A value breaks a constraint; `field` says which.",
    RefusalCode.NOT_FOUND: "There is nothing with this id that the viewer may see.",
    RefusalCode.FORBIDDEN: "The credential may not do this.",
    RefusalCode.IDEMPOTENCY_KEY_REUSED: "The key already started a run with another input.",
    RefusalCode.RUN_IS_FINAL: "The run is over.",
    RefusalCode.RUN_NOT_FINAL: "The run is not over.",
    RefusalCode.TASK_RETIRED: "The task is no longer declared.",
    RefusalCode.UPLOAD_INCOMPLETE: "The file's bytes have not been uploaded.",
    RefusalCode.UPLOAD_EXPIRED: "The upload came too late.",
    RefusalCode.UPLOAD_MISMATCH: "The bytes are not those that were promised.",
    RefusalCode.QUOTA_EXCEEDED: "A quota is used up.",
}

_KIND = {
    Kind.SCHEDULED: "It was asked for, and waits for its time.",
    Kind.QUEUED: "It waits for a worker.",
    Kind.STARTED: "A worker took it: an attempt began.",
    Kind.LOGGED: "Its task wrote a log line.",
    Kind.RETRIED: "An attempt failed or was lost; another one will follow.",
    Kind.RELEASED: "Its worker shut down and gave it back.",
    Kind.CANCEL_REQUESTED: "It was asked to stop.",
    Kind.SUCCEEDED: "The end: its result is there.",
    Kind.FAILED: "The end: its error says why.",
    Kind.CANCELED: "The end: it was stopped on request.",
    Kind.EXPIRED: "The end: it did not start in time.",
    Kind.LOST: "The end: its worker died, and the outcome cannot be known.",
}
_LEVEL = {
    Level.DEBUG: "For those who look for a fault.",
    Level.INFO: "What goes as it should.",
    Level.WARNING: "What may need a look.",
    Level.ERROR: "What went wrong.",
}
_PRIORITY = {
    Priority.LOW: "After the others.",
    Priority.NORMAL: "As most runs.",
    Priority.HIGH: "Before the others.",
}

RunStatus = graphene.Enum.from_enum(
    Status,
    name="RunStatus",
    description=lambda v: _STATUS[v] if v else "Where a run stands. An unknown one is not final.",
)
AttemptOutcome = graphene.Enum.from_enum(
    Outcome,
    name="AttemptOutcome",
    description=lambda v: _OUTCOME[v] if v else "How an attempt ended.",
)
ErrorCode = graphene.Enum.from_enum(
    RefusalCode,
    name="ErrorCode",
    description=lambda v: _REFUSAL[v] if v else "Why a mutation was refused.",
)
EventKind = graphene.Enum.from_enum(
    Kind,
    name="EventKind",
    description=lambda v: _KIND[v] if v else "What an event tells. More may come.",
)
LogLevel = graphene.Enum.from_enum(
    Level,
    name="LogLevel",
    description=lambda v: _LEVEL[v] if v else "How serious a log line is, the least first.",
)
RunPriority = graphene.Enum.from_enum(
    Priority,
    name="Priority",
    description=lambda v: "Which of two waiting runs goes first." if v is None else _PRIORITY[v],
)
