"""The one table of an SQL database of records, as SQLAlchemy's `Table` and as the pieces of SQL that name it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from holdall._turns import MANY, give_way
from holdall.errors import ConfigError
from holdall.records.pieces import SQL, Dialect, Pushed, render
from holdall.records.pushdown import expression, pushed
from holdall.records.query import Condition

__all__ = ["COLUMNS", "Layout", "fetched", "run", "table_of"]

COLUMNS = ("id", "fields", "metadata", "info", "created_at", "updated_at", "version")
_DOCUMENTS = {"fields", "metadata", "info"}
_LOCK = 0x686F6C64616C6C  # of schema changes, for PostgreSQL's advisory lock


def table_of(name: str, schema: str | None, dialect: Dialect) -> sa.Table:
    """Return the table; Alembic may own it."""
    text: Any = sa.Text() if dialect == "sqlite" else sa.Text(collation="C")
    document: Any = sa.Text() if dialect == "sqlite" else JSONB()
    checks = (
        [sa.CheckConstraint(f"json_valid({column})") for column in ("fields", "metadata")] if dialect == "sqlite" else []
    )
    return sa.Table(
        name,
        sa.MetaData(schema=schema),
        sa.Column("id", text, primary_key=True),
        sa.Column("fields", document, nullable=False),
        sa.Column("metadata", document, nullable=False),
        sa.Column("info", document),
        sa.Column("created_at", text, nullable=False),
        sa.Column("updated_at", text, nullable=False),
        sa.Column("version", text, nullable=False),
        *checks,
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """How the table is called and reached in SQL.

    Attributes:
        dialect: ``sqlite`` or ``postgresql``.
        table: SQLAlchemy's description.
        name: Its quoted name.
        indexes: Paths to index, alone or several together.
        gin: An index for ``contains`` on the whole document (PostgreSQL).
        create: Make the table if it is not there.
    """

    dialect: Dialect
    table: sa.Table
    name: str
    indexes: tuple[tuple[str, ...], ...] = ()
    gin: bool = False
    create: bool = True

    @property
    def lite(self) -> bool:
        """Whether this is SQLite."""
        return self.dialect == "sqlite"

    def column(self, name: str) -> str:
        """Return the SQL of a column, as `pushdown` asks for it."""
        return f"t.{name}"

    def shown(self, name: str) -> str:
        """Return the SQL that reads a column: documents as text."""
        return f"CAST(t.{name} AS text) AS {name}" if name in _DOCUMENTS and not self.lite else f"t.{name}"

    def given(self, name: str, mark: str) -> str:
        """Return the SQL of a value that is written to a column."""
        return f"CAST({mark} AS {'jsonb' if name in _DOCUMENTS else 'text'})" if not self.lite else mark

    @property
    def selected(self) -> str:
        """All columns, for `Row` to read."""
        return ", ".join(map(self.shown, COLUMNS))

    def where(self, condition: Condition | None) -> Pushed:
        """Return the two texts of a condition on this table."""
        return pushed(condition, self.dialect, self.column)

    # -- the table itself ----------------------------------------------------------------------------------------------

    def ensure(self, connection: sa.Connection) -> None:
        """Make table and indexes unless they are there; safe when several processes begin at once."""
        if not self.create and not self.indexes and not self.gin:
            return
        there = sa.inspect(connection).has_table(self.table.name, schema=self.table.schema)
        catalogue = (
            "SELECT name FROM sqlite_master WHERE type = 'index'" if self.lite else "SELECT indexname FROM pg_indexes"
        )
        known = {name for (name,) in connection.exec_driver_sql(catalogue)} if self.indexes or self.gin else set[str]()
        missing = {name: sql for name, sql in self._indexes().items() if name not in known}
        if (there or not self.create) and not missing:
            return
        if not self.lite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        if self.create:
            connection.execute(sa.schema.CreateTable(self.table, if_not_exists=True))
        for sql in missing.values():
            run(connection, self, sql)

    def _indexes(self) -> dict[str, str]:
        made: dict[str, str] = {}
        for paths in self.indexes:
            parts: list[str] = []
            for path in paths:
                part = expression(path, self.dialect, lambda name: name)
                if part is None:
                    raise ConfigError(f"no index can be made on {path!r}: SQL cannot reach it")
                parts.append(f"({part})")
            name = self._index_name("|".join(paths))
            made[name] = f"CREATE INDEX IF NOT EXISTS {name} ON {self.name} ({', '.join(parts)})"
        if self.gin and not self.lite:
            name = self._index_name("gin")
            made[name] = f"CREATE INDEX IF NOT EXISTS {name} ON {self.name} USING gin (fields jsonb_path_ops)"
        return made

    def _index_name(self, what: str) -> str:
        """Return a name of its own for an index; the expression is part of it, so a changed one is another index."""
        return "holdall_" + hashlib.sha256(f"{self.table.fullname}|{what}".encode()).hexdigest()[:16]


def run(connection: sa.Connection, layout: Layout, text: str, values: Sequence[Any] = ()) -> sa.CursorResult[Any]:
    """Execute SQL that has a `holdall.records.pieces.MARK` for each value."""
    statement, parameters = render(SQL(text, tuple(values)), layout.dialect)
    return connection.exec_driver_sql(statement, tuple(parameters))


def fetched(connection: sa.Connection, layout: Layout, text: str, values: Sequence[Any] = ()) -> list[sa.Row[Any]]:
    """Return the rows of a statement, see `run`: a few in a call, since SQLite keeps Python's interpreter from row to row."""
    found: list[sa.Row[Any]] = []
    for some in run(connection, layout, text, values).partitions(MANY):
        give_way()
        found += some
    return found
