"""The tables of the mirror."""

# ruff: noqa: S608  # texts of SQL are built of our own names alone; values are bound

from __future__ import annotations

from holdall.records.pushdown import expression

__all__ = ["FORMAT", "index_sql", "statements"]

FORMAT = "3"

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE rec (
    id TEXT PRIMARY KEY, etag TEXT, size INTEGER, modified TEXT, state TEXT NOT NULL,
    fields TEXT, metadata TEXT, info TEXT, created_at TEXT, updated_at TEXT, token TEXT, cuts TEXT, reason TEXT, checksum INTEGER,
    own INTEGER NOT NULL DEFAULT 0, rev INTEGER NOT NULL
);
CREATE INDEX rec_odd ON rec (id) WHERE state <> 'loaded';
CREATE INDEX rec_gone ON rec (id) WHERE state = 'gone';
CREATE TABLE intent (
    ticket INTEGER PRIMARY KEY, id TEXT NOT NULL, process TEXT NOT NULL, started REAL NOT NULL,
    overlapped INTEGER NOT NULL, rev INTEGER NOT NULL
);
CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO meta VALUES ('seq', 0);
"""


def statements(identity: str) -> list[str]:
    """Return the statements that make an empty mirror for a database."""
    quoted = identity.replace("'", "''")
    return [
        *(statement for statement in TABLES.split(";") if statement.strip()),
        f"INSERT INTO meta VALUES ('format', '{FORMAT}'), ('identity', '{quoted}')",
    ]


def index_sql(paths: tuple[str, ...]) -> str | None:
    """Return the statement for an expression index over paths; ``None`` if SQL cannot reach one of them.

    Behind them stands the id: answers are in its order, and all matches would have to be sorted for the first ten.
    """
    terms = [expression(path, "sqlite", lambda name: name) for path in paths]
    if any(term is None for term in terms):
        return None
    name = "ix_" + "__".join(paths)
    quoted = name.replace('"', '""')
    return f'CREATE INDEX IF NOT EXISTS "{quoted}" ON rec ({", ".join(term or "" for term in terms)}, id)'
