"""A lazy walk over a local tree in the order of whole keys, with the memory of the directories on the way.

The names of one directory are sorted with directories as ``name/``: that is the order of the keys below, because ``/`` takes
part in the comparison as itself (``a-b`` < ``a/b`` < ``a0``). Only names are held; each file is looked at when its turn
comes, and one that is gone by then is left out.
"""

from __future__ import annotations

import logging
import os
import stat as modes
from bisect import bisect_right
from collections.abc import Iterator

from holdall.core.keys import MAX_KEY_BYTES, RESERVED, is_reserved
from holdall.core.meta import ListPage, ObjectMeta
from holdall.drivers import _local_system as system
from holdall.drivers._local_meta import describe, is_file
from holdall.drivers._local_root import Root
from holdall.errors import HoldallError, NotFoundError, PermissionDeniedError

__all__ = ["walk"]

PAGE = 1000
_log = logging.getLogger("holdall.local")


class _Level:
    """One open directory of the walk: its key (``""`` or ending with ``/``) and the names still to come."""

    __slots__ = ("at", "before", "fd", "key", "links", "names")

    def __init__(self, key: str, fd: int | None, before: str) -> None:
        self.key = key
        self.fd = fd
        self.before = before
        self.names: list[str] = []
        self.links: set[str] = set()
        self.at = 0


def walk(root: Root, prefix: str, *, delimiter: str | None, start_after: str | None, hidden: bool) -> Iterator[ListPage]:
    """Yield the pages of a listing. See `Store.list`.

    Args:
        root: Where.
        prefix: Literal text that keys start with.
        delimiter: ``"/"`` or ``None``.
        start_after: Only what is greater.
        hidden: Leave out what is reserved.

    Raises:
        PermissionDeniedError: A directory may not be read: to leave it out would tell a sync to delete its copy.
        UnavailableError: The root is gone, or the disk does not answer.
    """
    return _Walk(root, prefix, delimiter, start_after or "", hidden=hidden).pages()


