"""The verbs of a run as SQL, the same for SQLite and PostgreSQL.

A verb changes rows of `tasks_run` in ONE conditional statement; what goes with the change (attempt,
event) reads the changed rows as `u`. The words in braces are explained in tasks.sql.
"""

from tasks.rows import LIGHT
from tasks.sql import Verb

_EVENT = "INSERT INTO tasks_event (run_id, number, at, kind, attempt, message) SELECT "
_HELD = "id = %(id)s AND status = 'RUNNING' AND attempt = %(attempt)s AND token = %(token)s"
_NO_SIGN = (
    "status = 'RUNNING' AND NOT lease_until BETWEEN {now} AND {after}1.5 * %(lease)s{seconds}"
)
_WAITS = "status IN ('SCHEDULED', 'QUEUED')"
# In the very words of the index run_due, for SQLite infers nothing.
_OF_RUN_DUE = "status IN ('QUEUED', 'SCHEDULED')"
_IS_DUE = f"{_OF_RUN_DUE} AND priority IN (0, 1, 2) AND ring_at <= {{now}}"
_HAS_EXPIRED = "attempt = 0 AND expires_at <= {now}"

# An effect that was begun and is not known to be done: nobody knows whether it happened.
_IS_UNSURE = (
    "EXISTS (SELECT 1 FROM tasks_effect WHERE tasks_effect.run_id = tasks_run.id"
    " AND tasks_effect.done_at IS NULL)"
)
# Whether the work of an attempt that was cut off may be done again.
_MAY_REPEAT = f"(on_lost = 'rerun' OR (is_gated AND NOT {_IS_UNSURE}))"

_FINALS = "('SUCCEEDED', 'FAILED', 'CANCELED', 'EXPIRED', 'LOST')"
_END_ATTEMPT = """UPDATE tasks_attempt SET finished_at = {now}, outcome = %(outcome)s,
        error = %(error)s
    FROM u WHERE tasks_attempt.run_id = u.id AND tasks_attempt.number = u.attempt"""

# How many runs of the owner wait, counted no further than `most`.
_WAITING = f"""(SELECT COUNT(*) FROM (SELECT 1 FROM tasks_run
        WHERE owner_id = %(owner_id)s AND {_WAITS} LIMIT %(most)s) waiting)"""

# Whether the owner has as many waiting runs as may be: 1 or 0.
IS_FULL = f"SELECT CASE WHEN {_WAITING} < %(most)s THEN 0 ELSE 1 END"

# `runs` is a JSON list of those asked for, see tasks.sql; which of them were made, the answer says.
SUBMIT = Verb(
    f"""INSERT INTO tasks_run (id, owner_id, task, input, input_hash, idempotency_key, on_lost,
        max_failures, is_gated, is_unique, priority, tags, run_at, expires_at, rerun_of,
        status, revision, attempt, failures, rings, ring_at, created_at)
    SELECT id, %(owner_id)s, task, input, input_hash, idempotency_key, on_lost,
        max_failures, is_gated, is_unique, priority, tags, run_at, expires_at, rerun_of,
        CASE WHEN run_at > {{now}} THEN 'SCHEDULED' ELSE 'QUEUED' END, 1, 0, 0, 0,
        {{least}}(CASE WHEN run_at > {{now}} THEN run_at ELSE {{after}}%(ring)s{{seconds}} END,
            COALESCE(expires_at, {{never}})),
        {{now}}
    FROM {{asked}} WHERE {_WAITING} + place < %(most)s
    ON CONFLICT DO NOTHING""",
    (_EVENT + "id, revision, {now}, status, NULL, '' FROM u",),
    # `ahead`: how many as urgent of the same task waited before, counted no further than `enough`.
    returning=f"""{", ".join(LIGHT)}, (SELECT COUNT(*) FROM (SELECT 1 FROM tasks_run other
        WHERE other.status = 'QUEUED' AND other.task = tasks_run.task
            AND other.priority >= tasks_run.priority AND other.created_at < tasks_run.created_at
        LIMIT %(enough)s) waiting) AS ahead""",
)

# Params: `limit` (None: no limit) is how many runs of the task may be RUNNING at once.
_MAY_START = (
    "status = 'QUEUED' AND NOT COALESCE("
    + _HAS_EXPIRED
    + """, FALSE) AND (%(limit)s IS NULL OR (SELECT COUNT(*) FROM tasks_run other
        WHERE other.task = tasks_run.task AND other.status = 'RUNNING') < %(limit)s)"""
)


