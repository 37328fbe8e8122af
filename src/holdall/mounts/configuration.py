"""From what people configure with to named entries: a list, a mapping, a file or the URL of one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from holdall._concurrency import run_async
from holdall.core.config import SUFFIXES, load_document, parse_document
from holdall.core.urls import url_scheme
from holdall.errors import ConfigError
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.drivers.registry import Registry

__all__ = ["Entry", "read_entries", "read_entries_async"]

Entry = tuple[str, Any, str | None]
"""Name, description, and the directory that relative local paths in it are relative to."""


def read_entries(source: Any, registry: Registry) -> tuple[list[Entry], str]:
    """Return the entries of a configuration, and what to call it in errors.

    Args:
        source: A path or URL of a file, a sequence of mappings with ``name``, a mapping of name to description, or
            ``{"mounts": <either>}``.
        registry: Opens the storage of a URL.

    Raises:
        TypeError: Of another Python type.
        FileNotFoundError: No such file.
        ConfigError: Bad syntax, an unknown suffix, or a top level that is none of these.
    """
    remote = _remote(source)
    if remote is not None:
        with registry.open(remote.folder) as store:
            return remote.entries(store.get(remote.name).bytes()), remote.called
    return _here(source)


async def read_entries_async(source: Any, registry: Registry) -> tuple[list[Entry], str]:
    """Return the entries of a configuration. See `read_entries`; local files are read in a worker thread."""
    remote = _remote(source)
    if remote is not None:
        async with registry.open(remote.folder) as store:
            return remote.entries(await (await store.get_async(remote.name)).bytes_async()), remote.called
    return await run_async(partial(_here, source))


def _here(source: Any) -> tuple[list[Entry], str]:
    """Return the entries of a local file, or of what is in memory already."""
    source = _file_path(source)
    if isinstance(source, (str, os.PathLike)):
        text: str = os.fspath(source)
        if not text.lower().endswith(SUFFIXES) and not os.path.exists(text):
            kinds = ", ".join(SUFFIXES)
            raise ConfigError(f"Unsupported configuration file format: {text!r} (known: {kinds}), nor a URL")
        document = load_document(text)
        return _entries(document, text, os.path.dirname(os.path.abspath(text)), document=True), text
    return _entries(source, "configuration", None, document=False), "configuration"


_OTHERS = frozenset({"databases", "filestore"})
"""Sections of a configuration file that are not about mounts."""


def _entries(source: Any, what: str, base: str | None, *, document: bool) -> list[Entry]:
    if source is None and document:
        return []  # an empty file
    if isinstance(source, Mapping) and "mounts" in source and _is_table(source["mounts"]):
        source = source["mounts"]
    elif isinstance(source, Mapping) and document:  # a file may be there for other faces alone
        source = {name: spec for name, spec in source.items() if name not in _OTHERS or not _is_table(spec)}
    if isinstance(source, Mapping):
        found = [_named(name, spec, what, base) for name, spec in source.items()]
    elif isinstance(source, Sequence) and not isinstance(source, (str, bytes, bytearray)):
        found = [_listed(i, spec, what, base) for i, spec in enumerate(source)]
    elif document:
        raise ConfigError(f"{what}: a list of mounts or a mapping of names is needed, not {type(source).__name__}")
    else:
        raise TypeError(f"mounts are configured from a path, a list or a mapping, not from {type(source).__name__}")
    names = [name for name, _, _ in found]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise ConfigError(f"{what}: mount {twice!r} is given twice")
    return found


def _is_table(value: Any) -> bool:
    """Tell whether a section such as ``mounts`` is one, rather than a mount of that name."""
    if isinstance(value, Mapping):
        return not value.keys() & {"type", "protocol", "url"}
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _named(name: Any, spec: Any, what: str, base: str | None) -> Entry:
    if not isinstance(name, str):
        raise ConfigError(f"{what}: a mount's name is text, not {type(name).__name__}")
    if isinstance(spec, Mapping) and spec.get("name", name) != name:
        raise ConfigError(f"{what}: mount {name!r} says that its name is {spec['name']!r}")
    if isinstance(spec, (Mapping, str, Store)) or hasattr(spec, "protocol"):
        return name, spec, base
    raise ConfigError(f"{what}: mount {name!r} is a mapping or a URL, not {type(spec).__name__}")


def _listed(place: int, spec: Any, what: str, base: str | None) -> Entry:
    if not isinstance(spec, Mapping):
        raise ConfigError(f"{what}: entry {place} is a mapping with 'name', not {type(spec).__name__}")
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{what}: entry {place}: missing required field: 'name'")
    return name, {k: v for k, v in spec.items() if k != "name"}, base


class _Remote(NamedTuple):
    """A configuration file in another storage: URL of its directory, and its name there."""

    folder: str
    name: str
    called: str

    def entries(self, data: bytes) -> list[Entry]:
        """Return what the file says."""
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError(f"{self.called} is not UTF-8 text") from None
        document = parse_document(text, os.path.splitext(self.name)[1], name=self.called)
        return _entries(document, self.called, None, document=True)


def _remote(source: Any) -> _Remote | None:
    """Return what the URL of a configuration file points to, ``None`` for what is none. No I/O.

    Raises:
        TypeError: A path of bytes.
        ConfigError: The URL names no file, or one of an unknown suffix.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    url = os.fspath(source)
    if not isinstance(url, str):
        raise TypeError("a configuration file is named by a str, not by bytes")
    if url_scheme(url) in {None, "file"} or "://" not in url:
        return None
    called = _called(url)
    head, _, query = url.partition("?")
    folder, _, name = head.rpartition("/")
    suffix = os.path.splitext(name)[1]
    if not name or folder.endswith(":/"):
        raise ConfigError(f"{called}: the URL of a configuration names a file")
    parse_document("{}" if suffix.lower() == ".json" else "", suffix, name=called)
    return _Remote(f"{folder}{'?' + query if query else ''}", name, called)


def _file_path(source: Any) -> Any:
    """Return the path of a ``file://`` URL; anything else as it is."""
    if not isinstance(source, str) or not source.lower().startswith("file://"):
        return source
    from holdall.drivers.registry import parse  # noqa: PLC0415  # only for URLs

    return parse(source).fields["path"]


def _called(url: str) -> str:
    from holdall.core.secrets import mask  # noqa: PLC0415  # only for URLs

    return mask(url)
