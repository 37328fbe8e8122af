"""What the local driver asks of the operating system beyond plain ``os`` calls, each with a fallback that needs nothing.

Opening a path that holds no symbolic link (``openat2``), renaming only where nothing is (``renameat2``), locks on open
files, copying within the kernel, the real path of a descriptor. `ctypes` is loaded on first use, on Linux only.
"""

from __future__ import annotations

import errno
import functools
import importlib
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

from holdall.results import CHUNK

fcntl: Any
try:
    fcntl = importlib.import_module("fcntl")
except ImportError:  # Windows
    fcntl = None

__all__ = [
    "APPEND",
    "COMMON",
    "DIRECTORY",
    "LOOK",
    "NEW",
    "NOFOLLOW",
    "READ",
    "RELATIVE",
    "UNSUPPORTED",
    "copy_range",
    "lock_now",
    "path_of",
    "plain_opener",
    "read_at",
    "rename_new",
    "set_time",
    "temporary_name",
    "unlock",
    "write_all",
    "write_at",
]

PLATFORM: str = sys.platform
RELATIVE: bool = (
    {os.open, os.rename, os.unlink, os.mkdir, os.rmdir, os.stat} <= os.supports_dir_fd
    and os.scandir in os.supports_fd
    and os.utime in os.supports_fd
)
"""Whether names can be given relative to an open directory (everywhere but on Windows)."""

COMMON = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
READ = os.O_RDONLY | COMMON | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Never waits for the other end of a FIFO."""
LOOK = getattr(os, "O_PATH", os.O_RDONLY) | COMMON
"""Opens nothing: names a place in the tree, readable or not."""
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | COMMON | getattr(os, "O_NOFOLLOW", 0)
DIRECTORY = os.O_RDONLY | COMMON | getattr(os, "O_DIRECTORY", 0)
APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | COMMON | getattr(os, "O_NOFOLLOW", 0)
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)

_OPENAT2 = 437
_AT_FDCWD = -100
_RESOLVE_NO_SYMLINKS = 0x04
_RENAME_NOREPLACE = 0x01
_F_GETPATH = 50
UNSUPPORTED = frozenset(
    getattr(errno, name)
    for name in (
        "ENOSYS",
        "EOPNOTSUPP",
        "ENOTSUP",
        "EINVAL",
        "EPERM",
        "ENOTTY",
        "EMLINK",
        "EXDEV",
        "EBADF",
        "ENOLCK",
        "E2BIG",
    )
    if hasattr(errno, name)
)
"""What a call answers that this kernel, sandbox or file system does not have."""


@functools.cache
def plain_opener(flags: int) -> Callable[[bytes], int] | None:
    """Return a function that opens an absolute path only if no part of it is a symbolic link, or ``None`` if there is none.

    The function returns a descriptor, or the negative ``errno``: misses are common and an exception costs more than the
    call. ``-ELOOP`` says that a link was met.
    """
    if PLATFORM != "linux":
        return None
    try:
        import ctypes  # noqa: PLC0415  # several milliseconds, needed by local stores only

        call: Any = ctypes.CDLL(None, use_errno=True).syscall
    except (AttributeError, ImportError, OSError):  # a static or bare interpreter
        return None
    # Arguments are made once, in C's own types: converting them at each call would cost a third of it.
    call.restype = ctypes.c_long
    how = (ctypes.c_uint64 * 3)(flags, 0, _RESOLVE_NO_SYMLINKS)
    address, size = ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how))
    number, base, last_error, audit = ctypes.c_long(_OPENAT2), ctypes.c_long(_AT_FDCWD), ctypes.get_errno, sys.audit

    def open_plain(path: bytes) -> int:
        audit("open", path, None, flags)
        fd: int = call(number, base, path, address, size)
        while fd < 0:
            why = last_error()
            if why != errno.EINTR:
                return -why
            fd = call(number, base, path, address, size)
        return fd

    probe = open_plain(b"/")
    if probe >= 0:
        os.close(probe)
    return None if -probe in UNSUPPORTED else open_plain


def path_of(fd: int) -> str | None:
    """Return the real path of an open file, as the kernel knows it; ``None`` where it does not tell."""
    try:
        if PLATFORM == "linux":
            return os.readlink(f"/proc/self/fd/{fd}")
        if PLATFORM == "darwin":
            return os.fsdecode(fcntl.fcntl(fd, _F_GETPATH, bytes(1024)).rstrip(b"\0"))
    except OSError:  # no /proc in this container
        return None
    return None


_rename_at: Any = None


def rename_new(src: str, dst: str, *, src_dir_fd: int | None, dst_dir_fd: int | None) -> None:
    """Rename only if nothing is at the new name, without a moment in which both or none is there.

    Raises:
        FileExistsError: Something is there.
        NotImplementedError: Neither this kernel nor this file system can.
    """
    global _rename_at  # noqa: PLW0603  # a function of libc, looked up once
    if _rename_at is None and PLATFORM == "linux":
        try:
            import ctypes  # noqa: PLC0415

            _rename_at = ctypes.CDLL(None, use_errno=True).renameat2
            _rename_at.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        except (AttributeError, ImportError, OSError):
            _rename_at = False
    if not _rename_at or src_dir_fd is None or dst_dir_fd is None:
        raise NotImplementedError
    sys.audit("os.rename", src, dst, src_dir_fd, dst_dir_fd)
    if _rename_at(src_dir_fd, os.fsencode(src), dst_dir_fd, os.fsencode(dst), _RENAME_NOREPLACE) == 0:
        return
    import ctypes  # noqa: PLC0415

    why = ctypes.get_errno()
    if why in UNSUPPORTED and why != errno.EXDEV:
        raise NotImplementedError
    raise OSError(why, os.strerror(why), src, None, dst)


def lock_now(fd: int) -> bool:
    """Lock an open file or directory for this open alone, without waiting; tell whether it was free.

    Raises:
        OSError: The file system has no such lock (NFS on directories, for one).
    """
    if fcntl is not None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
    windows: Any = importlib.import_module("msvcrt")
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        windows.locking(fd, windows.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def unlock(fd: int) -> None:
    """Give a lock back at once, also if a forked child holds a copy of the descriptor."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_UN)
        return
    windows: Any = importlib.import_module("msvcrt")
    os.lseek(fd, 0, os.SEEK_SET)
    windows.locking(fd, windows.LK_UNLCK, 1)


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Read up to ``size`` bytes at an offset; fewer only at the end of the file."""
    try:
        data = os.pread(fd, size, offset)
    except AttributeError:  # Windows
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, size)
    if len(data) == size or not data:
        return data
    parts, got = [data], len(data)
    while got < size:  # a signal, a network file system, or more than 2 GiB
        data = read_at(fd, size - got, offset + got)
        if not data:
            break
        parts.append(data)
        got += len(data)
    return b"".join(parts)


def write_all(fd: int, data: bytes | memoryview) -> int:
    """Write everything at the descriptor's position; return how many bytes that were."""
    size = len(data)
    done = os.write(fd, data)
    if done != size:
        view = memoryview(data)
        while done < size:
            done += os.write(fd, view[done:])
    return size


