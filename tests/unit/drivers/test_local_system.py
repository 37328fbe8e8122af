"""The local driver's calls to the system, and each fallback of them."""

import errno
import os
import subprocess
import sys

import pytest

from holdall.drivers import _local_system as system


@pytest.fixture
def pair(tmp_path):
    """Two open files, the first one filled."""
    data = os.urandom(3_000_000)
    (tmp_path / "src").write_bytes(data)
    src = os.open(tmp_path / "src", os.O_RDONLY)
    dst = os.open(tmp_path / "dst", os.O_RDWR | os.O_CREAT)
    yield src, dst, data
    os.close(src)
    os.close(dst)


def refuse(code):
    def refusing(*arguments, **named):
        raise OSError(code, os.strerror(code))

    return refusing


WAYS = {
    "copy_file_range": (),
    "sendfile": ("copy_file_range",),
    "read and write": ("copy_file_range", "sendfile"),
}


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, errno.EINVAL, None], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_copying_each_way(pair, monkeypatch, way, code):
    src, dst, data = pair
    for name in WAYS[way]:
        monkeypatch.setattr(os, name, refuse(code) if code else lambda *arguments: 0)
    assert system.copy_range(src, dst, len(data)) == len(data)
    assert system.read_at(dst, len(data), 0) == data
    assert system.copy_range(src, dst, 1000, src_offset=5, dst_offset=2_000_000) == 1000
    assert system.read_at(dst, len(data), 0) == data[:2_000_000] + data[5:1005] + data[2_001_000:]
    assert system.copy_range(src, dst, 5000, src_offset=len(data) - 10) == 10, "the source is short"


def test_copying_goes_on_where_the_kernel_stopped(pair, monkeypatch):
    src, dst, data = pair
    copy = os.copy_file_range
    calls = []

    def once(source, target, count, at, to):
        calls.append(count)
        if len(calls) > 1:
            raise OSError(errno.EXDEV, "no more")
        return copy(source, target, 1000, at, to)

    monkeypatch.setattr(os, "copy_file_range", once)
    assert system.copy_range(src, dst, len(data)) == len(data)
    assert system.read_at(dst, len(data), 0) == data


def test_copying_fails_loudly(pair, monkeypatch):
    src, dst, data = pair
    monkeypatch.setattr(os, "copy_file_range", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        system.copy_range(src, dst, len(data))


def test_the_kernel_takes_and_gives_less_than_asked(pair, monkeypatch):
    _, dst, data = pair
    write, pread, pwrite = os.write, os.pread, os.pwrite
    monkeypatch.setattr(os, "write", lambda fd, block: write(fd, bytes(block)[:100_000]))
    monkeypatch.setattr(os, "pwrite", lambda fd, block, at: pwrite(fd, bytes(block)[:100_000], at))
    monkeypatch.setattr(os, "pread", lambda fd, count, at: pread(fd, min(count, 100_000), at))
    assert system.write_all(dst, data) == len(data)
    assert system.read_at(dst, len(data) + 5, 0) == data
    system.write_at(dst, data[::-1], 0)
    assert system.read_at(dst, len(data), 0) == data[::-1]
    system.write_at(dst, memoryview(bytearray(b"123")), 7)
    assert system.read_at(dst, 3, 7) == b"123"


def test_without_positioned_calls(pair, monkeypatch):
    """Windows has none."""
    src, dst, data = pair
    monkeypatch.delattr(os, "pread")
    monkeypatch.delattr(os, "pwrite")
    monkeypatch.delattr(os, "copy_file_range")
    monkeypatch.setattr(system, "PLATFORM", "win32")
    assert system.copy_range(src, dst, len(data)) == len(data)
    assert system.read_at(dst, 10, 5) == data[5:15]


def test_opening_without_links(tmp_path):
    opened = system.plain_opener(system.READ)
    if opened is None:
        assert sys.platform != "linux" or os.uname().release < "5.6"
        return
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"1")
    (tmp_path / "link").symlink_to("d")
    (tmp_path / "d/lf").symlink_to("f")
    base = os.fsencode(tmp_path.resolve())
    fd = opened(base + b"/d/f")
    assert os.read(fd, 5) == b"1"
    assert not os.get_inheritable(fd)
    os.close(fd)
    assert opened(base + b"/link/f") == -errno.ELOOP
    assert opened(base + b"/d/lf") == -errno.ELOOP
    assert opened(base + b"/no") == -errno.ENOENT
    assert opened(base + b"/d/f/x") == -errno.ENOTDIR