def _claim(which: str) -> Verb:
    return Verb(
        f"""UPDATE tasks_run SET status = 'RUNNING', attempt = attempt + 1, token = %(token)s,
        lease_until = {{after}}%(lease)s{{seconds}}, ring_at = NULL, revision = revision + 1,
        started_at = COALESCE(started_at, {{now}}),
        progress_done = NULL, progress_total = NULL, progress_message = NULL
    WHERE id {which} AND {_MAY_START}""",
        (
            """INSERT INTO tasks_attempt (run_id, number, token, worker, started_at)
        SELECT id, attempt, %(token)s, %(worker)s, {now} FROM u""",
            _EVENT + "id, revision, {now}, 'STARTED', attempt, %(worker)s FROM u",
        ),
        # `has_next`: whether others of the task wait.
        returning="""id, owner_id, task, status, revision, attempt, failures, token, input,
            EXISTS (SELECT 1 FROM tasks_run other WHERE other.status = 'QUEUED'
                AND other.task = tasks_run.task AND other.id <> tasks_run.id) AS has_next""",
    )


CLAIM = _claim("= %(id)s")

# For a knock whose own run is gone: a backlog is knocked for again and again, and so the knocks too
# many do the waiting work instead of standing before it.
CLAIM_NEXT = _claim(
    "{among}SELECT id FROM tasks_run WHERE status = 'QUEUED' AND task = %(task)s"
    f" AND NOT COALESCE({_HAS_EXPIRED}, FALSE)"
    " ORDER BY priority DESC, id LIMIT 1 {skip_locked}{end}"
)

HEARTBEAT = Verb(
    """UPDATE tasks_run SET lease_until = {after}%(lease)s{seconds},
        revision = revision + CASE WHEN progress_done {differs} %(progress_done)s
            OR progress_total {differs} %(progress_total)s
            OR progress_message {differs} %(progress_message)s THEN 1 ELSE 0 END,
        progress_done = %(progress_done)s, progress_total = %(progress_total)s,
        progress_message = %(progress_message)s
    WHERE """
    + _HELD,
    returning="id, owner_id, revision, cancel_requested_at",
)

# Several log lines at once, the oldest first; each takes a revision for its number.
LOG = Verb(
    "UPDATE tasks_run SET revision = revision + %(count)s WHERE " + _HELD,
    (
        """INSERT INTO tasks_event (run_id, number, at, kind, level, attempt, message)
        SELECT u.id, u.revision - %(count)s + line.place, {now}, 'LOGGED',
            CAST({part}'level'{part_end} AS INTEGER), u.attempt, {part}'message'{part_end}
        FROM u CROSS JOIN {lines}""",
    ),
    returning="id, owner_id, revision, attempt",
)


# How far it came, in the last words of an attempt that reported anything.
_PROGRESS = ", ".join(
    f"progress_{part} = CASE WHEN %(progress)s THEN %(progress_{part})s ELSE progress_{part} END"
    for part in ("done", "total", "message")
)
_ENDED = "id, owner_id, task, status, revision, attempt"

# The run is over, with the final `status` that its worker asks for.
FINISH = Verb(
    f"""UPDATE tasks_run SET status = %(status)s, lease_until = NULL, rings = 0,
        revision = revision + 1,
        failures = failures + CASE WHEN %(status)s = 'FAILED' THEN 1 ELSE 0 END,
        result = %(result)s, error = %(error)s{{json}}, finished_at = {{now}}, {_PROGRESS}
    WHERE {_HELD}""",
    (
        _END_ATTEMPT,
        _EVENT + "id, revision, {now}, status, attempt, %(message)s FROM u",
    ),
    returning=_ENDED,
)


def _hand_back() -> Verb:
    """Another attempt: after a `delay` (`status` is SCHEDULED), or released at once (QUEUED).

    The row may know better, and the answer says so.
    """
    becomes = f"""(CASE
        WHEN cancel_requested_at IS NOT NULL THEN 'CANCELED'
        WHEN %(status)s = 'SCHEDULED' AND (failures + 1 >= max_failures
            OR (on_lost = 'park' AND {_IS_UNSURE})
            OR (%(cut_off)s AND NOT {_MAY_REPEAT})) THEN 'FAILED'
        WHEN %(status)s = 'QUEUED' AND NOT {_MAY_REPEAT} THEN 'LOST'
        ELSE %(status)s END)"""
    return Verb(
        f"""UPDATE tasks_run SET status = {becomes}, lease_until = NULL, rings = 0,
        revision = revision + 1,
        failures = failures + CASE WHEN %(status)s = 'SCHEDULED' THEN 1 ELSE 0 END,
        ring_at = CASE {becomes} WHEN 'SCHEDULED' THEN {{after}}%(delay)s{{seconds}}
            WHEN 'QUEUED' THEN {{now}} END,
        may_have_repeated = (may_have_repeated OR (%(cut_off)s AND NOT is_gated
            AND {becomes} IN ('QUEUED', 'SCHEDULED'))),
        error = CASE WHEN {becomes} IN ('FAILED', 'LOST') THEN %(error)s{{json}} END,
        finished_at = CASE WHEN {becomes} IN {_FINALS} THEN {{now}} END, {_PROGRESS}
    WHERE {_HELD}""",
        (
            _END_ATTEMPT,
            _EVENT
            + """id, revision, {now}, CASE status WHEN 'SCHEDULED' THEN 'RETRIED'
                WHEN 'QUEUED' THEN 'RELEASED' ELSE status END, attempt, %(message)s FROM u""",
        ),
        returning=_ENDED,
    )


