"""Looks at a service's rows from outside, past all of its code."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from tests.stacks.service import Service

NOW = {"postgres": "now()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')"}


def number(service: Service, query: str) -> int:
    """The one number that the query answers; `{now}` in it is the database's time."""
    url = service.env.get("DATABASE_URL")
    if url is None:
        with closing(sqlite3.connect(_file(service), timeout=20)) as database:
            (found,) = database.execute(query.format(now=NOW["sqlite"])).fetchone()
            return int(found)
    with psycopg.connect(url) as connection:
        row = connection.execute(query.format(now=NOW["postgres"]).encode()).fetchone()
        assert row is not None
        return int(row[0])


def is_writable(service: Service) -> bool:
    """Whether nobody has SQLite's one write lock; PostgreSQL has none."""
    if "DATABASE_URL" in service.env:
        return True
    with closing(sqlite3.connect(_file(service), timeout=0.2)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        return True


def _file(service: Service) -> Path:
    return Path(service.env["DOWNBEAT_HOME"]) / "db.sqlite3"
