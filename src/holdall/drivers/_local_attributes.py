"""Where the local driver keeps headers, user metadata and tags: one extended attribute, or a sidecar file.

The attribute is ``user.holdall``, a JSON object. Where the file system has none of the kind, or it is too small, the same
JSON lies in ``.holdall/meta/<etag>`` below the root: named by time, size and inode of the very content that it describes,
it follows every rename by itself and can never describe another content.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.core.keys import RESERVED
from holdall.core.meta import EMPTY, NO_ATTRIBUTES, Attributes, ObjectMeta, empty, lazy_meta
from holdall.drivers import _local_system as system
from holdall.drivers._local_meta import LocalMeta, etag_of
from holdall.drivers._local_root import Root

if TYPE_CHECKING:
    import json
else:
    json = lazy("json")

__all__ = ["NAME", "NOTHING", "Kept", "ReplacedError", "Shelf", "described", "tags_in"]

NAME = "user.holdall"
SIDECARS = f"{RESERVED}/meta"
_POINTER = b'{"sidecar":true}'
_TOO_LARGE = frozenset({errno.ENOSPC, errno.E2BIG, errno.ERANGE, getattr(errno, "EDQUOT", errno.ENOSPC)})
_HEADERS = tuple(f.name for f in fields(Attributes) if f.name != "metadata")
_XATTRS = hasattr(os, "getxattr")


class ReplacedError(Exception):
    """The file was replaced or touched between two looks at it: look again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept beside the bytes of one file."""

    attributes: Attributes = NO_ATTRIBUTES
    tags: Mapping[str, str] = field(default_factory=empty)

    def encode(self) -> bytes:
        """Return the JSON of what there is; nothing if there is nothing."""
        if not (self.attributes is not NO_ATTRIBUTES or self.tags):
            return b""
        quote, attributes = _quote(), self.attributes
        kept = [f'"{name}":{quote(value)}' for name in _HEADERS if (value := getattr(attributes, name)) is not None]
        for name, texts in (("metadata", attributes.metadata), ("tags", self.tags)):
            if texts:
                pairs = ",".join([f"{quote(key)}:{quote(value)}" for key, value in texts.items()])
                kept.append(f'"{name}":{{{pairs}}}')
        return f"{{{','.join(kept)}}}".encode() if kept else b""

    @classmethod
    def decode(cls, raw: bytes) -> Kept:
        """Return what JSON says; what others wrote there and is none of ours is nothing."""
        if not raw:
            return NOTHING
        try:
            kept = json.loads(raw)
        except ValueError:
            return NOTHING
        if not isinstance(kept, dict):
            return NOTHING
        named: dict[str, Any] = {name: kept[name] for name in _HEADERS if isinstance(kept.get(name), str)}
        return cls(Attributes(**named, metadata=_texts(kept.get("metadata"))), _texts(kept.get("tags")))


NOTHING = Kept()


@functools.cache
def _quote() -> Callable[[str], str]:
    """Return what writes a text as JSON; an encoder would be made anew at each call."""
    return json.encoder.encode_basestring


class KeptMeta(LocalMeta):
    """What the system says of a file beside which something is kept: the source is its `os.stat_result` and that."""

    __slots__ = ()

    def _derive(self, name: str) -> Any:
        stat, raw = self._source
        return Kept.decode(raw).attributes if name == "attributes" else self.of(stat, name)


def described(key: str, stat: os.stat_result, raw: bytes) -> ObjectMeta:
    """Return the description of a file; what is kept beside it is decoded when somebody looks at it."""
    if type(key) is not str:
        key = str(key)
    return lazy_meta(KeptMeta, key, stat.st_size, (stat, raw)) if raw else lazy_meta(LocalMeta, key, stat.st_size, stat)


def tags_in(raw: bytes) -> Mapping[str, str]:
    """Return the tags among what is kept beside a file."""
    return Kept.decode(raw).tags if b'"tags"' in raw else EMPTY


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return EMPTY
    return {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, str)}


class Shelf:
    """Reads and writes what is kept beside files below one root."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._devices: dict[int, bool] = {}
        self._used: bool | None = None

    def read(self, fd: int, stat: os.stat_result) -> bytes:
        """Return what is kept beside an open file, as `Kept.decode` takes it: most readers look at none of it.

        Raises:
            ReplacedError: It was just replaced, and its sidecar is gone: open the new one.
            OSError: As the system says.
        """
        if _XATTRS:
            try:
                names = os.listxattr(fd)
                if NAME in names:
                    raw = os.getxattr(fd, NAME)
                    return self._read_sidecar(fd, stat) if raw == _POINTER else raw
            except OSError as error:
                if error.errno not in system.UNSUPPORTED and error.errno != errno.ENODATA:
                    raise
            if self._devices.get(stat.st_dev) or self._supported(fd, stat):
                return b""
        return self._read_sidecar(fd, stat)

    def write(self, fd: int, stat: os.stat_result, kept: Kept, *, fresh: bool = False) -> None:
        """Replace what is kept beside an open file; ``fresh`` says that nothing was.

        Raises:
            OSError: As the system says.
        """
        raw = kept.encode()
        if fresh and not raw:
            return
        if self._supported(fd, stat):
            if not raw:
                with contextlib.suppress(OSError):
                    os.removexattr(fd, NAME)
                self.drop(stat)
                return
            try:
                os.setxattr(fd, NAME, raw)
            except OSError as error:
                if error.errno not in _TOO_LARGE:
                    raise
            else:
                if not fresh:
                    self.drop(stat)
                return
            self._write_sidecar(stat, raw)
            os.setxattr(fd, NAME, _POINTER)
        elif raw:
            self._write_sidecar(stat, raw)
        else:
            self.drop(stat)

    def in_use(self) -> bool:
        """Tell whether there were sidecars below this root when it was first used, or are since: else none need be dropped."""
        if self._used is None:
            self._used = os.path.isdir(self._root.before + SIDECARS)
        return self._used

    def drop(self, stat: os.stat_result) -> None:
        """Remove the sidecar of a content that is no more, if there is one."""
        with contextlib.suppress(OSError):
            fd, before = self._root.folder(SIDECARS)
            try:
                os.unlink(before + etag_of(stat), dir_fd=fd)
            finally:
                self._root.leave(fd)

    def _supported(self, fd: int, stat: os.stat_result) -> bool:
        """Tell, asking once for each device, whether files there can have attributes of users."""
        known = self._devices.get(stat.st_dev)
        if known is None:
            known = _XATTRS
            try:
                if known:
                    os.getxattr(fd, NAME)
            except OSError as error:
                known = error.errno not in system.UNSUPPORTED
            self._devices[stat.st_dev] = known
        return known

    def _read_sidecar(self, fd: int, stat: os.stat_result) -> bytes:
        try:
            folder, before = self._root.folder(SIDECARS)
            try:
                sidecar = os.open(before + etag_of(stat), system.READ | system.NOFOLLOW, dir_fd=folder)
            finally:
                self._root.leave(folder)
        except (FileNotFoundError, NotADirectoryError):
            again = os.fstat(fd)
            if again.st_nlink == 0 or again.st_mtime_ns != stat.st_mtime_ns:
                raise ReplacedError from None
            return b""
        try:
            return system.read_at(sidecar, os.fstat(sidecar).st_size, 0)
        finally:
            os.close(sidecar)

    def _write_sidecar(self, stat: os.stat_result, raw: bytes) -> None:
        self._used = True
        folder, before = self._root.make_folder(SIDECARS)
        try:
            name = before + system.temporary_name()
            sidecar = os.open(
                name, system.NEW, 0o666 if self._root.file_mode is None else self._root.file_mode, dir_fd=folder
            )
            try:
                try:
                    system.write_all(sidecar, raw)
                    if self._root.durable:
                        os.fsync(sidecar)
                finally:
                    os.close(sidecar)
                os.replace(name, before + etag_of(stat), src_dir_fd=folder, dst_dir_fd=folder)
                if self._root.durable and folder is not None:
                    os.fsync(folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                raise
        finally:
            self._root.leave(folder)
