"""Hostile values in good documents: ids, pages, filters, inputs, options, files."""

import base64
from typing import Any

from tests.hostile.table import HTTP, WEBSOCKET, Case, Operation, executed, invalid

NODE = "query($id: ID!) { node(id: $id) { id } }"
RUN = "query($id: ID!) { run(id: $id) { id } }"
CANCEL = "mutation($id: ID!) { cancelRun(id: $id) { run { id } errors { code } } }"
RERUN = "mutation($id: ID!) { rerun(id: $id) { run { id } errors { code } } }"
DELETE_RUN = "mutation($id: ID!) { deleteRun(id: $id) { deletedId errors { code } } }"
DELETE_FILE = "mutation($id: ID!) { deleteFile(id: $id) { deletedId errors { code } } }"
RUNS = """query($first: Int, $after: String, $last: Int, $before: String, $filter: RunFilter) {
  runs(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    nodes { id } } }"""
ATTEMPTS = 'query($last: Int!) { run(id: "<my run>") { attempts(last: $last) { number } } }'
COUNT = """mutation($input: CountWordsInput!, $options: RunOptions, $wait: Float) {
  countWords(input: $input, options: $options, waitSeconds: $wait) {
    run { id } errors { code field } } }"""
PROFILE = """mutation($input: ProfileDatasetInput!) {
  profileDataset(input: $input) { run { id } errors { code field } } }"""
UPLOAD = """mutation($input: CreateUploadInput!) {
  createUpload(input: $input) { upload { id } errors { code field } } }"""
CANCEL_MANY = """mutation($filter: RunFilter!) {
  cancelRuns(filter: $filter) { items { run { id } } errors { code field } } }"""
CREATE_TOKEN = """mutation($input: CreateApiTokenInput!) {
  createApiToken(input: $input) { token errors { code field } } }"""
REVOKE = "mutation($id: ID!) { revokeApiToken(id: $id) { apiToken { id } errors { code } } }"
WATCH_TOKEN = """mutation($id: ID!, $seconds: Int) {
  createWatchToken(id: $id, seconds: $seconds) { token errors { code field } } }"""
UNKNOWN = "01900000-0000-7000-8000-000000000000"