def write_at(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write everything at an offset."""
    view = memoryview(data).cast("B")
    while view:
        if hasattr(os, "pwrite"):
            done = os.pwrite(fd, view, offset)
        else:
            os.lseek(fd, offset, os.SEEK_SET)
            done = os.write(fd, view)
        view = view[done:]
        offset += done


def copy_range(src: int, dst: int, size: int, *, src_offset: int = 0, dst_offset: int = 0) -> int:
    """Copy bytes between two open files, within the kernel where it can; return how many there were (the source may be short)."""
    done = 0
    for copy in (_copy_file_range, _send_file, _read_and_write):
        while done < size:
            try:
                count = copy(src, dst, min(size - done, 1 << 30), src_offset + done, dst_offset + done)
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    raise
                break
            if count == 0:  # the end, or a file system that pretends: the next way finds out
                break
            done += count
    return done


def _copy_file_range(src: int, dst: int, size: int, src_offset: int, dst_offset: int) -> int:
    if not hasattr(os, "copy_file_range"):
        return 0
    return os.copy_file_range(src, dst, size, src_offset, dst_offset)


def _send_file(src: int, dst: int, size: int, src_offset: int, dst_offset: int) -> int:
    if PLATFORM != "linux":
        return 0
    os.lseek(dst, dst_offset, os.SEEK_SET)
    return os.sendfile(dst, src, src_offset, size)


def _read_and_write(src: int, dst: int, size: int, src_offset: int, dst_offset: int) -> int:
    data = read_at(src, min(size, CHUNK), src_offset)
    write_at(dst, data, dst_offset)
    return len(data)


def set_time(fd: int | None, path: str, nanoseconds: int) -> None:
    """Set the times of an open file or directory, by its path where descriptors do not do."""
    os.utime(fd if RELATIVE and fd is not None else path, ns=(nanoseconds, nanoseconds))


_token = ""
_numbers = itertools.count()


def _forget_token() -> None:
    global _token  # noqa: PLW0603  # parent and child must not make one name
    _token = ""


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_token)


def temporary_name() -> str:
    """Return a name that no other file has: hidden from listings, refused as a key."""
    global _token  # noqa: PLW0603
    if not _token:
        _token = os.urandom(6).hex()
    return f".holdall-{_token}{next(_numbers):x}.tmp"
