"""What a configuration can name: the backends, their options, and the databases that they make."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from holdall.core.config import expand
from holdall.core.params import Faults, Param, bind, require
from holdall.core.secrets import reveal
from holdall.errors import ConfigError
from holdall.records.database import Database
from holdall.records.errors import BackendNotFoundError
from holdall.records.keywords import check_keywords, check_options, take_seconds

__all__ = ["BACKENDS", "ENTRY_POINTS", "Backend", "build", "find_backend", "known_backends", "register_backend"]

ENTRY_POINTS = "holdall.databases"
"""The group of entry points by which other packages add backends: ``name = "module:Class"``."""
_DATABASE = (
    Param(name="indexes", kind="any", help="paths that searches often ask for"),
    Param(name="new_id", kind="any", help="makes ids for records that have none"),
)
_OBJECTS = (
    Param(name="prefix", help="what stands before every key; `records/` if not given"),
    Param(name="max_workers", kind="int", help="requests in flight"),
    Param(name="cache_ttl", kind="any", help="seconds for which a listing counts as current"),
    Param(name="mirror", help="`auto`, `memory`, `off`, or the path of a file"),
    Param(name="on_corrupt", choices=("raise", "report"), help="what an unreadable object does to a search"),
    Param(name="tags", kind="any", help="`fit`, `strict`, `off`, or names of metadata"),
    Param(name="storage_class", empty=True, help="of every object"),
    *_DATABASE,
)
_SQL = (
    Param(name="table", help="name of the table; `records` if not given"),
    Param(name="create_table", kind="bool", help="make the table if it is not there"),
    Param(name="pool_size", kind="int", help="connections that are kept"),
    *_DATABASE,
)

Check = Callable[[Mapping[str, Any], Faults], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One kind of database that a configuration can name.

    Attributes:
        name: Its name.
        target: ``module:name`` of a class with ``from_config``, or of a function of a mapping.
        aliases: Other names.
        paths: Class paths for ``class:``.
        extra: The extra that it needs.
        needs: Modules of that extra.
        params: Its options; ``None`` if the class checks them itself.
        check: Looks at the options together; notes faults.
        references: It expands the environment's references itself, too.
    """

    name: str
    target: str
    aliases: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    extra: str | None = None
    needs: tuple[str, ...] = ()
    params: tuple[Param, ...] | None = field(default=None, repr=False)
    check: Check | None = field(default=None, repr=False)
    references: bool = False

    @property
    def installed(self) -> bool:
        """Whether what it needs is there."""
        return all(importlib.util.find_spec(module) is not None for module in self.needs)


def _check_postgres(values: Mapping[str, Any], faults: Faults) -> None:
    if "url" not in values:
        return
    if values.keys() & {*_PARTS, "sslmode"}:
        faults.add("url says it all; leave out host, port, database, user, password and sslmode")
    from holdall.records.sql_link import checked_url  # noqa: PLC0415  # SQLAlchemy loads on demand

    try:
        checked_url(reveal(values["url"]))
    except ConfigError as error:
        faults.add(error.message)


_PARTS: dict[str, Callable[[Any], Any]] = {"host": str, "port": int, "database": str, "user": str, "password": reveal}
BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend(
            name="s3",
            target="holdall.records:S3Database",
            paths=("holdall.records.S3Database", "dataknobs_data.backends.s3.S3Database"),
            references=True,
        ),
        Backend(
            name="objects",
            target="holdall.records.factory_backends:open_objects",
            paths=("holdall.records.ObjectDatabase",),
            params=(Param(name="store", kind="any", required=True, help="a mount, a URL or a Store"), *_OBJECTS),
        ),
        Backend(name="memory", target="holdall.records.factory_backends:open_memory", params=_OBJECTS),
        Backend(
            name="file",
            target="holdall.records.factory_backends:open_file",
            params=(Param(name="path", kind="path", required=True, help="the directory"), *_OBJECTS),
        ),
        Backend(
            name="sqlite",
            target="holdall.records.factory_backends:open_sqlite",
            aliases=("sqlite3",),
            extra="sql",
            needs=("sqlalchemy",),
            params=(Param(name="path", kind="path", required=True, help="the file, or `:memory:`"), *_SQL),
        ),
        Backend(
            name="postgres",
            target="holdall.records.factory_backends:open_postgres",
            aliases=("postgresql", "pg"),
            extra="postgres",
            needs=("sqlalchemy", "psycopg"),
            params=(
                Param(name="url", empty=True, secret=True, help="instead of the single parts"),
                Param(name="host", empty=True, help="else libpq's environment, `PGHOST` ..."),
                Param(name="port", kind="int", empty=True),
                Param(name="database", aliases=("dbname",), empty=True),
                Param(name="user", aliases=("username",), empty=True),
                Param(name="password", secret=True, empty=True),
                Param(name="sslmode", empty=True),
                Param(name="schema", empty=True),
                Param(name="gin", kind="bool", help="index whole documents for `contains`"),
                *_SQL,
            ),
            check=_check_postgres,
        ),
    )
}
"""The backends of this package."""

_added: dict[str, Backend] = {}


