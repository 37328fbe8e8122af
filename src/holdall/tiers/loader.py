"""File stores configured from outside: by argument, by environment, by file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from holdall.core.config import SUFFIXES, expand, find_config, load_document
from holdall.core.retry import BreakerPolicy, RetryPolicy, Timeouts
from holdall.core.urls import StoreURL, url_scheme
from holdall.errors import ConfigError
from holdall.store import Store
from holdall.tiers.filestore import FileStore

__all__ = ["filestore", "get_filestore", "open_tiers"]

_OPTIONS = {
    "names", "layout", "existing", "immutable", "promote_on_read", "degraded", "digest", "verify_reads", "arbiter", "confirm",
    "retry", "breaker", "timeouts", "connection_attempts", "concurrency", "hedge_after", "connect",
}  # fmt: skip
_POLICIES = {"retry": RetryPolicy, "breaker": BreakerPolicy, "timeouts": Timeouts}
DEFAULT = "storage"


def get_filestore(config: Any = None, *, name: str = DEFAULT, connection_attempts: int | None = None) -> FileStore:
    """Return a new file store; the first source that is present is taken whole, none are merged.

    1. ``config``: a URL, a list of URLs, a mapping with ``locations`` and options, or the path of a configuration file.
    2. The environment variable ``HOLDALL_FILESTORE`` (``HOLDALL_FILESTORE_ARCHIVE`` for ``name="archive"``): URLs separated by white
       space, or a JSON array.
    3. The ``filestore`` section (``filestore.<name>`` for others) of the configuration file: ``HOLDALL_CONFIG``, else ``holdall.toml``,
       ``.yaml``, ``.json`` in the working directory, else in the user's configuration directory.

    ``${NAME}`` and ``${NAME:default}`` stand for environment variables. Nothing is connected.

    Args:
        config: See above.
        name: Which store.
        connection_attempts: Attempts in all, of calls that fail.

    Raises:
        ConfigError: No source is present, or it is wrong.

    Example:
        >>> with get_filestore("memory://?name=only") as fs:
        ...     _ = fs.put("myfile", b"content")
        ...     fs.get("myfile")
        b'content'
    """
    extra = {} if connection_attempts is None else {"connection_attempts": connection_attempts}
    if config is not None:
        return _configured(config, name, extra)
    variable = "HOLDALL_FILESTORE" if name == DEFAULT else f"HOLDALL_FILESTORE_{name.upper().replace('-', '_')}"
    text = os.environ.get(variable, "").strip()
    if text:
        return _made(_listed(text, variable), {}, extra, variable)
    path = find_config()
    if path is not None:
        section = _section(load_document(path), name)
        if section is not None:
            return _from_mapping(section, extra, path)
    raise ConfigError(
        f"no file store {'' if name == DEFAULT else f'{name!r} '}is configured: give config=, set {variable}, or write a [filestore] section "
        "into holdall.toml (or the file that HOLDALL_CONFIG names)"
    )


filestore = get_filestore
"""The other name of `get_filestore`."""


def open_tiers(
    locations: Sequence[Any],
    *,
    names: Sequence[str] | None = None,
    layout: Any = "flat",
    existing: Any = "compare",
    immutable: bool = False,
    degraded: Any = "serve",
    digest: Any = "sha256",
    verify_reads: bool = False,
    arbiter: str | None = None,
    confirm: bool = True,
) -> Store:
    """Return the store of a mount of ``type: tiers``."""
    made = FileStore(
        *locations,
        names=names,
        layout=layout,
        existing=existing,
        immutable=immutable,
        degraded=degraded,
        digest=None if digest == "none" else digest,
        verify_reads=verify_reads,
        arbiter=arbiter,
        confirm=confirm,
    )
    return made.store


def _configured(config: Any, name: str, extra: Mapping[str, Any]) -> FileStore:
    if isinstance(config, Mapping):
        return _from_mapping(config, extra, "config")
    if isinstance(config, (StoreURL, Store)):
        return _made([config], {}, extra, "config")
    if isinstance(config, (str, os.PathLike)):
        text = os.fspath(config)
        if isinstance(text, str) and url_scheme(text) is not None:
            return _made(_listed(text, "config"), {}, extra, "config")
        if not str(text).lower().endswith(SUFFIXES):
            raise ConfigError("config is a URL, a list of URLs, a mapping, or the path of a .toml, .yaml or .json file")
        section = _section(load_document(text), name)
        if section is None:
            raise ConfigError(f"{text} has no [filestore{'' if name == DEFAULT else '.' + name}] section")
        return _from_mapping(section, extra, str(text))
    if isinstance(config, Sequence) and not isinstance(config, (bytes, bytearray)):
        return _made(config, {}, extra, "config")
    raise ConfigError(f"config is a URL, a list of URLs, a mapping or a path, not {type(config).__name__}")


def _listed(text: str, what: str) -> list[str]:
    if not text.startswith("["):
        return text.split()
    try:
        found = json.loads(text)
    except ValueError:
        raise ConfigError(f"{what} is neither URLs nor a JSON array of them") from None
    return list(found)


def _section(document: Any, name: str) -> Mapping[str, Any] | None:
    """Return the section of one store."""
    section = document.get("filestore") if isinstance(document, Mapping) else None
    if not isinstance(section, Mapping):
        return None
    if name == DEFAULT:
        return section if "locations" in section else None
    found = section.get(name)
    return found if isinstance(found, Mapping) else None


def _from_mapping(section: Mapping[str, Any], extra: Mapping[str, Any], what: str) -> FileStore:
    named = {key: value for key, value in section.items() if not (isinstance(value, Mapping) and "locations" in value)}
    unknown = sorted(str(key) for key in named.keys() - _OPTIONS - {"locations"})
    if unknown:
        raise ConfigError(f"{what}: unknown key {unknown[0]!r} (known: {', '.join(sorted(_OPTIONS | {'locations'}))})")
    locations = named.get("locations")
    if isinstance(locations, str):
        locations = _listed(locations, what)
    if not isinstance(locations, Sequence):
        raise ConfigError(f"{what}: 'locations' is a list of URLs")
    options = expand({key: value for key, value in named.items() if key != "locations"})
    for key, kind in _POLICIES.items():
        if isinstance(options.get(key), Mapping):
            try:
                options[key] = kind(**options[key])
            except TypeError:
                raise ConfigError(f"{what}: {key!r} has a key that it does not know") from None
    return _made(locations, options, extra, what)


def _made(locations: Sequence[Any], options: Mapping[str, Any], extra: Mapping[str, Any], what: str) -> FileStore:
    try:
        return FileStore(*locations, **{**options, **extra})
    except ConfigError as error:
        if what == "config":
            raise
        error.message = f"{what}: {error.message}"
        error.args = (error.message,)
        raise