HAND_BACK = _hand_back()


def _lose(which: str) -> Verb:
    """Take runs away from workers that are gone: again if that is allowed and budget is left."""
    becomes = f"""(CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELED'
        WHEN failures + 1 >= max_failures OR NOT {_MAY_REPEAT} THEN 'LOST'
        ELSE 'SCHEDULED' END)"""
    return Verb(
        f"""UPDATE tasks_run SET status = {becomes}, lease_until = NULL, rings = 0,
        revision = revision + 1, failures = failures + 1,
        ring_at = CASE WHEN {becomes} = 'SCHEDULED' THEN {{now}} END,
        may_have_repeated = (may_have_repeated OR ({becomes} = 'SCHEDULED' AND NOT is_gated)),
        error = CASE WHEN {becomes} = 'LOST' THEN %(error)s{{json}} END,
        finished_at = CASE WHEN {becomes} <> 'SCHEDULED' THEN {{now}} END
    WHERE {which}""",
        (
            _END_ATTEMPT,
            _EVENT
            + """id, revision, {now}, CASE status WHEN 'SCHEDULED' THEN 'RETRIED' ELSE status END,
            attempt, %(message)s FROM u""",
        ),
        returning=_ENDED,
    )


RECOVER = _lose(
    f"id {{among}}SELECT id FROM tasks_run WHERE {_NO_SIGN} ORDER BY id LIMIT %(batch)s"
    f" {{skip_locked}}{{end}} AND {_NO_SIGN}"
)

# The same for the one run of a worker process that is known to be dead.
LOSE = _lose(_HELD)

# `ids` is a JSON list; `owner_id` must match as well, unless it is None. A waiting run is over at
# once, a running one is asked.
CANCEL = Verb(
    f"""UPDATE tasks_run SET cancel_requested_at = {{now}}, revision = revision + 1,
        status = CASE WHEN {_WAITS} THEN 'CANCELED' ELSE status END,
        ring_at = CASE WHEN {_WAITS} THEN NULL ELSE ring_at END,
        finished_at = CASE WHEN {_WAITS} THEN {{now}} END
    WHERE id {{among}}SELECT id FROM tasks_run WHERE id {{in}}%(ids)s{{in_end}}
        AND (%(owner_id)s{{key}} IS NULL OR owner_id = %(owner_id)s{{key}})
        ORDER BY id {{locked}}{{end}}
        AND status IN ('SCHEDULED', 'QUEUED', 'RUNNING') AND cancel_requested_at IS NULL""",
    (
        _EVENT
        + """id, revision, {now}, CASE status WHEN 'CANCELED' THEN 'CANCELED'
        ELSE 'CANCEL_REQUESTED' END, CASE status WHEN 'RUNNING' THEN attempt END, '' FROM u""",
    ),
    returning=_ENDED,
)

EXPIRE = Verb(
    f"""UPDATE tasks_run SET status = 'EXPIRED', ring_at = NULL, finished_at = {{now}},
        revision = revision + 1
    WHERE id {{among}}SELECT id FROM tasks_run WHERE {_IS_DUE} AND {_HAS_EXPIRED}
        LIMIT %(batch)s {{skip_locked}}{{end}} AND {_WAITS} AND {_HAS_EXPIRED}""",
    (_EVENT + "id, revision, {now}, 'EXPIRED', NULL, 'It did not start in time.' FROM u",),
    returning="id, owner_id, revision",
)

START_DUE = Verb(
    f"""UPDATE tasks_run SET status = 'QUEUED', rings = 0, ring_at = {{now}},
        revision = revision + 1
    WHERE id {{among}}SELECT id FROM tasks_run WHERE {_IS_DUE} AND status <> 'QUEUED'
        LIMIT %(batch)s {{skip_locked}}{{end}} AND status = 'SCHEDULED'""",
    (_EVENT + "id, revision, {now}, 'QUEUED', NULL, '' FROM u",),
    returning="id, owner_id, revision",
)

# Queued runs that are not due become so: all, or those of the tasks in a JSON list.
MAKE_DUE = Verb(
    """UPDATE tasks_run SET ring_at = {now}
    WHERE id {among}SELECT id FROM tasks_run WHERE status = 'QUEUED' AND ring_at > {now}
        AND (%(tasks)s IS NULL OR task IN ({texts}))
        ORDER BY id LIMIT %(batch)s {skip_locked}{end} AND status = 'QUEUED'""",
    returning="id",
)