def _id(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


NOTHING = {
    "no base64": "%%%",
    "an empty id": "",
    "base64 of no text": base64.b64encode(b"\xff\xfe").decode(),
    "a type alone": _id("Run"),
    "an id without a key": _id("Run:"),
    "a NUL in an id": _id(f"Run:{UNKNOWN}\0"),
    "an id of 60,000 characters": _id("Run:" + "0" * 45_000),
    "a path as a key": _id("Run:../../etc/passwd"),
    "SQL as a key": _id("Run:' OR 1=1 --"),
    "a key in capital letters": _id(f"Run:{UNKNOWN}".replace("0", "A")),
    "a key in braces": _id(f"Run:{{{UNKNOWN}}}"),
    "a key beyond ASCII": _id(f"Run:\u0660{UNKNOWN[1:]}"),
    "a type beyond the schema": _id(f"Worker:{UNKNOWN}"),
    "a type of Django's": _id("Session:1"),
    "an unknown run": _id(f"Run:{UNKNOWN}"),
    "an unknown task": _id("Task:a\0b"),
    "an attempt 0": _id(f"Attempt:{UNKNOWN}:0"),
    "an attempt beyond any column": _id(f"Attempt:{UNKNOWN}:{2**70}"),
    "an attempt in other digits": _id(f"Attempt:{UNKNOWN}:\u0661"),
    "another's run": "<other run>",
    "another's file": "<other file>",
    "another's attempt": "<other attempt>",
    "another's event": "<other event>",
    "another user": "<other user>",
    "another's token": "<other token>",
}
NO_RUN = {
    "another's run": "<other run>",
    "an unknown run": _id(f"Run:{UNKNOWN}"),
    "a file": "<my file>",
    "a text": "' OR 1=1 --",
}
NO_FILE = {
    "another's file": "<other file>",
    "an unknown file": _id(f"File:{UNKNOWN}"),
    "a run": "<my run>",
    "a text": "../../etc/passwd",
}
NO_ID: dict[str, Any] = {
    "null": None,
    "a truth": True,
    "a fraction": 1.5,
    "a list": ["<my run>"],
    "an object": {"id": "<my run>"},
}
NO_PAGE: dict[str, dict[str, Any]] = {
    "a page of -1": {"first": -1},
    "a page of 101": {"first": 101},
    "a last page of -1": {"last": -1},
    "first and last": {"first": 1, "last": 1},
    "first and last of nothing": {"first": 0, "last": 0},
    "a cursor that is none": {"after": "x"},
    "an empty cursor": {"after": ""},
    "a cursor of another list": {"after": "<event cursor>"},
    "a cursor beyond ASCII": {"before": "ä"},
    "a cursor of 60,000 characters": {"before": "a" * 60_000},
    "a cursor with SQL": {"after": base64.b64encode(b"runs:' OR 1=1 --").decode()},
    "a filter of 101 tasks": {"filter": {"tasks": [f"a{n}" for n in range(101)]}},
    "a filter of 10,000 tasks": {"filter": {"tasks": ["a"] * 10_000}},
    "a filter of 21 tags": {"filter": {"tags": [str(n) for n in range(21)]}},
}
NO_VALUES: dict[str, dict[str, Any]] = {
    "a page beyond Int": {"first": 2**31},
    "a page of 1.5": {"first": 1.5},
    "a page as a text": {"first": "1"},
    "a page as a truth": {"first": True},
    "a cursor as a number": {"after": 1},
    "a filter that is a list of nothing": {"filter": [None]},
    "a filter of an unknown field": {"filter": {"owner": "<other user>"}},
    "a filter with __proto__": {"filter": {"__proto__": {"isFinal": True}}},
    "a filter of an unknown status": {"filter": {"statuses": ["DONE"]}},
    "a filter of a status as a number": {"filter": {"statuses": [1]}},
    "7,000 wrong statuses": {"filter": {"statuses": ["DONE"] * 7_000}},
    "a task that is null": {"filter": {"tasks": [None]}},
    "a time without an offset": {"filter": {"createdFrom": "2026-01-01T00:00:00"}},
    "a time of hour 25": {"filter": {"createdFrom": "2026-01-01T25:00:00Z"}},
    "a time before the year 1": {"filter": {"createdFrom": "0001-01-01T00:00:00+23:59"}},
    "a time after the year 9999": {"filter": {"createdBefore": "9999-12-31T23:59:59-23:59"}},
    "a time with 60,000 digits": {"filter": {"createdFrom": "2026-01-01T00:00:00."
                                             + "1" * 60_000 + "x"}},
    "a time as a number": {"filter": {"createdFrom": 0}},
}  # fmt: skip
BAD_INPUTS: dict[str, dict[str, Any]] = {
    "a NUL in a text": {"text": "a\0b"},
    "a number below its least": {"text": "a", "minimum": 0},
    "a number below all": {"text": "a", "minimum": -(2**31)},
}
WRONG_INPUTS: dict[str, Any] = {
    "an input of nothing": {},
    "an input that is null": None,
    "an input that is a text": "text",
    "an input that is a list": [{"text": 1}],
    "a text that is null": {"text": None},
    "a text that is a truth": {"text": True},
    "a text that is a number": {"text": 1},
    "a text that is an object": {"text": {"$ne": ""}},
    "a text that is a list": {"text": ["a", "b"]},
    "a number that is a text": {"text": "a", "minimum": "1"},
    "a number that is a truth": {"text": "a", "minimum": True},
    "a fraction for a number": {"text": "a", "minimum": 1.5},
    "a number beyond Int": {"text": "a", "minimum": 2**31},
    "a number of 4,000 digits": {"text": "a", "minimum": 10**3_999},
    "an input with one key too many": {"text": "a", "isAdmin": True},
    "an input with 5,000 keys too many": {"text": "a", **{f"k{n}": 1 for n in range(5_000)}},
    "an input with a key of Python's": {"text": "a", "__class__": "x"},
}
BAD_OPTIONS: dict[str, dict[str, Any]] = {
    "21 tags": {"tags": [str(n) for n in range(21)]},
    "a tag twice": {"tags": ["a", "a"]},
    "a tag of 51 characters": {"tags": ["a" * 51]},
    "an empty tag": {"tags": [""]},
    "a NUL in a tag": {"tags": ["a\0"]},
    "10,000 tags": {"tags": ["a"] * 10_000},
    "a key of 201 characters": {"idempotencyKey": "a" * 201},
    "an empty key": {"idempotencyKey": ""},
    "a NUL in a key": {"idempotencyKey": "\0"},
    "a start in the year 9999": {"runAt": "9999-12-31T00:00:00Z"},
    "an end that has passed": {"expiresAt": "2000-01-01T00:00:00Z"},
    "an end in the year 9999": {"expiresAt": "9999-12-31T00:00:00Z"},
    "an end before the start": {"runAt": "<in a month>", "expiresAt": "<in a week>"},
}
WRONG_OPTIONS: dict[str, Any] = {
    "tags as a text with a null": {"tags": [None]},
    "a tag that is a number": {"tags": [1]},
    "a key that is a number": {"idempotencyKey": 1},
    "a priority that is a number": {"priority": 99},
    "an unknown priority": {"priority": "URGENT"},
    "a start without an offset": {"runAt": "2026-01-01T00:00:00"},
    "a start on 31 February": {"runAt": "2026-02-31T00:00:00Z"},
    "an option of the row": {"owner": "<other user>"},
}
FILE = {"name": "a.csv", "size": 4, "contentType": "text/csv"}
BAD_FILES: dict[str, dict[str, Any]] = {
    "a file of -1 bytes": {"size": -1},
    "a file that is too large": {"size": 2**40},
    "a file in another folder": {"name": "../../etc/passwd"},
    "a file in a folder of Windows": {"name": "..\\boot.ini"},
    "a file without a name": {"name": ""},
    "a file called ..": {"name": ".."},
    "a file name with a line break": {"name": "a\r\nSet-Cookie: b=c"},
    "a file name with a NUL": {"name": "a\0.csv"},
    "a file name that turns around": {"name": "a\u202egpj.exe"},
    "a file name of 256 characters": {"name": "a" * 256},
    "a media type with a line break": {"contentType": "text/csv\r\nX-A: b"},
    "a media type that is none": {"contentType": "a"},
    "a digest that is none": {"sha256": "x" * 64},
}
WRONG_FILES: dict[str, dict[str, Any]] = {
    "a size beyond BigInt": {"size": 2**53},
    "a size that is a fraction": {"size": 4.5},
    "a size that is a text": {"size": "4"},
    "a name that is a list": {"name": ["a.csv"]},
}
BAD_TOKENS: dict[str, dict[str, Any]] = {
    "a token of no scope": {"scopes": []},
    "a token of 51 scopes": {"scopes": ["runs:read"] * 51},
    "a token of an unknown scope": {"scopes": ["runs:*"]},
    "a token of a task that is none": {"scopes": ["tasks:start:nothing"]},
    "a token of a scope with a NUL": {"scopes": ["runs:read\0"]},
    "a token with a name of 101 characters": {"name": "a" * 101},
    "a token with a name with a NUL": {"name": "\0"},
    "a token that has expired": {"expiresAt": "2000-01-01T00:00:00Z"},
}
TOO_MIGHTY = {"a token for everything": "admin", "a token for other users": "users:act-as"}
NO_WATCH = {
    "a watch of 0 seconds": 0,
    "a watch of -1 second": -1,
    "a watch of more than a day": 86_401,
    "a watch of 68 years": 2**31 - 1,
}
REFUSED = "BAD_USER_INPUT in payload"
WRONG = invalid("BAD_USER_INPUT")
FAILED = executed("BAD_USER_INPUT")


def _each(query: str, expected: Any, values: dict[str, Any], name: str = "id") -> dict[str, Case]:
    return {each: Operation(query, expected, {name: value}) for each, value in values.items()}


def _for(purpose: str, cases: dict[str, Case]) -> dict[str, Case]:
    return {f"{purpose} {name}": case for name, case in cases.items()}


CASES: dict[str, Case] = {
    **_for("node:", _each(NODE, executed("null"), NOTHING)),
    **_for("run:", _each(RUN, executed("null"), NO_RUN)),
    **_for("run:", _each(RUN, WRONG, NO_ID)),
    **_for("cancel:", _each(CANCEL, executed("NOT_FOUND in payload"), NO_RUN)),
    **_for("rerun:", _each(RERUN, executed("NOT_FOUND in payload"), NO_RUN)),
    **_for("deleteRun:", _each(DELETE_RUN, executed("NOT_FOUND in payload"), NO_RUN)),
    **_for("deleteFile:", _each(DELETE_FILE, executed("NOT_FOUND in payload"), NO_FILE)),
    **_for(
        "revoke:",
        _each(
            REVOKE,
            executed("NOT_FOUND in payload"),
            {
                **NO_RUN,
                "another's token": "<other token>",
            },
        ),
    ),
    **_for("watch token:", _each(WATCH_TOKEN, executed("NOT_FOUND in payload"), NO_RUN)),
    **{
        name: Operation(WATCH_TOKEN, executed(REFUSED), {"id": "<my run>", "seconds": seconds})
        for name, seconds in NO_WATCH.items()
    },
    **{
        name: Operation(
            CREATE_TOKEN, executed(REFUSED), {"input": {"scopes": ["runs:read"]} | given}
        )
        for name, given in BAD_TOKENS.items()
    },
    **{
        name: Operation(
            CREATE_TOKEN, executed("FORBIDDEN in payload"), {"input": {"scopes": [scope]}}
        )
        for name, scope in TOO_MIGHTY.items()
    },
    "a token by a token that may only read": Operation(
        CREATE_TOKEN,
        executed("FORBIDDEN in payload"),
        {"input": {"scopes": ["runs:read"]}},
        token="<reader>",
    ),
    "a cancel by a watch token": Operation(
        CANCEL, executed("FORBIDDEN in payload"), {"id": "<my run>"}, token="<watch>"
    ),
    "a start by a watch token": Operation(
        COUNT, executed("FORBIDDEN in payload"), {"input": {"text": "a"}}, token="<watch>"
    ),
    "a watch token by a watch token": Operation(
        WATCH_TOKEN, executed("FORBIDDEN in payload"), {"id": "<my run>"}, token="<watch>"
    ),
    "deleteMyData by a watch token": Operation(
        "mutation { deleteMyData { errors { code } } }",
        executed("FORBIDDEN in payload"),
        token="<watch>",
    ),
    "another run by a watch token": Operation(
        RUN, executed("null"), {"id": "<other run>"}, token="<watch>"
    ),
    "all runs by a watch token": Operation(
        "subscription { runChanged { id } }",
        {**executed("null"), HTTP: "400 BAD_REQUEST"},
        token="<watch>",
    ),
    **{name: Operation(RUNS, FAILED, page) for name, page in NO_PAGE.items()},
    **{name: Operation(RUNS, WRONG, values) for name, values in NO_VALUES.items()},
    "attempts: -1": Operation(ATTEMPTS, FAILED, {"last": -1}),
    "attempts: 101": Operation(ATTEMPTS, FAILED, {"last": 101}),
    **_each(COUNT, executed(REFUSED), BAD_INPUTS, "input"),
    **_each(COUNT, WRONG, WRONG_INPUTS, "input"),
    **{
        name: Operation(COUNT, executed(REFUSED), {"input": {"text": "a"}, "options": options})
        for name, options in BAD_OPTIONS.items()
    },
    **{
        name: Operation(COUNT, WRONG, {"input": {"text": "a"}, "options": options})
        for name, options in WRONG_OPTIONS.items()
    },
    "a key of another input": Operation(
        COUNT,
        executed("IDEMPOTENCY_KEY_REUSED in payload"),
        {"input": {"text": "other"}, "options": {"idempotencyKey": "<key>"}},
    ),
    "a wait of -1 second": Operation(COUNT, FAILED, {"input": {"text": "a"}, "wait": -1}),
    "a wait of 26 seconds": Operation(COUNT, FAILED, {"input": {"text": "a"}, "wait": 26}),
    "a wait as a text": Operation(COUNT, WRONG, {"input": {"text": "a"}, "wait": "1"}),
    "variables of 4,000 unknown names": Operation(
        'mutation { deleteRun(id: "1") { errors { code } } }',
        executed("NOT_FOUND in payload"),
        {f"a{n}": n for n in range(4_000)},
    ),
    "a literal beyond Int": Operation(
        'mutation { countWords(input: {text: "", minimum: 9999999999}) { replayed } }', invalid()
    ),
    "a literal of 1,000 digits": Operation(
        f"{{ runs(first: {'9' * 1_000}) {{ nodes {{ id }} }} }}", invalid()
    ),
    "a literal 1e999": Operation(
        'mutation { countWords(input: {text: "a"}, waitSeconds: 1e999) { replayed } }', FAILED
    ),
    "a text that is too long, even for a socket": Operation(
        COUNT,
        {**executed(REFUSED), WEBSOCKET: "closed 1009"},
        {"input": {"text": "x" * 100_001}},
    ),
    **{
        name: Operation(PROFILE, executed(answer), {"input": given})
        for name, answer, given in (
            ("a task with another's file", "NOT_FOUND in payload", {"file": "<other file>"}),
            ("a task with a run for a file", "NOT_FOUND in payload", {"file": "<my run>"}),
            ("a task with a path for a file", "NOT_FOUND in payload", {"file": "/etc/passwd"}),
            ("a task with a promised file", "UPLOAD_INCOMPLETE in payload", {"file": "<promised>"}),
            ("bins of 2,147,483,647", REFUSED, {"file": "<my file>", "bins": 2**31 - 1}),
            ("10,000 missing words", REFUSED, {"file": "<my file>", "missingWords": ["a"] * 9_999}),
        )
    },
    "a missing word that is a number": Operation(
        PROFILE, WRONG, {"input": {"file": "<my file>", "missingWords": [1]}}
    ),
    "a format that is none": Operation(
        PROFILE, WRONG, {"input": {"file": "<my file>", "format": "EXE"}}
    ),
    **{
        name: Operation(UPLOAD, executed(REFUSED), {"input": {**FILE, **given}})
        for name, given in BAD_FILES.items()
    },
    **{
        name: Operation(UPLOAD, WRONG, {"input": {**FILE, **given}})
        for name, given in WRONG_FILES.items()
    },
    "a filter of 101 tasks to cancel": Operation(
        CANCEL_MANY, executed(REFUSED), {"filter": {"tasks": [f"a{n}" for n in range(101)]}}
    ),
    "a filter of another's tags to cancel": Operation(
        CANCEL_MANY, executed("data"), {"filter": {"tags": ["<other tag>"]}}
    ),
    "a start by a token that may only read": Operation(
        COUNT, executed("FORBIDDEN in payload"), {"input": {"text": "a"}}, token="<reader>"
    ),
    "a cancel by a token that may only start": Operation(
        CANCEL, executed("FORBIDDEN in payload"), {"id": "<my run>"}, token="<starter>"
    ),
    "a run by a token that may only start": Operation(
        RUN, executed("null"), {"id": "<my run>"}, token="<starter>"
    ),
    **{
        name: Operation(
            "{ viewer { id } }",
            {**dict.fromkeys(executed(""), "401 UNAUTHENTICATED"), WEBSOCKET: "closed 4403"},
            token=token,
        )
        for name, token in (
            ("an unknown token", "dbt_" + "a" * 43),
            ("a revoked token", "<revoked>"),
            ("the token of a retired user", "<retired>"),
            ("a shortened token", "<token cut>"),
            ("an endless token", "a" * 10_000),
            ("a shortened watch token", "<watch cut>"),
            ("a watch token that has expired", "<old watch>"),
            ("a watch token of nothing", "dbw_W10:1xW2BR:a"),
            ("a JWT for a token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."),
        )
    },
}