def register_backend(
    name: str, target: str, *, aliases: tuple[str, ...] = (), extra: str | None = None, replace: bool = False
) -> Backend:
    """Add a kind of database.

    Args:
        name: Its name in configurations.
        target: ``module:Class``, loaded when it is used; the class has ``from_config(mapping)`` or takes options by keyword.
        aliases: Other names.
        extra: The extra of holdall that it needs, for the error if it cannot be loaded.
        replace: Take a name that is taken.

    Raises:
        ConfigError: A name is taken, or the target is no ``module:Class``.
    """
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise ConfigError(f"a backend's target is 'module:Class', not {target!r}")
    known = known_backends()
    for each in (name, *aliases):
        if not replace and each.lower() in known:
            raise ConfigError(f"backend {each!r} is there already; say replace=True to take its place")
    backend = Backend(name=name.lower(), target=target, aliases=aliases, extra=extra, paths=(f"{module}.{attribute}",))
    for each in (name, *aliases):
        _added[each.lower()] = backend
    return backend


def known_backends() -> dict[str, Backend]:
    """Return the backends by every name: ours, those of entry points, those that were registered."""
    known = {name: backend for backend in BACKENDS.values() for name in (backend.name, *backend.aliases)}
    for point in _points():
        path = point.value.replace(":", ".")
        known.setdefault(point.name.lower(), Backend(name=point.name.lower(), target=point.value, paths=(path,)))
    return {**known, **_added}


def _points() -> Iterable[EntryPoint]:
    return entry_points(group=ENTRY_POINTS)


def find_backend(name: str) -> Backend:
    """Return a backend by name.

    Raises:
        BackendNotFoundError: There is none; or it is known, but what it needs is not installed.
        ConfigError: Packages claim one name for several classes, or a name of ours, and `register_backend` has not settled it.
    """
    known, wanted = known_backends(), name.strip().lower()
    backend = known.get(wanted)
    if backend is None:
        raise BackendNotFoundError(f"no backend {name!r} (known: {', '.join(sorted(known))})")
    rivals = [] if wanted in _added else [point.value for point in _points() if point.name.lower() == wanted]
    claims = sorted({backend.target, *rivals})
    if len(claims) > 1:
        raise ConfigError(
            f"backend {name!r} is claimed by {' and '.join(claims)}; register_backend(…, replace=True) settles it"
        )
    if not backend.installed:
        raise BackendNotFoundError(f'backend {backend.name!r} is not installed: pip install "holdall[{backend.extra}]"')
    return backend


def build(backend: Backend, options: Mapping[str, Any], *, what: str, base: str) -> Database:
    """Return the database of a backend's options, opened without I/O.

    Args:
        backend: Which one.
        options: As they were written; the environment's references are expanded here, once.
        what: What errors call it.
        base: The directory that paths are relative to.

    Raises:
        ConfigError: With everything that is wrong.
    """
    module, _, attribute = backend.target.partition(":")
    try:
        target: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        hint = f': pip install "holdall[{backend.extra}]"' if backend.extra else f": {error}"
        raise BackendNotFoundError(f"backend {backend.name!r} cannot be loaded{hint}") from error
    if backend.params is None:
        given = options if backend.references else expand(options)
        if not hasattr(target, "from_config"):
            check_keywords(target, given, what)
        made = target.from_config(given) if hasattr(target, "from_config") else target(**given)
    else:
        made = target(_bound(backend.params, options, backend.check, what=what, base=base))
    if not isinstance(made, Database):
        raise ConfigError(f"{what}: {backend.target} makes no Database")
    return made


def _bound(
    params: tuple[Param, ...], options: Mapping[str, Any], check: Check | None, *, what: str, base: str
) -> dict[str, Any]:
    faults = Faults(what)
    values = bind(params, options, faults, base=base, common=False)
    require(params, values, faults)
    take_seconds(values, faults)
    check_options(values, faults)
    if check is not None:
        check(values, faults)
    faults.check()
    return values


# -- ours --------------------------------------------------------------------------------------------------------------


def open_objects(values: dict[str, Any]) -> Database:
    """Return a database on any Store."""
    from holdall.records.objects_database import ObjectDatabase  # noqa: PLC0415  # drivers load on demand

    return ObjectDatabase(values.pop("store"), **values)


def open_memory(values: dict[str, Any]) -> Database:
    """Return a database in memory."""
    from holdall.drivers.memory import MemoryStore  # noqa: PLC0415
    from holdall.records.objects_database import ObjectDatabase  # noqa: PLC0415

    return ObjectDatabase(MemoryStore(), owned=True, **values)


def open_file(values: dict[str, Any]) -> Database:
    """Return a database of files below a directory."""
    from holdall.drivers.local import LocalStore  # noqa: PLC0415
    from holdall.records.objects_database import ObjectDatabase  # noqa: PLC0415

    return ObjectDatabase(LocalStore(values.pop("path"), create=True), owned=True, **values)


def open_sqlite(values: dict[str, Any]) -> Database:
    """Return a database in a file of SQLite."""
    from sqlalchemy import URL  # noqa: PLC0415

    from holdall.records.sql_database import SQLDatabase  # noqa: PLC0415

    path = values.pop("path")
    place = None if os.path.basename(path) == ":memory:" else path
    return SQLDatabase(URL.create("sqlite", database=place), **values)


def open_postgres(values: dict[str, Any]) -> Database:
    """Return a database on PostgreSQL."""
    from sqlalchemy import URL  # noqa: PLC0415

    from holdall.records.sql_database import SQLDatabase  # noqa: PLC0415

    parts = {name: convert(values.pop(name)) for name, convert in _PARTS.items() if name in values}
    sslmode, url = values.pop("sslmode", None), values.pop("url", None)
    if url is not None:
        return SQLDatabase(reveal(url), **values)
    query = {"sslmode": sslmode} if sslmode else {}
    address = URL.create("postgresql", username=parts.pop("user", None), query=query, **parts)
    return SQLDatabase(address, **values)