# The same for the next ones of a task with a limit, as many as may start.
MAKE_NEXT_DUE = Verb(
    f"""UPDATE tasks_run SET ring_at = {{now}}
    WHERE id {{among}}SELECT id FROM tasks_run WHERE status = 'QUEUED' AND task = %(task)s
        AND NOT COALESCE({_HAS_EXPIRED}, FALSE)
        ORDER BY priority DESC, id LIMIT {{most}}(0, %(limit)s - (SELECT COUNT(*)
            FROM tasks_run other WHERE other.task = %(task)s AND other.status = 'RUNNING'))
        {{skip_locked}}{{end}} AND status = 'QUEUED'""",
    returning="id",
)

RING = Verb(
    f"""UPDATE tasks_run SET rings = rings + 1, ring_at = {{least}}(
        {{after}}{{least}}(%(ring)s * (1 << {{least}}(rings, 3)), 5 * %(ring)s){{seconds}},
        CASE WHEN attempt = 0 AND expires_at > {{now}} THEN expires_at
            ELSE {{never}} END)
    WHERE id {{among}}SELECT id FROM tasks_run WHERE {_OF_RUN_DUE} AND status = 'QUEUED'
        AND priority = %(priority)s AND ring_at <= {{now}}
        ORDER BY ring_at, id LIMIT %(batch)s {{skip_locked}}{{end}} AND status = 'QUEUED'""",
    returning="id, task, priority",
)

# A guarded effect begins: under the hold, and with a fresh lease. Begun before and not known to be
# done, it may now happen twice: the run says so, or refuses if it is to be parked.
BEGIN_EFFECT = Verb(
    """UPDATE tasks_run SET lease_until = {after}%(lease)s{seconds},
        revision = revision + CASE WHEN NOT may_have_repeated AND """
    + "EXISTS (SELECT 1 FROM tasks_effect WHERE run_id = %(id)s AND key = %(key)s)"
    + """ THEN 1 ELSE 0 END,
        may_have_repeated = (may_have_repeated OR """
    + "EXISTS (SELECT 1 FROM tasks_effect WHERE run_id = %(id)s AND key = %(key)s)"
    + """)
    WHERE """
    + _HELD
    + """ AND NOT EXISTS (SELECT 1 FROM tasks_effect WHERE run_id = %(id)s AND key = %(key)s
        AND (done_at IS NOT NULL OR tasks_run.on_lost = 'park'))""",
    (
        """INSERT INTO tasks_effect (run_id, key, attempt, begun_at)
        SELECT id, %(key)s, attempt, {now} FROM u WHERE TRUE
        ON CONFLICT (run_id, key) DO UPDATE SET attempt = excluded.attempt,
            begun_at = excluded.begun_at""",
    ),
    returning="id, owner_id, attempt, revision",
)

# A file whose bytes are in the storage becomes one of the run's; a second time changes nothing.
SAVE_FILE = Verb(
    "UPDATE tasks_run SET lease_until = {after}%(lease)s{seconds}, revision = revision + 1 WHERE "
    + _HELD,
    (
        """INSERT INTO tasks_file (id, owner_id, run_id, name, content_type, size, sha256,
            storage_name, created_at, upload_until, ready_at)
        SELECT %(file_id)s, owner_id, id, %(name)s, %(content_type)s, %(size)s, %(sha256)s,
            %(storage_name)s, {now}, {now}, {now} FROM u WHERE TRUE
        ON CONFLICT (id) DO NOTHING""",
    ),
    returning="id, owner_id, revision",
)

# The last statement of a transaction that does an effect in this database: only the holder commits.
STILL_HELD = Verb(
    "UPDATE tasks_run SET lease_until = {after}%(lease)s{seconds} WHERE " + _HELD,
    returning="id, revision",
)


# 1 when something was due, or a lease has passed, so long ago that no conductor sees to it, else 0.
OVERDUE = (
    f"SELECT CASE WHEN EXISTS (SELECT 1 FROM tasks_run WHERE {_OF_RUN_DUE}"
    " AND priority IN (0, 1, 2) AND ring_at <= {after}-%(patience)s{seconds})"
    " OR EXISTS (SELECT 1 FROM tasks_run WHERE status = 'RUNNING'"
    " AND lease_until <= {after}-2 * %(lease)s - %(patience)s{seconds}) THEN 1 ELSE 0 END"
)

VITALS = (
    "SELECT {epoch}, COUNT(*), COUNT(CASE WHEN "
    + _NO_SIGN
    + " THEN 1 END) FROM tasks_run WHERE status = 'RUNNING'"
)
