"""`SQLDatabase`: records in one table of SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

try:
    import sqlalchemy as sa
except ImportError as error:  # pragma: no cover  # the tests have it
    from holdall.errors import MissingExtraError

    raise MissingExtraError('records in SQL need SQLAlchemy: pip install "holdall[sql]"') from error

from holdall.core.secrets import is_secret_name
from holdall.errors import ConfigError
from holdall.records import sql_engine, sql_engine_async
from holdall.records.database import Database
from holdall.records.keywords import check_keywords
from holdall.records.paths import index_paths
from holdall.records.results import DatabaseCapabilities
from holdall.records.sql_link import Link, checked_url
from holdall.records.sql_rows import MOST_ID_BYTES
from holdall.records.sql_table import Layout, table_of

__all__ = ["SQLDatabase"]


class SQLDatabase(Database):
    """Records as rows: the same verbs and answers as on objects, a statement each.

    Args:
        target: ``sqlite:///path``, ``sqlite://`` (in memory), ``postgresql://user@host/name``, or a SQLAlchemy `Engine` of
            yours (its async colour runs in threads; you close it).
        table: Name of the table.
        schema: Its schema, where it is not the default one.
        indexes: Paths to index: ``"department"``, ``"address.city"``, or several together, ``("department", "created_at")``.
        gin: Index whole documents for ``contains`` (PostgreSQL).
        create_table: Make the table if it is not there; ``False`` if Alembic owns it.
        pool_size: Connections that are kept.
        new_id: Makes ids for records that have none.

    Example:
        >>> from holdall.records import Filter, Record, SQLDatabase
        >>> with SQLDatabase("sqlite://") as db:
        ...     ids = db.batch_create([Record({"id": "a", "n": 1}), Record({"id": "b", "n": 2})])
        ...     db.count(Filter("n", ">", 1)), db.select_query("SELECT sum(n) AS total FROM records")
        (1, [{'total': 3}])
    """

    def __init__(
        self,
        target: str | sa.URL | sa.Engine,
        *,
        table: str = "records",
        schema: str | None = None,
        indexes: Iterable[str | Iterable[str]] = (),
        gin: bool = False,
        create_table: bool = True,
        pool_size: int = 5,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        if isinstance(target, sa.Engine):
            checked_url(target.url)
        elif not isinstance(target, (str, sa.URL)):
            raise ConfigError(f"an SQL database is a URL or a sqlalchemy.Engine, not {type(target).__name__}")
        for name, text in (("table", table), ("schema", schema)):
            if (text is not None or name == "table") and (not isinstance(text, str) or not text):
                raise ConfigError(f"{name} is a name, not {text!r}")
        if type(pool_size) is not int or pool_size < 1:
            raise ConfigError(f"pool_size is a whole number of at least 1, not {pool_size!r}")
        if new_id is not None and not callable(new_id):
            raise ConfigError(f"new_id is a function that makes an id, not {new_id!r}")
        chosen = index_paths(indexes)
        link = Link(target if isinstance(target, sa.Engine) else checked_url(target), pool_size=pool_size)
        dialect: Any = "sqlite" if link.lite else "postgresql"
        made = table_of(table, schema, dialect)
        name = link.url.get_dialect()().identifier_preparer.format_table(made)
        name = name if link.lite else name.replace("%%", "%")  # what a driver wants doubled is so where it gets it
        link.layout = Layout(dialect, made, name, chosen, gin, create_table)
        self._link = link
        self._again = {
            "table": table, "schema": schema, "indexes": chosen, "gin": gin, "create_table": create_table, "pool_size": pool_size,
            "new_id": new_id,
        }  # fmt: skip
        super().__init__(sql_engine.SQLEngine(link), sql_engine_async.SQLEngine(link), mint=new_id)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return a database of a mapping: ``url`` and the options of this class.

        Raises:
            ConfigError: With all that are unknown or missing.
        """
        check_keywords(cls, config, cls.__name__, renamed="url")
        options = dict(config)
        return cls(options.pop("url"), **options)

    @property
    def table(self) -> sa.Table:
        """The table, for Alembic and for your own statements."""
        return self._link.layout.table

    @property
    def capabilities(self) -> DatabaseCapabilities:
        """What works here; no I/O."""
        return DatabaseCapabilities(
            engine="sql",
            atomic_batches=True,
            exact_batch_delete=True,
            snapshot_reads=True,
            native_sql=True,
            max_id_bytes=MOST_ID_BYTES,
        )

    @property
    def place(self) -> tuple[str, ...]:
        """Where the records are. See `Database.place`."""
        return (*self._link.place(), self.table.schema or "", self.table.name)

    def __repr__(self) -> str:
        return f"SQLDatabase({str(self._link)!r}, table={self.table.fullname!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        url = self._link.url
        why = (
            "its engine is yours, and stays in this process"
            if not self._link.owned
            else "its records are in the memory of this process"
            if self._link.memory
            else "its URL holds a password; PostgreSQL takes it from PGPASSWORD or a password file too"
            if url.password is not None or any(map(is_secret_name, url.query))
            else None
        )
        if why is not None:
            raise ConfigError(f"{self!r} cannot be pickled: {why}")
        return _again, (url.render_as_string(), self._again)


def _again(url: str, options: dict[str, Any]) -> SQLDatabase:
    return SQLDatabase(url, **options)
