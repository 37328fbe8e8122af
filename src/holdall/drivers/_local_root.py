"""The root of a local store: keys to open files and directories below it, never outside, and the lock of a directory."""

from __future__ import annotations

import errno
import os
import random
import stat as modes
import time
from collections.abc import Callable

from holdall.core.disk_errors import meaning
from holdall.core.keys import RESERVED, check_key
from holdall.core.preconditions import missing
from holdall.drivers import _local_system as system
from holdall.drivers._local_turns import Turns
from holdall.errors import (
    ClosedError,
    HoldallError,
    InvalidKeyError,
    MissingPlaceError,
    NotDirectoryError,
    NotFoundError,
    PermissionDeniedError,
    StoreTimeoutError,
    UnavailableError,
)

__all__ = ["Folder", "Root", "check_file_key", "split"]

Folder = tuple[int | None, str]
"""An open directory and what stands before names relative to it; ``(None, path + "/")`` where names cannot be relative."""

LOCK_SECONDS = 60.0
_ATTEMPTS = 100
_UNTRIED = -(1 << 16)
_KIND, _REGULAR, _DIRECTORY, _LINK = 0o170000, 0o100000, 0o040000, 0o120000
_ABSENT = frozenset({-errno.ENOENT, -errno.ENOTDIR})
_WINDOWS_ONLY = frozenset('\\:*?"<>|')


def check_file_key(key: str) -> str:
    """Return the key if a file or directory of this name can exist here.

    Raises:
        InvalidKeyError: Not a key (see `check_key`), or with an empty segment: a file system cannot hold ``a//b``.
    """
    check_key(key)
    if "//" in key:
        raise InvalidKeyError(f"{key!r} has an empty segment, which no file system can hold", key=key)
    if os.name == "nt" and not _WINDOWS_ONLY.isdisjoint(key):
        raise InvalidKeyError(f"{key!r} has a character that Windows gives a meaning of its own", key=key)
    return key


def split(key: str) -> tuple[str, str]:
    """Return the parent directory's path (``""`` is the root) and the name, without a trailing ``/``."""
    parent, _, name = (key[:-1] if key[-1] == "/" else key).rpartition("/")
    return parent, name


