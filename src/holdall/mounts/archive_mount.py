"""`ArchiveMount`: the inside of an archive that lies in another mount, ``file: "mount:path"``."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from holdall.core.keys import clean_path
from holdall.engine.table import Mount
from holdall.errors import UnknownMountError
from holdall.mounts.mount import DescribedMount
from holdall.mounts.paths import relative_parent

if TYPE_CHECKING:
    from holdall.drivers.registry import Bound, Registry
    from holdall.engine.table import MountTable
    from holdall.store import Store

__all__ = ["ARCHIVES", "ArchiveMount", "archive_place"]

ARCHIVES = frozenset({"zip", "tar"})


def archive_place(bound: Bound) -> tuple[str, str] | None:
    """Return the mount and path that an archive lies in; ``None`` if it is a local file or something open."""
    file = bound.fields.get("file")
    if bound.type not in ARCHIVES or not isinstance(file, str) or bound.fields.get("target_protocol"):
        return None
    return None if "://" in file else relative_parent(file)


class ArchiveMount(DescribedMount):
    """An archive read through the mount it lies in, by ranges: what is not looked at is not fetched.

    It is pinned to the content that it was opened on; a replaced archive is `PreconditionError`, not a mixture.
    """

    def __init__(
        self,
        name: str,
        spec: Any,
        bound: Bound,
        registry: Registry,
        place: tuple[str, str],
        table: MountTable,
        *,
        base: str | None = None,
    ) -> None:
        super().__init__(name, spec, bound, registry, base=base)
        self.parent, self.below = place[0], clean_path(place[1])
        self.table = table

    def check(self, table: Mapping[str, Mount]) -> None:
        """Raise if the mount of the archive is missing."""
        if self.parent not in table:
            names = ", ".join(map(repr, table)) or "none"
            raise UnknownMountError(f"Parent mount {self.parent!r} not found (mount {self.name!r}; available: {names})")

    def open(self) -> Store:
        """Make the store of its inside; the archive itself is opened by the first verb."""
        file = io.BufferedReader(_Later(self.table, self.parent, self.below))
        return self.registry.open(self.bound.with_fields(file=file), base=self.base)


class _Later(io.RawIOBase):
    """A file of a mount that is opened when it is first read, in whatever thread that is."""

    def __init__(self, table: MountTable, mount: str, key: str) -> None:
        self._place = table, mount, key

    @cached_property
    def _file(self) -> IO[bytes]:
        from holdall.engine.streams import open_reader  # noqa: PLC0415  # few mounts are archives

        table, mount, key = self._place
        return open_reader(table.mount(mount).store, key)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if "_file" in self.__dict__:
            self._file.close()
        super().close()
