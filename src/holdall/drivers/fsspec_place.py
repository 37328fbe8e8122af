"""What an fsspec filesystem is, seen from a store: the one that does the work, the path in it, and how it publishes a write.

``dir::`` only prepends a path and an async wrapper only adds a colour: they are looked through. A caching filesystem is
remembered: reads go through it, writes past it.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from holdall.errors import ConfigError, ForkedProcessError, MissingExtraError, UnavailableError

__all__ = ["Family", "Place", "family_of", "find_place", "is_dead", "protocols_of", "remade", "reopened"]

Family = Literal["s3", "put", "rename", "local", "memory", "http", "webdav", "read"]
"""How a write becomes visible: by S3's own calls, by one upload that is atomic, by a rename, by WebDAV's MOVE, or not at all."""

PUT_PROTOCOLS = frozenset(
    {"gs", "gcs", "abfs", "abfss", "az", "oss", "obs", "oci", "ocilake", "tos", "tosfs", "cos", "cosn", "r2", "swift"}
)
"""Object stores: an upload appears whole when it is complete, or not at all."""

_OURS = {
    "sshfs": 'sshfs: pip install "holdall[sftp]"',
    "asyncssh": 'sshfs: pip install "holdall[sftp]"',
    "smbclient": 'smbprotocol: pip install "holdall[smb]"',
    "smbprotocol": 'smbprotocol: pip install "holdall[smb]"',
    "pygit2": 'pygit2: pip install "holdall[git]"',
    "libarchive": 'libarchive-c: pip install "holdall[libarchive]"',
}
"""What an extra of ours brings: by module, and by the protocol of a package that tells fsspec of itself."""

_kept: list[Any] = []


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects of a store are.

    Attributes:
        fs: The filesystem that does the work.
        root: Path in it, as the filesystem writes it, without a trailing ``/`` (``""`` and ``"/"`` apart).
        family: How it publishes.
        given: The filesystem that the user named.
        cache: A caching filesystem on the way, or ``None``.
    """

    fs: Any
    root: str
    family: Family
    given: Any
    cache: Any = None

    def full(self, path: str) -> str:
        """Return the filesystem's name of a path below the root.

        Example:
            >>> Place(None, "bucket/x", "put", None).full("a/b"), Place(None, "/", "local", None).full("a")
            ('bucket/x/a/b', '/a')
        """
        if not path:
            return self.root
        if not self.root:
            return f"/{path}" if self.family == "memory" else path
        return self.root + path if self.root.endswith("/") else f"{self.root}/{path}"

    @property
    def bucket(self) -> str:
        """The bucket, if the root is a prefix in one: there also while nothing is below it; else ``""``.

        Example:
            >>> Place(None, "bucket/x/y", "put", None).bucket, Place(None, "/srv/x", "rename", None).bucket
            ('bucket', '')
        """
        bucket, slash, _ = self.root.partition("/")
        return bucket if slash and self.family in {"put", "s3"} else ""


def protocols_of(cls: Any) -> tuple[str, ...]:
    """Return the protocol names of a filesystem or its class."""
    found = getattr(cls, "protocol", "")
    return (found,) if isinstance(found, str) else tuple(found)


def family_of(cls: type[Any]) -> Family:
    """Return how the filesystems of a class publish a write, ``read`` if that is not known to be atomic.

    A class that renames by itself is taken to do so atomically; the generic ``mv`` of fsspec copies and deletes.
    """
    from fsspec.asyn import AsyncFileSystem  # noqa: PLC0415  # not at import
    from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415
    from fsspec.implementations.memory import MemoryFileSystem  # noqa: PLC0415
    from fsspec.spec import AbstractFileSystem  # noqa: PLC0415

    names = set(protocols_of(cls))
    if hasattr(cls, "_call_s3"):
        return "s3"
    if any(base.__module__ == "webdav4.fsspec" for base in cls.__mro__):
        return "webdav"
    if issubclass(cls, MemoryFileSystem):
        return "memory"
    if issubclass(cls, LocalFileSystem):
        return "local"
    if names & {"http", "https"}:
        return "http"
    if names & PUT_PROTOCOLS:
        return "put"
    for name in ("mv", "mv_file", "_mv", "_mv_file"):
        method = getattr(cls, name, None)
        if method is not None and method not in {
            getattr(AbstractFileSystem, name, None),
            getattr(AsyncFileSystem, name, None),
        }:
            return "rename"
    return "read"


def class_of(name: str) -> type[Any]:
    """Return the class of a protocol.

    Raises:
        MissingExtraError: Its package is not installed.
        ConfigError: There is no such protocol.
    """
    registry: Any = importlib.import_module("fsspec.registry")
    try:
        found: type[Any] = registry.get_filesystem_class(name)
    except ImportError as error:
        raise MissingExtraError(f"the filesystem {name!r} needs {_lacking(error)}") from error
    except ValueError as error:
        if name in _OURS:
            raise MissingExtraError(f"the filesystem {name!r} needs {_OURS[name]}") from error
        raise ConfigError(f"fsspec knows no filesystem {name!r}") from error
    return found