def test_opening_is_audited():
    """Tools that watch a program's files see ours too."""
    code = (
        "import sys, os, tempfile\n"
        "from holdall.drivers.local import LocalStore\n"
        "store = LocalStore(tempfile.mkdtemp()); store.put('key-in-question', b'1')\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append(args[0]) if event == 'open' else None)\n"
        "store.get('key-in-question').bytes()\n"
        "print(any('key-in-question' in os.fsdecode(path) for path in seen))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "True"


def test_systems_without_it(monkeypatch):
    monkeypatch.setattr(system, "PLATFORM", "darwin")
    assert system.plain_opener.__wrapped__(system.READ) is None
    monkeypatch.setattr(system, "PLATFORM", "linux")
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert system.plain_opener.__wrapped__(system.READ) is None
    monkeypatch.setattr(system, "_rename_at", None)
    with pytest.raises(NotImplementedError):
        system.rename_new("a", "b", src_dir_fd=3, dst_dir_fd=3)


def test_renaming_only_where_nothing_is(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        try:
            system.rename_new("a", "c", src_dir_fd=fd, dst_dir_fd=fd)
        except NotImplementedError:
            return
        with pytest.raises(FileExistsError):
            system.rename_new("c", "b", src_dir_fd=fd, dst_dir_fd=fd)
        with pytest.raises(FileNotFoundError):
            system.rename_new("no", "d", src_dir_fd=fd, dst_dir_fd=fd)
        with pytest.raises(NotImplementedError):
            system.rename_new("c", "d", src_dir_fd=None, dst_dir_fd=None)
    finally:
        os.close(fd)
    assert (tmp_path / "b").read_bytes() == b"b"
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]


def test_real_paths(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"")
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        assert system.path_of(fd) == str(tmp_path.resolve() / "f")
        monkeypatch.setattr(os, "readlink", refuse(errno.ENOENT))
        assert system.path_of(fd) is None
        monkeypatch.setattr(system, "PLATFORM", "win32")
        assert system.path_of(fd) is None
    finally:
        os.close(fd)


def test_locks_of_windows(tmp_path, monkeypatch):
    """By a stand-in for `msvcrt`: what is called, and what its refusal means."""
    calls = []

    class Windows:
        LK_NBLCK, LK_UNLCK = 2, 0

        @staticmethod
        def locking(fd, mode, size):
            if calls and calls[-1] == 2 and mode == 2:
                raise OSError(errno.EACCES, "locked")
            calls.append(mode)

    monkeypatch.setattr(system, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", Windows)
    fd = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    try:
        assert system.lock_now(fd)
        assert not system.lock_now(fd)
        system.unlock(fd)
        assert system.lock_now(fd)
    finally:
        os.close(fd)
    assert calls == [2, 0, 2]


def test_temporary_names():
    names = [system.temporary_name() for _ in range(1000)]
    assert len(set(names)) == 1000
    assert all(name.startswith(".holdall-") and name.endswith(".tmp") and len(name) < 60 for name in names)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_temporary_names_after_a_fork():
    before = system.temporary_name()[: len(".holdall-") + 12]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, system.temporary_name()[: len(".holdall-") + 12].encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read().decode() != before
    assert system.temporary_name().startswith(before)
