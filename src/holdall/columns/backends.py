"""Backends: a key, and the store that the files under it are in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from holdall.columns.adapter import AdaptedStore
from holdall.core.secrets import mask_value
from holdall.drivers.backend import load_target
from holdall.engine.table import check_mount_name, default_table
from holdall.errors import ConfigError, MissingExtraError
from holdall.store import Store

__all__ = ["FSSpecBackend", "ObstoreBackend", "StorageBackend", "backend_named", "store_named"]

_LOCAL = frozenset({"file", "local"})
_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "r2"})


class StorageBackend:
    """A named place for files. A subclass with these methods and their ``_async`` twins is a backend of its own.

    One colour is enough: the other is filled in by a thread. Whole contents pass through memory; derive from `holdall.Store`
    for streams, ranges and conditions.

    ====================  ============================================================================================
    method                called as
    ====================  ============================================================================================
    ``get_content``       ``(path, options=None) -> bytes``
    ``save_object``       ``(file_object, data, *, use_multipart, chunk_size, max_concurrency)``
    ``delete_object``     ``(path)`` or ``(list of paths)``
    ``sign``              ``(path, expires_in=…, for_upload=…) -> str``
    ====================  ============================================================================================

    Args:
        key: Its name, which rows refer to.
        fs: Whatever does the work, for the subclass.
        options: For the subclass.

    Example:
        >>> class Plain(StorageBackend):
        ...     def __init__(self, key):
        ...         super().__init__(key)
        ...         self.files = {}
        ...     def get_content(self, path, options=None):
        ...         return self.files[path]
        ...     def save_object(self, file_object, data, **options):
        ...         self.files[file_object.path] = data
        >>> backend = Plain("plain")
        >>> _ = backend.store.put("a.txt", b"1")
        >>> backend.store.get("a.txt").bytes()
        b'1'
    """

    driver: str = "custom"
    protocol: str = ""

    def __init__(self, key: str, *, fs: Any = None, **options: Any) -> None:
        self.key = check_mount_name(key)
        self.options = options
        self._fs = fs

    @property
    def fs(self) -> Any:
        """The object that does the work."""
        return self._fs

    @fs.setter
    def fs(self, fs: Any) -> None:
        self._fs = fs

    @cached_property
    def store(self) -> Store:
        """The Store that holds the files."""
        return AdaptedStore(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key={self.key!r})"


class FSSpecBackend(StorageBackend):
    """Files in a filesystem of fsspec.

    Nothing is connected here (fsspec's own constructors may connect, when they are called). The local filesystem below a prefix is
    holdall's own driver, whose root is made when it is first written to.

    Args:
        key: Its name, which rows refer to.
        fs: A filesystem, blocking or async, or the name of a protocol, from which one is made on first use.
        prefix: Where in it: ``bucket/prefix``, an absolute local directory, ``https://host/base``.
        fs_options: For the filesystem made from a name; here an option may be called ``key``.
        options: More of them.

    Raises:
        ConfigError: The prefix has the form of another kind of filesystem, or options were given beside an instance.
        MissingExtraError: fsspec is not installed.

    Example:
        >>> backend = FSSpecBackend(key="scratch", fs="memory", prefix="example-backend")
        >>> backend.protocol, backend.store.put("a.txt", b"1").size
        ('memory', 1)
    """

    driver = "fsspec"

    def __init__(
        self,
        key: str,
        fs: Any,
        prefix: str | os.PathLike[str] | None = None,
        *,
        fs_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        both = sorted(options.keys() & (fs_options or {}).keys())
        if both:
            raise TypeError(f"given twice: {', '.join(both)}")
        super().__init__(key, fs=None, **{**options, **(fs_options or {})})
        self.prefix = "" if prefix is None else os.fspath(prefix)
        named = isinstance(fs, str)
        if not named and not hasattr(fs, "_strip_protocol"):
            raise TypeError(f"fs is a filesystem of fsspec or the name of a protocol, not a {type(fs).__name__}")
        if not named and self.options:
            raise ConfigError(f"{', '.join(sorted(self.options))}: options are for a filesystem that is made from a name")
        protocol = fs.rpartition("::")[2].partition("://")[0] if named else getattr(fs, "protocol", "")
        self.protocol = protocol if isinstance(protocol, str) else next(iter(protocol), "")
        _check_prefix(self.protocol, self.prefix)
        if named and fs in _LOCAL:
            if not self.prefix:
                raise ConfigError(f"fs={fs!r} needs a prefix: the absolute path of a directory")
            unknown = sorted(self.options.keys() - {"auto_mkdir"})
            if unknown:
                raise ConfigError(f"fs={fs!r} knows no option {unknown[0]!r}")
        if (named and fs in _LOCAL) or (self.prefix and _is_plain_local(fs)):
            self._fs = None if named else fs
            self.store = load_target("holdall.drivers.local:LocalStore")(self.prefix, create=True)
            return
        try:
            make = load_target("holdall.drivers.factories:open_fsspec")
            self.store = make(fs, path=self.prefix, options=self.options)
        except MissingExtraError:
            raise
        except ImportError as error:  # pragma: no cover  # fsspec is a dependency of the distribution
            raise MissingExtraError('fsspec is not installed: pip install "holdall[columns]"') from error

    @property
    def fs(self) -> Any:
        """The filesystem; made now if it was given by name."""
        if self._fs is None:
            given = getattr(self.store, "fs", None)
            self._fs = load_target("fsspec:filesystem")("file", auto_mkdir=True) if given is None else given
        return self._fs

    @fs.setter
    def fs(self, fs: Any) -> None:
        self._fs = fs


class ObstoreBackend(StorageBackend):
    """Files in a store of obstore.

    Args:
        key: Its name, which rows refer to.
        fs: A store of obstore, or a URL: ``s3://bucket/prefix``, ``gs://``, ``az://``, ``https://``, ``file:///dir``, ``memory://``.
        options: For the store made from a URL, as obstore takes them.

    Raises:
        ConfigError: obstore does not understand the URL or an option.

    Example:
        >>> backend = ObstoreBackend(key="scratch", fs="memory://")
        >>> backend.store.put("a.txt", b"1").size
        1
    """

    driver = "obstore"

    def __init__(self, key: str, fs: Any, **options: Any) -> None:
        super().__init__(key, fs=fs, **options)
        if isinstance(fs, str):
            scheme, _, path = fs.partition("://")
            self.protocol = scheme
            try:
                if scheme == "file":
                    self.fs = load_target("obstore.store:LocalStore")(path, **{"mkdir": True, **options})
                else:
                    self.fs = load_target("obstore.store:from_url")(fs, **options)
            except BaseException as error:  # what obstore says may quote an option's value: not even the traceback shows it
                if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                    raise
                given = f" with {', '.join(sorted(options))}" if options else ""
                raise ConfigError(f"obstore cannot open {scheme}://…{given}: {type(error).__name__}") from None
        elif options:
            raise ConfigError(f"{', '.join(sorted(options))}: options are for a store that is made from a URL")
        else:
            self.protocol = type(fs).__name__.removesuffix("Store").lower()
        self.store = load_target("holdall.drivers.objects:ObstoreStore")(self.fs)

    def __repr__(self) -> str:
        return (
            f"ObstoreBackend(key={self.key!r}, options={mask_value(self.options)!r})" if self.options else super().__repr__()
        )


class MountedBackend(StorageBackend):
    """A mount that was made in another way, as a backend."""

    driver = "mount"

    def __init__(self, key: str, store: Store) -> None:
        super().__init__(key)
        self.store = store
        self.protocol = store.identity.service


def backend_named(key: str) -> Any:
    """Return the backend registered under a key; of a mount made otherwise, one around its store.

    Raises:
        UnknownMountError: No such key; the message has the known ones. It is also a `holdall.errors.ConfigError`.
    """
    mount = default_table().mount(key)
    return MountedBackend(key, mount.store) if mount.backend is None else mount.backend


def store_named(key: str) -> Store:
    """Return the store registered under a key, for one operation.

    Raises:
        UnknownMountError: No such key.
    """
    return default_table().mount(key).bind()


def _is_plain_local(fs: Any) -> bool:
    return not isinstance(fs, str) and type(fs) is load_target("fsspec.implementations.local:LocalFileSystem")


def _check_prefix(protocol: str, prefix: str) -> None:
    if protocol in _BUCKETS and prefix.startswith("/"):
        raise ConfigError(f"a prefix in buckets does not start with '/': {prefix.lstrip('/')!r}, not {prefix!r}")
    if protocol in _LOCAL and prefix and not os.path.isabs(prefix):
        raise ConfigError(f"a local prefix is absolute: {os.path.abspath(prefix)!r}, say, not {prefix!r}")