def _lacking(error: ImportError) -> str:
    """Return the package that an import lacks, and how to install it; fsspec hides the import's own error behind one of its words."""
    cause: BaseException | None = error
    while cause is not None:
        module = getattr(cause, "name", None)
        if module:
            package = module.partition(".")[0]
            return _OURS.get(package) or f"{package}: pip install {package.replace('_', '-')}"
        cause = cause.__cause__ or cause.__context__
    return f"a package: {error}"


def find_place(fs: Any, path: str, options: Mapping[str, Any], *, publish: str = "auto") -> Place:
    """Make or take a filesystem and look through what only wraps it. May block.

    Raises:
        ConfigError: The filesystem cannot be made, or a local path is relative.
    """
    if isinstance(fs, str):
        given, path = _made(fs, path, options)
    else:
        given = fs
    return _resolved(Place(fs=given, root=path, family="read", given=given), publish)


def _made(name: str, path: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Make the filesystem of a protocol or of a URL, which may be a chain (``simplecache::s3://bucket/x``)."""
    core: Any = importlib.import_module("fsspec.core")
    shown = name.partition("://")[0]  # what follows may hold a password
    try:
        if "://" in name or "::" in name:
            if "://" not in name:
                url = f"{name}://{path}"
            elif path:
                url = name + path if name.endswith("://") else f"{name.rstrip('/')}/{path.lstrip('/')}"
            else:
                url = name
            fs, root = core.url_to_fs(url, **options)
            return fs, str(root)
        return core.filesystem(name, **options), path
    except ImportError as error:
        raise MissingExtraError(f"the filesystem {shown!r} needs {_lacking(error)}") from error
    except OSError as error:
        # an archive that is not there, a server that a filesystem asks when it is made
        raise UnavailableError(
            f"the filesystem {shown!r} cannot be opened: {error.strerror or type(error).__name__}"
        ) from error
    except Exception as error:
        # what the filesystem says may quote an option: its kind is told, its words are not
        raise ConfigError(f"fsspec cannot make the filesystem {shown!r}: {type(error).__name__}") from error


def _resolved(place: Place, publish: str) -> Place:
    from fsspec.asyn import AsyncFileSystem  # noqa: PLC0415  # not at import
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper  # noqa: PLC0415
    from fsspec.implementations.cached import CachingFileSystem  # noqa: PLC0415
    from fsspec.implementations.dirfs import DirFileSystem  # noqa: PLC0415

    fs, root, cache = place.fs, place.root, None
    for _ in range(16):
        kind = type(fs)
        if issubclass(kind, DirFileSystem):
            root = fs._join(root) if root else fs.path
            fs = fs.fs
        elif issubclass(kind, AsyncFileSystemWrapper):
            fs = fs.sync_fs
        elif issubclass(kind, CachingFileSystem):
            cache = cache or fs
            fs = object.__getattribute__(fs, "__dict__")["fs"]
        else:
            break
    family = family_of(type(fs))
    if family == "webdav" and cache is not None:
        family = "rename"
    if publish != "auto":
        family = {"put": "put", "rename": "rename", "none": "read"}[publish]  # type: ignore[assignment]
    if family == "local":
        if root and not root.startswith(("file:", "local:")) and not os.path.isabs(os.path.expanduser(root)):
            raise ConfigError(f"a local path must be absolute: {os.path.abspath(root)!r}, say, not {root!r}")
        root = root or "/"
    elif root.startswith("/") and (family == "s3" or set(protocols_of(fs)) & PUT_PROTOCOLS):
        raise ConfigError(f"a path in buckets does not start with '/': {root.lstrip('/')!r}, not {root!r}")
    asynchronous = issubclass(type(fs), AsyncFileSystem) and fs.asynchronous
    if asynchronous and cache is not None:
        raise ConfigError("a cache over a filesystem made with asynchronous=True cannot be read")
    stripped = str(fs._strip_protocol(root)) if root else root
    return replace(place, fs=fs, root=stripped if stripped == "/" else stripped.rstrip("/"), family=family, cache=cache)


def reopened(place: Place) -> Any:
    """Return the user's filesystem anew, for a forked child: connections belong to the parent.

    Raises:
        ForkedProcessError: It cannot be made again from its arguments.
    """
    if place.family in {"local", "memory"} and place.cache is None:
        return place.given
    try:
        return remade(place)
    except Exception as error:
        fs = place.given
        raise ForkedProcessError(
            f'the {type(fs).__name__} was made before fork() and cannot be made again: start processes with "spawn" or "forkserver"'
        ) from error


def is_dead(fs: Any) -> bool:
    """Tell whether the one connection of a filesystem is closed: sshfs does not connect again by itself."""
    closed = getattr(getattr(fs, "_client", None), "is_closed", None)
    return callable(closed) and bool(closed())


def remade(place: Place) -> Any:
    """Return the user's filesystem made anew from its arguments; it stays to the end of the process, as those in fsspec's cache do."""
    fs = place.given
    made = type(fs)(*fs.storage_args, **{**fs.storage_options, "skip_instance_cache": True})
    _kept.append(
        made
    )  # sshfs, when it is collected, closes its connection in whichever event loop is running then, and hangs that
    return made


def accepts(method: Any, name: str) -> bool:
    """Tell whether a method has a parameter of this name.

    Example:
        >>> accepts(Place.full, "path"), accepts(Place.full, "start")
        (True, False)
    """
    try:
        return name in inspect.signature(method).parameters
    except (TypeError, ValueError):
        return False
