"""`DatabaseFactory`: databases by description, or by their name in a configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

from holdall.core.config import expand, load_document
from holdall.core.convert import closest
from holdall.core.secrets import mask_value
from holdall.errors import ConfigError
from holdall.records.database import Database
from holdall.records.errors import BackendNotFoundError
from holdall.records.factory_backends import Backend, build, find_backend, known_backends, register_backend

__all__ = ["DatabaseFactory", "register_backend"]


class DatabaseFactory:
    """Makes databases of descriptions.

    Args:
        config: A mapping whose ``databases`` is a list of descriptions with a ``name``, or a mapping by name. Each has
            ``backend:`` or ``class:``; texts may hold ``${VAR}`` and ``${VAR:default}``.
        base: The directory that paths are relative to; the working directory if not given.
        trusted: ``class:`` may name any class; else only those of registered backends.

    Raises:
        ConfigError: The list is malformed, or a name stands twice.

    Example:
        >>> factory = DatabaseFactory({"databases": [{"name": "scratch", "backend": "memory"}]})
        >>> factory.names()
        ['scratch']
        >>> factory.create("scratch").capabilities.engine
        'objects'
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, base: str | None = None, trusted: bool = False) -> None:
        if config is not None and not isinstance(config, Mapping):
            raise ConfigError(f"a configuration is a mapping, not a {type(config).__name__}")
        self._entries = _entries((config or {}).get("databases") or {})
        self._base = base
        self._trusted = trusted

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, trusted: bool = False) -> Self:
        """Return the factory of a configuration file in YAML, TOML or JSON.

        Raises:
            FileNotFoundError: No such file.
            ConfigError: It cannot be read, or its ``databases`` are malformed.
        """
        document = load_document(path)
        if not isinstance(document, Mapping):
            raise ConfigError(f"{os.fspath(path)} is no mapping")
        return cls(document, base=os.path.dirname(os.path.abspath(path)), trusted=trusted)

    def names(self) -> list[str]:
        """Return the names of the configured databases, in order."""
        return list(self._entries)

    def backends(self) -> list[Backend]:
        """Return what can be named as backend: name, aliases, extra, and whether it is installed."""
        return sorted(set(known_backends().values()), key=lambda backend: backend.name)

    def create(self, name: str | None = None, /, **options: Any) -> Database:
        """Open a configured or a described database; no I/O.

        Args:
            name: Of the configuration; options given beside it take the place of those there.
            options: ``backend`` and its options.

        Raises:
            BackendNotFoundError: No such backend, or not installed.
            ConfigError: No such name, no backend, or wrong options: all of them in one message, without secrets.

        Example:
            >>> DatabaseFactory().create(backend="memory", prefix="people/").prefix
            'people/'
        """
        entry: dict[str, Any] = {}
        what = "database"
        if name is not None:
            if name not in self._entries:
                near = closest(name, self._entries)
                guess = f"; did you mean {near!r}?" if near else ""
                raise ConfigError(
                    f"no database {name!r} is configured (there are: {', '.join(self._entries) or 'none'}){guess}"
                )
            entry, what = dict(self._entries[name]), f"database {name!r}"
        entry.update(options)
        backend = self._backend(entry, what)
        try:
            return build(backend, entry, what=what, base=self._base or os.getcwd())
        except BackendNotFoundError:
            raise
        except ConfigError as error:
            said = error.message
            raise ConfigError(said if said.startswith(what) else f"{what}: {said}") from error

    def _backend(self, entry: dict[str, Any], what: str) -> Backend:
        try:
            kind, path = expand(entry.pop("backend", None)), expand(entry.pop("class", None))
        except ConfigError as error:
            raise ConfigError(f"{what}: {error.message}") from error
        if kind is not None and path is not None:
            raise ConfigError(f"{what}: either backend or class, not both")
        if kind is not None:
            if not isinstance(kind, str):
                raise ConfigError(f"{what}: a backend is a name, not {type(kind).__name__}")
            return find_backend(kind)
        if path is None:
            raise ConfigError(f"{what}: say which backend (one of {', '.join(b.name for b in self.backends())})")
        for backend in self.backends():
            if path in backend.paths:
                return find_backend(backend.name)
        if not self._trusted:
            raise ConfigError(
                f"{what}: class {path!r} is of no registered backend; DatabaseFactory(trusted=True) would load it"
            )
        module, _, attribute = str(path).rpartition(".")
        if not module or module.startswith("."):
            raise ConfigError(f"{what}: a class is 'module.Class', not {path!r}")
        return Backend(name=str(path), target=f"{module}:{attribute}")

    def __repr__(self) -> str:
        return f"DatabaseFactory({mask_value(self._entries)!r})"


def _entries(given: Any) -> dict[str, dict[str, Any]]:
    """Return the descriptions by name."""
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        pairs = [(item.get("name") if isinstance(item, Mapping) else None, item) for item in given]
    else:
        raise ConfigError("databases is a list or a mapping of descriptions")
    entries: dict[str, dict[str, Any]] = {}
    for name, item in pairs:
        if not isinstance(name, str) or not name or not isinstance(item, Mapping):
            raise ConfigError("each of databases is a mapping with a name")
        if name in entries:
            raise ConfigError(f"two databases are named {name!r}")
        entries[name] = {key: value for key, value in item.items() if key != "name"}
    return entries