class Root:
    """One directory, opened lazily and anew for every act: no descriptor is kept, so forks and mounts cannot harm.

    Invariant: every descriptor handed out is of something whose real path lies below the real path of the root. Where
    Linux has ``openat2``, paths without links are opened in one call that refuses links; all others are opened and then
    asked for their real path. Either way a link that is swapped in meanwhile wins nothing.

    Attributes:
        path: As given, absolute.
        create: Make the directory at first use.
        durable: Ask the disk to keep what is written before saying so.
        file_mode, dir_mode: Permissions of what is made; the process's umask decides where ``None``.
        display: The store as shown in errors.
        turns: For threads that write small files.
        plain: Opens a path below `base` for reading, if no part of it is a link; ``None`` before first use and where there is no
            such call (see `system.plain_opener`).
        base: The root with a separator, as the system wants it.
    """

    def __init__(
        self, path: str, *, create: bool, durable: bool, file_mode: int | None, dir_mode: int | None, display: str
    ) -> None:
        self.path = path
        self.create = create
        self.durable = durable
        self.file_mode = file_mode
        self.dir_mode = dir_mode
        self.display = display
        self.real = ""
        self.before = ""
        self.closed = False
        self.turns = Turns()
        self.base = b""
        self.plain: Callable[[bytes], int] | None = None
        self._plain_directory: Callable[[bytes], int] | None = None
        self._plain_look: Callable[[bytes], int] | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `ClosedError` after `close`, and find the root at first use."""
        if self.closed:
            raise ClosedError("the store is closed", store=self.display)
        if not self.real:
            self._settle()

    def close(self) -> None:
        """Refuse from now on."""
        self.closed = True
        self.plain = self._plain_directory = self._plain_look = None

    def _settle(self) -> None:
        try:
            if self.create:
                os.makedirs(self.path, self.dir_mode if self.dir_mode is not None else 0o777, exist_ok=True)
            real = os.path.realpath(self.path)
            if not modes.S_ISDIR(os.stat(real).st_mode):
                raise NotDirectoryError(f"the root {self.path!r} is no directory", store=self.display)
        except (FileExistsError, NotADirectoryError) as error:
            raise NotDirectoryError(f"the root {self.path!r} is no directory", store=self.display) from error
        except FileNotFoundError as error:
            raise self._vanished(" (create=True makes it)") from error
        except OSError as error:
            raise self.explain(error, "") from error
        self._adopt(real)

    def _adopt(self, real: str) -> None:
        self.before = self.path if self.path.endswith(os.sep) else self.path + os.sep
        self.base = os.fsencode(self.before)
        # A link on the way to the root may be turned at any time: then each path is looked at anew.
        if real == self.path and not self.closed:
            self.plain = system.plain_opener(system.READ)
            self._plain_directory = system.plain_opener(system.DIRECTORY)
            self._plain_look = system.plain_opener(system.LOOK)
        else:
            self.plain = self._plain_directory = self._plain_look = None
        self.real = real

    # -- opening ------------------------------------------------------------------------------------------------------

    def open(self, key: str) -> int:
        """Open what is at a key for reading.

        Raises:
            NotFoundError: Nothing there.
            PermissionDeniedError: Not readable, or a link leads out of the root.
            UnavailableError: The root is gone, or the disk does not answer.
        """
        plain = self.plain
        fd = _UNTRIED if plain is None else plain(self.base + key.encode())
        return fd if fd >= 0 else self.open_otherwise(key, fd)

    def open_otherwise(self, key: str, why: int = _UNTRIED) -> int:
        """Open what is at a key by the longer way; ``why`` is what `plain` answered. See `open`."""
        if key[-1] == "/":
            self.check()
            raise self.missing(key)
        if why == _UNTRIED:  # at first, after `close`, and where there is no such call
            self.check()
            if self.plain is not None:
                return self.open(key)
        elif why in _ABSENT:
            raise self.missing(key)
        path = self.before + key
        try:
            return self._open_contained(path, system.READ, key)
        except HoldallError:
            raise
        except OSError as error:
            if not system.RELATIVE and os.path.isdir(path):  # Windows has no permission to open a directory
                raise self.missing(key) from error
            raise self.explain(error, key) from error

    def glance(self, key: str) -> os.stat_result | None:
        """Return what the system says of a file or directory, ``None`` if neither is there; nothing is opened for reading.

        Raises:
            PermissionDeniedError: A link leads out of the root, or a directory on the way cannot be searched.
            UnavailableError: The root is gone, or the disk does not answer.
        """
        if self.closed or not self.real:
            self.check()
        plain = self._plain_look
        try:
            if plain is None:
                return self._glance_contained(key)
            if "/" not in key:  # one name below a root without links: only the name itself can be a link
                found = os.lstat(self.before + key)
                return self._glance_contained(key) if found.st_mode & _KIND == _LINK else _known(found)
            fd = plain(self.base + key.encode())
            if fd < 0:
                if fd not in _ABSENT:
                    return self._glance_contained(key)
                os.stat(self.path)
                return None
            try:
                return _known(os.fstat(fd))
            finally:
                os.close(fd)
        except OSError as error:
            if -(error.errno or 0) in _ABSENT and os.path.exists(self.path):
                return None  # as `explain` would find, without making the error
            why = self.explain(error, key)
            if isinstance(why, NotFoundError):
                return None
            raise why from error

    def _glance_contained(self, key: str) -> os.stat_result | None:
        fd = self._open_contained(self.before + key, system.READ, key)
        try:
            return _known(os.fstat(fd))
        finally:
            os.close(fd)

    def folder(self, path: str, key: str | None = None) -> Folder:
        """Open a directory, ``""`` for the root; errors of ours name the key that it is opened for.

        Raises:
            FileNotFoundError, NotADirectoryError, OSError: As the system says; see `explain`.
            PermissionDeniedError: A link leads out of the root.
        """
        plain = self._plain_directory
        if plain is None:
            self.check()
            plain = self._plain_directory
        if plain is not None:
            fd = plain(self.base + path.encode())
            if fd >= 0:
                return fd, ""
            if fd == -errno.ENOENT:  # and no link on the way: that is another answer
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.before + path)
        whole = self.before + path
        if not system.RELATIVE:
            return self._folder_by_path(path, whole, key)
        return self._open_contained(whole, system.DIRECTORY, key or path), ""

    def make_folder(self, path: str, made: list[str] | None = None, key: str | None = None) -> Folder:
        """Open a directory, made with its parents if need be; the paths of those made are added to ``made``.

        Raises:
            NotADirectoryError, OSError: A file is in the way, or what the system says.
            PermissionDeniedError: A link leads out of the root.
        """
        try:
            return self.folder(path, key)
        except FileNotFoundError:
            if not path:
                raise
        if not system.RELATIVE:
            return self._make_by_path(path, made, key)
        for attempt in range(_ATTEMPTS):
            here, done = self._deepest(path)
            try:
                return self._make(here, path, done, made, key), ""
            except FileNotFoundError:  # what was just entered was removed
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _deepest(self, path: str) -> tuple[int, str]:
        """Open the deepest directory on a path that is there and free of links, or the root; return it and its path."""
        plain = self._plain_directory
        while plain is not None and (path := path.rpartition("/")[0]):
            here = plain(self.base + path.encode())
            if here >= 0:
                return here, path
        root, _ = self.folder("")
        assert root is not None  # names can be relative
        return root, ""

    def _make(self, here: int, path: str, done: str, made: list[str] | None, key: str | None) -> int:
        """Walk down from an open directory at the path ``done``, which is closed, making what is missing."""
        try:
            for segment in path[len(done) :].strip("/").split("/"):
                done = f"{done}/{segment}" if done else segment
                above, here = here, self._enter(here, segment, done, made, key or path)
                os.close(above)  # no name has it by now: an interruption that comes here must not close it again
        except BaseException:
            os.close(here)
            raise
        return here

    def _enter(self, here: int, segment: str, path: str, made: list[str] | None, key: str) -> int:
        """Open a directory below an open one, made if need be."""
        fresh = False
        missing = self._plain_directory is not None  # below the deepest that is there: most likely it has to be made
        for _ in range(_ATTEMPTS):
            try:
                if not missing:
                    fd = os.open(segment, system.DIRECTORY | system.NOFOLLOW, dir_fd=here)
                    if fresh and self.dir_mode is not None:
                        os.fchmod(fd, self.dir_mode)
                    return fd
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in {errno.ENOTDIR, errno.ELOOP, errno.EMLINK}:
                    raise
                try:  # a link, or a file
                    return self._open_contained(self.before + path, system.DIRECTORY, key)
                except FileNotFoundError:
                    raise NotADirectoryError(errno.ENOTDIR, "a link that leads nowhere is in the way", path) from error
            missing = False
            try:
                os.mkdir(segment, 0o777 if self.dir_mode is None else self.dir_mode, dir_fd=here)
            except FileExistsError:
                continue
            fresh = True
            if made is not None:
                made.append(path)
            if self.durable:
                os.fsync(here)
        raise FileNotFoundError(errno.ENOENT, "the directory is removed again and again", path)

    def _folder_by_path(self, path: str, whole: str, key: str | None) -> Folder:
        if not modes.S_ISDIR(os.stat(whole).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), whole)
        if not self._below(os.path.realpath(whole)):
            raise self._outside(key or path)
        return None, whole + os.sep if path else self.before

    def _make_by_path(self, path: str, made: list[str] | None, key: str | None) -> Folder:
        whole = self.before + path
        if not self._below(os.path.realpath(whole)):
            raise self._outside(key or path)
        segments = path.split("/")
        ahead = ["/".join(segments[:n]) for n in range(1, len(segments) + 1)]
        new = [head for head in ahead if not os.path.lexists(self.before + head)]
        try:
            os.makedirs(whole, 0o777 if self.dir_mode is None else self.dir_mode, exist_ok=True)
        except FileExistsError as error:
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", whole) from error
        if made is not None:
            made += new
        return self._folder_by_path(path, whole, key)

    def unmake(self, made: list[str]) -> None:
        """Remove directories that were made for something that then was not written, if they are empty still."""
        for path in reversed(made):
            try:
                parent, name = split(path)
                fd, before = self.folder(parent)
                try:
                    os.rmdir(before + name, dir_fd=fd)
                finally:
                    self.leave(fd)
            except OSError:
                return

    def device(self, fd: int | None, before: str) -> int:
        """Return the number of the file system that an open directory lies on."""
        return (os.fstat(fd) if fd is not None else os.stat(before)).st_dev

    def leave(self, fd: int | None) -> None:
        """Close an open directory."""
        if fd is not None:
            os.close(fd)

    # -- containment --------------------------------------------------------------------------------------------------

    def _open_contained(self, path: str, flags: int, key: str) -> int:
        """Open a path, links followed, and make sure that what is open lies below the root."""
        for _ in range(_ATTEMPTS):
            fd = os.open(path, flags)
            try:
                real = system.path_of(fd)
                if real is None:  # the kernel does not tell: ask the path, and see whether it is the same file still
                    real = os.path.realpath(path)
                    if not _same(real, fd):
                        real = None
                below = real is not None and self._below(real)
            except BaseException:
                os.close(fd)
                raise
            if below:
                return fd
            os.close(fd)
            if real is not None:
                raise self._outside(key)
        raise UnavailableError(f"{key!r} is replaced again and again", key=key, store=self.display)

    def _below(self, real: str) -> bool:
        for fresh in (False, True):
            if fresh:  # the way to the root itself may lead elsewhere than at first
                self._adopt(os.path.realpath(self.path))
            if real == self.real or real.startswith(self.real if self.real.endswith(os.sep) else self.real + os.sep):
                return True
        return False

    def path_to(self, key: str) -> str | None:
        """Return the path of a key, existing or not; ``None`` if a link on the way leads out of the root."""
        path = os.path.join(self.path, key.replace("/", os.sep))
        root = self.real or os.path.realpath(self.path)
        real = os.path.realpath(path)
        inside = real == root or real.startswith(root if root.endswith(os.sep) else root + os.sep)
        return path if inside or (self.real and self._below(real)) else None

    # -- locks --------------------------------------------------------------------------------------------------------

    def lock(self, fd: int | None) -> int:
        """Lock a directory against all other publishers, in this process or another; return what `unlock` wants.

        Where directories cannot be locked (Windows, NFS), a lock file below ``.holdall`` locks the whole root.

        Raises:
            StoreTimeoutError: Somebody holds it for a minute.
        """
        token = -1 if fd is None else fd
        try:
            if fd is not None and system.lock_now(fd):
                return fd
        except OSError as error:
            if error.errno not in system.UNSUPPORTED:
                raise
            token = -1
        if token < 0:
            token = self._lock_file()
        try:
            self._wait(token)
        except BaseException:
            if token != fd:
                os.close(token)
            raise
        return token

    def unlock(self, token: int, fd: int | None) -> None:
        """Give the lock back."""
        system.unlock(token)
        if token != fd:
            os.close(token)

    def _lock_file(self) -> int:
        fd, before = self.make_folder(RESERVED)
        try:
            return os.open(f"{before}lock", system.APPEND, 0o666, dir_fd=fd)
        finally:
            self.leave(fd)

    def _wait(self, token: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        pause = 0.00005
        while not system.lock_now(token):
            if time.monotonic() > deadline:
                raise StoreTimeoutError(f"another process holds a lock for {LOCK_SECONDS:.0f} seconds", store=self.display)
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # not a secret, only out of step
            pause = min(pause * 1.5, 0.005)

    # -- errors -------------------------------------------------------------------------------------------------------

    def missing(self, key: str) -> HoldallError:
        """Return the error for a key at which nothing is: `NotFoundError`, if the root is there to say so."""
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            gone = self._vanished()
            gone.__cause__ = error
            return gone
        except OSError as error:
            return self.explain(error, key)
        return missing(key, store=self.display)

    def _vanished(self, hint: str = "") -> UnavailableError:
        return MissingPlaceError(f"the root directory {self.path!r} is not there{hint}", store=self.display)

    def _outside(self, key: str) -> PermissionDeniedError:
        return PermissionDeniedError(f"{key!r} leads out of the root by a symbolic link", key=key, store=self.display)

    def explain(self, error: OSError, key: str, *, writing: bool = False) -> HoldallError:
        """Return what an error of the system means; an error of ours stays as it is."""
        if isinstance(error, HoldallError):
            return error
        code = error.errno
        if code in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO} and not writing:
            return self.missing(key)
        if code == errno.ENOENT:
            answer = self.missing(key)
            return (
                answer
                if isinstance(answer, UnavailableError)
                else UnavailableError(
                    f"a directory above {key!r} was removed while it was written", key=key, store=self.display
                )
            )
        return meaning(error, key, self.display)


def _known(stat: os.stat_result) -> os.stat_result | None:
    """Return it if it is of a file or directory; FIFOs, sockets and devices are nothing."""
    return stat if stat.st_mode & _KIND in {_REGULAR, _DIRECTORY} else None


def _same(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