class _Walk:
    def __init__(self, root: Root, prefix: str, delimiter: str | None, after: str, *, hidden: bool) -> None:
        self.root = root
        self.prefix = prefix
        self.base = prefix[: prefix.rfind("/") + 1]
        self.delimiter = delimiter
        self.after = after
        self.hidden = hidden
        self.levels: list[_Level] = []

    def pages(self) -> Iterator[ListPage]:
        objects: list[ObjectMeta] = []
        prefixes: list[str] = []
        try:
            if self._begin():
                prefixes.append(self.base)
            while self.levels:
                self._step(objects, prefixes)
                if len(objects) + len(prefixes) >= PAGE:
                    yield ListPage(objects, prefixes)
                    objects, prefixes = [], []
            if objects or prefixes:
                yield ListPage(objects, prefixes)
        finally:
            for level in self.levels:
                self.root.leave(level.fd)
            self.levels.clear()

    def _begin(self) -> bool:
        """Open the directory that the prefix names; tell whether it is itself an empty one to be shown."""
        base = self.base
        if self.after and base < self.after and not self.after.startswith(base):
            self.root.check()
            return False
        if (
            "//" in base or (self.hidden and is_reserved(base)) or (os.name == "nt" and "\\" in base)
        ):  # nothing to be shown begins so
            self.root.check()
            return False
        try:
            fd, before = self.root.folder(base[:-1])
        except PermissionDeniedError:  # a link out of the root
            return False
        except HoldallError:
            raise
        except OSError as error:
            answer = self.root.explain(error, base)
            if isinstance(answer, NotFoundError):
                return False
            raise answer from error
        level = _Level(base, fd, before)
        self.levels.append(level)
        empty = self._read(level)
        return empty and bool(base) and base == self.prefix and self.delimiter is None and base > self.after

    def _step(self, objects: list[ObjectMeta], prefixes: list[str]) -> None:
        """Take the next name of the deepest level."""
        level = self.levels[-1]
        names, key = level.names, level.key
        at, end = level.at, min(len(level.names), level.at + PAGE - len(objects) - len(prefixes))
        fd, before, links = level.fd, level.before, level.links
        while at < end:
            name = names[at]
            at += 1
            if name[-1] == "/":
                level.at = at
                if self._directory(level, name, prefixes):
                    return
                continue
            try:
                stat = os.stat(before + name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self.root.explain(error, key + name) from error
            if links and name in links:
                linked = self._linked_file(key + name)
                if linked is None:
                    continue
                stat = linked
            elif not is_file(stat):  # something else stands there now
                continue
            objects.append(describe(key + name, stat))
        level.at = at
        if at >= len(names):
            self.levels.pop()
            self.root.leave(fd)

    def _directory(self, level: _Level, name: str, prefixes: list[str]) -> bool:
        """Show or enter a directory; tell whether it was entered."""
        key = level.key + name
        linked = name in level.links
        if self.delimiter is not None and not linked:
            prefixes.append(key)
            return False
        try:
            if linked or not system.RELATIVE:
                fd, before = self.root.folder(key[:-1])
            else:
                fd, before = os.open(name[:-1], system.DIRECTORY | system.NOFOLLOW, dir_fd=level.fd), ""
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionDeniedError:  # a link out of the root
            return False
        except HoldallError:
            raise
        except OSError as error:
            raise self.root.explain(error, key) from error
        if self.delimiter is not None:
            self.root.leave(fd)
            prefixes.append(key)
            return False
        if linked and self._loops(fd, before):
            self.root.leave(fd)
            return False
        deeper = _Level(key, fd, before)
        self.levels.append(deeper)
        if self._read(deeper) and key > self.after:
            prefixes.append(key)
        return True

    def _loops(self, fd: int | None, before: str) -> bool:
        """Tell whether a linked directory is one of those that the walk is in."""
        here = os.fstat(fd) if fd is not None else os.stat(before)
        return any(
            os.path.samestat(here, os.fstat(above.fd) if above.fd is not None else os.stat(above.before))
            for above in self.levels
        )

    def _linked_file(self, key: str) -> os.stat_result | None:
        try:
            fd = self.root.open(key)
        except (NotFoundError, PermissionDeniedError):
            return None
        try:
            stat = os.fstat(fd)
        finally:
            os.close(fd)
        return stat if is_file(stat) else None

    def _read(self, level: _Level) -> bool:
        """Read the names of a directory, sort them, drop those before the start; tell whether nothing is in it."""
        names = level.names
        room = MAX_KEY_BYTES - len(level.key.encode())
        try:
            with os.scandir(level.fd if level.fd is not None else level.before) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(RESERVED) and self._reserved(name):
                        continue
                    if not name.isascii() or len(name) >= room:
                        try:
                            size = len(name.encode())
                        except UnicodeEncodeError:
                            size = MAX_KEY_BYTES
                        if size > room or size == MAX_KEY_BYTES:
                            _log.warning("%s: not listed, no key can name %r in %r", self.root.display, name, level.key)
                            continue
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            names.append(f"{name}/")
                        elif entry.is_file(follow_symlinks=False):
                            names.append(name)
                        elif entry.is_symlink():
                            self._take_link(level, name)
                    except OSError:  # a link that leads nowhere or in circles, or a file that is gone
                        continue
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self.root.explain(error, level.key) from error
        if len(names) > 1:
            names.sort()
        empty = not names
        stem = self.prefix[len(level.key) :] if len(self.prefix) > len(level.key) else ""
        if stem:
            level.names = names = [name for name in names if name.startswith(stem)]
        if self.after.startswith(level.key):
            rest = self.after[len(level.key) :]
            level.at = bisect_right(names, rest)
            within = rest[: rest.find("/") + 1]
            if within and self.delimiter is None and level.at and names[level.at - 1] == within:
                level.at -= 1
        return empty

    def _take_link(self, level: _Level, name: str) -> None:
        stat = os.stat(level.before + name, dir_fd=level.fd)
        if modes.S_ISDIR(stat.st_mode):
            name += "/"
        elif not is_file(stat):
            return
        level.names.append(name)
        level.links.add(name)

    def _reserved(self, name: str) -> bool:
        """Tell whether a name that begins like ours is to be hidden: temporaries always are."""
        if name == RESERVED:
            return self.hidden
        return name.startswith(f"{RESERVED}-") and (self.hidden or name.endswith(".tmp"))
