"""What goes wrong under the local driver: full disks, killed writers, other programs, permissions, links, cancellation."""

import asyncio
import contextlib
import errno
import itertools
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.leftovers import open_below

from holdall.core.options import PutOptions
from holdall.drivers import _local_root, _local_system, _local_writing
from holdall.drivers._local_draft import Draft
from holdall.drivers.local import LocalStore
from holdall.errors import (
    AlreadyExistsError,
    ClosedError,
    IntegrityError,
    InvalidKeyError,
    NotDirectoryError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    StorageFullError,
    StoreTimeoutError,
    UnavailableError,
)
from holdall.results import CHUNK
from holdall.wrappers.prefix import PrefixStore
from holdall.wrappers.restricted import RestrictedStore

ROOT = os.geteuid() == 0


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def store(root):
    with LocalStore(root, create=True) as store:
        yield store


def files(root):
    return sorted(os.path.relpath(os.path.join(at, name), root) for at, _, names in os.walk(root) for name in names)


def keys(store, prefix=""):
    return [meta.key for page in store.list(prefix) for meta in page.objects]


def script(body, *arguments):
    """Start a Python process that runs a body of code."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- full disk --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=64", "none", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to be able to mount a tmpfs: {mounted.stderr!r}")
        pytest.skip("mounting a small tmpfs needs root; the test with RLIMIT_FSIZE does not")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_leaves_the_old_object(colour, small_disk, tmp_path):
    store = LocalStore(small_disk)
    verbs = colour(store)
    verbs.put("k", b"old", PutOptions(content_type="a/b"))
    before = files(small_disk)
    big = bytes(9 * CHUNK)
    (tmp_path / "big").write_bytes(big)
    elsewhere = LocalStore(tmp_path)
    for call in (
        lambda: verbs.put("k", big),
        lambda: verbs.put("k", (big[i : i + 1000] for i in range(0, len(big), 1000))),
        lambda: verbs.put("d/e/k", tmp_path / "big"),
        lambda: verbs.copy("big", "k", source=elsewhere),
    ):
        with pytest.raises(StorageFullError) as caught:
            call()
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.key in {"k", "d/e/k"}
        assert files(small_disk) == before
        assert os.listdir(small_disk) == ["k"]
        assert verbs.get("k").bytes() == b"old"
    with verbs.parts("k") as writer, pytest.raises(StorageFullError):
        writer.put_part(1, big)
    verbs.put("l", b"still works")


def test_a_full_disk_and_an_async_source(small_disk):
    store = LocalStore(small_disk)
    store.put("k", b"old")

    async def source():
        for _ in range(20):
            yield bytes(CHUNK)

    with pytest.raises(StorageFullError):
        asyncio.run(store.put_async("k", source()))
    assert files(small_disk) == ["k"]
    assert store.get("k").bytes() == b"old"


def test_no_inodes_left(colour, small_disk):
    verbs = colour(LocalStore(small_disk))
    with pytest.raises(StorageFullError):
        [verbs.put(f"{i}", b"") for i in range(100)]
    before = files(small_disk)
    with pytest.raises(StorageFullError):
        verbs.put("d/e/f", b"")
    assert files(small_disk) == before


def test_a_file_size_limit(root):
    """The rootless kin of a full disk."""
    run = script(
        """
        import asyncio, os, resource, sys
        from holdall.drivers.local import LocalStore
        from holdall.errors import StorageFullError
        store = LocalStore(sys.argv[1], create=True)
        store.put("k", b"old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        big = bytes(300_000)
        for call in (lambda: store.put("k", big), lambda: asyncio.run(store.put_async("k", [big, big])),
                     lambda: store.put("k", iter([big] * 9))):
            try:
                call()
            except StorageFullError as error:
                print(error.key, os.listdir(sys.argv[1]), store.get("k").bytes())
        """,
        root,
    )
    out, err = run.communicate(timeout=60)
    assert err == ""
    assert out.splitlines() == ["k ['k'] b'old'"] * 3


# -- killed writers ---------------------------------------------------------------------------------------------------


WRITER = """
    import asyncio, sys, time
    from holdall.drivers.local import LocalStore
    store = LocalStore(sys.argv[1], create=True)
    def source():
        for i in range(3):
            yield bytes(1 << 20)
        print("written", flush=True)
        time.sleep(600)
        yield b""
    async def write():
        await store.put_async("d/k", source())
    store.put("d/k", source()) if sys.argv[2] == "blocking" else asyncio.run(write())
"""


def kill_in_the_middle(root, colour):
    process = script(WRITER, root, colour.name)
    try:
        assert process.stdout.readline() == "written\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)


def test_kill_in_the_middle_of_a_write(colour, store, root):
    verbs = colour(store)
    verbs.put("d/k", b"old")
    kill_in_the_middle(root, colour)
    assert verbs.get("d/k").bytes() == b"old"
    assert keys(verbs) == ["d/k"]
    [left] = [name for name in files(root) if name != "d/k"]
    assert left.startswith("d/.holdall-")
    assert left.endswith(".tmp")
    with pytest.raises(InvalidKeyError):
        verbs.get(left)
    assert verbs.sweep() == 0, "it is young still"
    assert verbs.sweep(older_than=0) == 1
    assert files(root) == ["d/k"]


def test_sweep_spares_those_who_write(colour, store, root):
    process = script(WRITER, root, colour.name)
    try:
        assert process.stdout.readline() == "written\n"
        old = time.time() - 100_000
        [left] = files(root)
        os.utime(root / left, (old, old))
        assert colour(store).sweep(older_than=0) == 0, "its writer holds a lock on it"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    os.utime(root / left, (old, old))
    assert colour(store).sweep(older_than=0) == 1


def test_a_killed_writer_does_not_keep_a_directory(colour, store, root):
    verbs = colour(store)
    kill_in_the_middle(root, colour)
    [left] = files(root)
    assert [list(page.prefixes) for page in verbs.list()] == [["d/"]], "it looks empty"
    [result] = verbs.delete(["d/"])
    assert isinstance(result.error, OSError), "somebody may be about to publish there"
    old = time.time() - 1000
    os.utime(root / left, (old, old))
    verbs.delete("d/")
    assert os.listdir(root) == []


def test_sweep_leaves_other_things_alone(store, root, tmp_path):
    store.put("d/k", b"1")
    (root / ".holdall-mine.txt").write_bytes(b"")
    (root / "x.tmp").write_bytes(b"")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".holdall-1.tmp").write_bytes(b"")
    (root / "link").symlink_to(outside)
    writer = store.parts("p")
    writer.put_part(1, b"1")
    assert store.sweep(older_than=0) == 0
    assert (outside / ".holdall-1.tmp").exists()
    writer.complete()
    assert store.get("p").bytes() == b"1"


# -- other programs ---------------------------------------------------------------------------------------------------


def test_replacing_a_file_that_is_being_read(colour, store):
    verbs = colour(store)
    data = os.urandom(5 * CHUNK)
    verbs.put("k", data)
    with verbs.get("k") as result:
        chunks = iter(result)
        read = [next(chunks)]
        verbs.put("k", bytes(5 * CHUNK))
        verbs.delete("k")
        read += chunks
    assert b"".join(read) == data


def test_cutting_a_file_that_is_being_read(colour, store, root):
    verbs = colour(store)
    verbs.put("k", bytes(5 * CHUNK))
    with verbs.get("k") as result:
        chunks = iter(result)
        next(chunks)
        os.truncate(root / "k", CHUNK + 7)
        with pytest.raises(IntegrityError, match="announced"):
            list(chunks)
    verbs.put("k", bytes(5 * CHUNK))
    result = verbs.get("k")
    os.truncate(root / "k", CHUNK + 7)
    with pytest.raises(IntegrityError):
        result.bytes()


def test_cutting_a_file_between_two_looks_at_it(store, root, monkeypatch):
    """Small reads, ranges, copies and copied parts notice a file that is cut after it was measured."""
    store.put("k", bytes(1000))
    fstat = os.fstat

    def cutting(fd):
        seen = fstat(fd)
        if seen.st_size == 1000:
            os.truncate(root / "k", 10)
        return seen

    monkeypatch.setattr(os, "fstat", cutting)
    with pytest.raises(IntegrityError):
        store.get("k").bytes()
    for call in (
        lambda: store.get_ranges("k", [(0, 5), (500, 600)]),
        lambda: store.copy("k", "l"),
        lambda: store.parts("p").copy_part(1, "k", (0, 900)),
    ):
        with open(root / "k", "wb") as file:
            file.write(bytes(1000))
        with pytest.raises(IntegrityError, match="cut short"):
            call()
    assert [name for name in files(root) if not name.startswith(".holdall/")] == ["k"]


def test_a_growing_file_is_read_as_it_was(colour, store, root):
    verbs = colour(store)
    verbs.put("log", bytes(3 * CHUNK))
    with verbs.get("log") as result:
        chunks = iter(result)
        first = next(chunks)
        with open(root / "log", "ab") as file:
            file.write(b"more")
        assert len(first) + sum(len(chunk) for chunk in chunks) == 3 * CHUNK


def test_the_directory_is_removed_while_writing(colour, store, root):
    verbs = colour(store)

    def source():
        yield bytes(2 * CHUNK)
        subprocess.run(["rm", "-rf", str(root / "d")], check=True)
        yield b"1"

    with pytest.raises(UnavailableError, match="removed while"):
        verbs.put("d/e/k", source())
    assert files(root) == []
    verbs.put("d/e/k", b"1")


def test_removing_and_writing_directories_at_once(colour, store, root):
    """Parents are made as needed, again and again."""
    stop = threading.Event()
    removed = 0

    def remove():
        nonlocal removed
        while not stop.is_set():
            for path in (root / "d/e", root / "d"):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                    removed += 1

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        verbs = colour(store)
        until = time.monotonic() + 20
        for i in itertools.count():
            if (i > 100 and removed > 10) or time.monotonic() > until:
                break
            key = f"d/e/{i}"
            verbs.put(key, b"1")
            verbs.delete(key)
    finally:
        stop.set()
        thread.join(30)
    assert removed > 10
    assert files(root) == []


# -- links ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def linked(store, root, tmp_path):
    """A root with links that stay inside, lead out, nowhere and in circles."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "d/e").mkdir(parents=True)
    (root / "d/file").write_bytes(b"inside")
    (root / "in").symlink_to("d/file")
    (root / "absolute").symlink_to(root / "d/file")
    (root / "dir").symlink_to("d")
    (root / "out").symlink_to(outside / "secret")
    (root / "outdir").symlink_to(outside)
    (root / "climb").symlink_to("../outside/secret")
    (root / "d/e/up").symlink_to("../..")
    (root / "nowhere").symlink_to("nothing")
    (root / "circle").symlink_to("circle")
    return outside


@pytest.fixture(params=["openat2", "path_of", "realpath", "by path"])
def way(request, monkeypatch):
    """Each way of keeping inside."""
    if request.param != "openat2":
        monkeypatch.setattr(_local_system, "plain_opener", lambda flags: None)
    if request.param in {"realpath", "by path"}:
        monkeypatch.setattr(_local_system, "path_of", lambda fd: None)
    if request.param == "by path":
        monkeypatch.setattr(_local_system, "RELATIVE", False)
    return request.param


def test_links_inside_are_followed(way, colour, store, linked):
    verbs = colour(store)
    for key in ("in", "absolute", "dir/file", "d/e/up/in", "dir/e/up/d/file"):
        assert verbs.get(key).bytes() == b"inside", key
        assert verbs.head(key).size == 6
    verbs.put("dir/new", b"1")
    assert verbs.get("d/new").bytes() == b"1"
    assert verbs.head("dir/").kind == "directory"


def test_links_do_not_lead_out(way, colour, store, root, linked):
    verbs = colour(store)
    verbs.put("good", b"1")
    for key in ("out", "climb", "outdir/secret", "d/e/up/out"):
        for call in (
            verbs.get,
            verbs.head,
            verbs.tags,
            lambda k: verbs.get_ranges(k, [(0, 1)]),
            lambda k: verbs.set_tags(k, {"a": "b"}),
            lambda k: verbs.copy(k, "stolen"),
            lambda k: verbs.rename(k, "stolen"),
        ):
            with pytest.raises(PermissionDeniedError, match="out of the root") as caught:
                call(key)
            assert caught.value.key == key
        assert store.local_path(key) is None
    for call in (
        lambda: verbs.put("outdir/new", b"1"),
        lambda: verbs.put("outdir/new/deep", b"1"),
        lambda: verbs.put("outdir/new/", b""),
        lambda: verbs.copy("good", "outdir/new"),
        lambda: verbs.rename("good", "outdir/new"),
        lambda: verbs.delete("outdir/secret"),
        lambda: verbs.delete("outdir/secret", if_match="*"),
        lambda: verbs.head("outdir/"),
    ):
        with pytest.raises(PermissionDeniedError, match="out of the root"):
            call()
    writer = verbs.parts("outdir/new")
    writer.put_part(1, b"1")
    with pytest.raises(PermissionDeniedError):
        writer.complete()
    assert files(linked) == ["secret"]
    assert (linked / "secret").read_bytes() == b"secret"
    assert sorted(key for key in keys(verbs) if "/up/" not in key) == ["absolute", "d/file", "dir/file", "good", "in"]
    assert keys(verbs, "outdir/") == keys(verbs, "out") == []
    shown = [p for page in verbs.list(delimiter="/") for p in page.prefixes]
    assert shown == ["d/", "dir/"]
    verbs.delete("out")  # the link itself is ours to remove
    verbs.delete("nowhere")
    assert not (root / "out").is_symlink()
    assert (linked / "secret").exists()


def test_renaming_links(way, colour, store, root, linked):
    """A link is renamed as a link, if it leads to something of the kind that the key says."""
    verbs = colour(store)
    verbs.rename("in", "moved")
    assert os.readlink(root / "moved") == "d/file"
    assert verbs.get("moved").bytes() == b"inside"
    verbs.rename("dir/", "dir2/", mode="create")
    assert os.readlink(root / "dir2") == "d"
    for src, dst in (("dir2", "x"), ("moved/", "x/"), ("nowhere", "x"), ("circle", "x")):
        with pytest.raises(NotFoundError):
            verbs.rename(src, dst)
    for src, dst in (("out", "x"), ("outdir/", "x/")):
        with pytest.raises(PermissionDeniedError):
            verbs.rename(src, dst)
    with pytest.raises(AlreadyExistsError):
        verbs.rename("moved", "absolute", mode="create")
    assert not os.path.lexists(root / "x")
    assert files(linked) == ["secret"]


def test_a_glance_sees_what_head_sees(way, store, root, linked):
    os.mkfifo(root / "fifo")
    os.mkfifo(root / "d/fifo")
    assert store.glance("d/") is NotImplemented
    if way == "by path":
        assert PrefixStore(store, "d").glance("file") is NotImplemented
        return
    for seen in (store, PrefixStore(store, ""), RestrictedStore(store, "readonly")):
        for key in ("in", "absolute", "d/file", "dir/file", "d/e/up/in"):
            assert seen.glance(key).st_size == 6, key
            assert stat.S_ISREG(seen.glance(key).st_mode)
        for key in ("d", "dir", "d/e", "d/e/up"):
            assert stat.S_ISDIR(seen.glance(key).st_mode), key
        for key in ("nothing", "d/nothing", "in/x", "d/file/x", "nowhere", "circle", "circle/x", "fifo", "d/fifo"):
            assert seen.glance(key) is None, key
        for key in ("out", "climb", "outdir/secret", "outdir", "d/e/up/out"):
            with pytest.raises(PermissionDeniedError):
                seen.glance(key)
        for key in ("../outside/secret", ".holdall/x", ""):
            with pytest.raises(ValueError):
                seen.glance(key)
    shutil.rmtree(root)
    for key in ("in", "d/file"):
        with pytest.raises(UnavailableError):
            store.glance(key)
    store.close()
    with pytest.raises(ClosedError):
        store.glance("in")


def test_links_nowhere_and_in_circles(way, colour, store, linked):
    verbs = colour(store)
    for key in ("nowhere", "circle", "circle/x", "nowhere/x"):
        with pytest.raises(NotFoundError):
            verbs.get(key)
        with pytest.raises(NotFoundError):
            verbs.head(key)
    for key in ("nowhere/x", "circle/x/y"):
        with pytest.raises(NotDirectoryError):
            verbs.put(key, b"1")
    with pytest.raises(AlreadyExistsError):
        verbs.put("nowhere", b"1", PutOptions(mode="create"))
    verbs.put("nowhere", b"1")
    verbs.put("circle", b"2")
    assert verbs.get("nowhere").bytes() == b"1"
    assert verbs.get("circle").bytes() == b"2"


def test_deleting_linked_directories(colour, store, root, linked):
    verbs = colour(store)
    with pytest.raises(OSError, match="not empty"):
        verbs.delete("dir/")
    assert (root / "dir").is_symlink()
    with pytest.raises(PreconditionError):
        verbs.delete("dir", if_match="*")
    [result] = verbs.delete(["dir"])
    assert (result.error, result.existed) == (None, True), "by its bare name a link is deleted, and nothing behind it"
    assert not (root / "dir").is_symlink()
    assert (root / "d/file").read_bytes() == b"inside"
    (root / "hollow").mkdir()
    (root / "tohollow").symlink_to("hollow")
    verbs.delete("tohollow/")
    assert not (root / "tohollow").is_symlink()
    assert (root / "hollow").is_dir()
    with pytest.raises(PermissionDeniedError):
        verbs.delete("outdir/")
    assert (root / "outdir").is_symlink()


def test_compare_and_set_through_a_link(colour, store, root, linked):
    verbs = colour(store)
    etag = verbs.head("in").etag
    assert etag == verbs.head("d/file").etag
    verbs.put("in", b"new", PutOptions(if_match=etag))
    assert (root / "d/file").read_bytes() == b"inside"
    with pytest.raises(PermissionDeniedError):
        verbs.put("out", b"new", PutOptions(if_match="*"))
    etag = verbs.head("absolute").etag
    verbs.delete("absolute", if_match=etag)
    assert not (root / "absolute").is_symlink()


@pytest.mark.parametrize("fast", [True, False], ids=["openat2", "path_of"])
def test_swapped_links_win_no_race(store, root, tmp_path, monkeypatch, fast):
    """Somebody turns a directory into a link that leads out, and back, as fast as he can."""
    if not fast:
        monkeypatch.setattr(_local_system, "plain_opener", lambda flags: None)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "k").write_bytes(b"secret")
    store.put("d/k", b"public")
    os.rename(root / "d", root / "real")
    (root / "d").symlink_to("real")
    stop = threading.Event()

    def swap():
        for i in range(10**9):
            if stop.is_set():
                return
            os.symlink("real" if i % 2 else outside, root / ".holdall-swap")
            os.replace(root / ".holdall-swap", root / "d")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for act in (
                lambda: store.get("d/k").bytes(),
                lambda: store.put("d/new", b"1") and b"",
                lambda: store.put("d/deep/new", b"1") and b"",
                lambda: store.put("d/k", b"public", PutOptions(tags={"a": "b"})) and b"",
                lambda: store.delete("d/new") and b"",
                lambda: store.copy("d/k", "copy") and store.get("copy").bytes(),
                lambda: b"".join(meta.key.encode() for page in store.list("d/") for meta in page.objects) and b"",
            ):
                try:
                    seen.add(act())
                except (PermissionDeniedError, NotFoundError, NotDirectoryError) as error:
                    seen.add(type(error))
    finally:
        stop.set()
        thread.join(30)
    assert files(outside) == ["k"]
    assert os.listdir(outside) == ["k"]
    assert (outside / "k").read_bytes() == b"secret"
    assert b"secret" not in seen
    assert {b"public", PermissionDeniedError} <= seen, "both sides of the race were met"


# -- permissions ------------------------------------------------------------------------------------------------------


AS_NOBODY = """
    import asyncio, os, sys
    from holdall.drivers.local import LocalStore
    from holdall.errors import PermissionDeniedError
    import concurrent.futures.thread, ctypes, json  # nobody may not be allowed to read the home of the interpreter
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    store = LocalStore(sys.argv[1])
    verbs = {
        "get": ("closed", ), "head": ("closed", ), "put": ("sealed/k", b"1"), "delete": ("sealed/x", ), "tags": ("closed", ),
        "rename": ("sealed/x", "sealed/y"), "copy": ("closed", "k2"), "set_tags": ("readable", {"a": "b"}),
        "set_modified": ("readable", __import__("datetime").datetime.now(__import__("datetime").UTC)),
    }
    for verb, arguments in verbs.items():
        for call in (lambda: getattr(store, verb)(*arguments), lambda: asyncio.run(getattr(store, verb + "_async")(*arguments))):
            try:
                call()
                print(verb, "went through")
            except PermissionDeniedError as error:
                print(verb, error.key)
    for call in (lambda: list(store.list()), lambda: list(store.list("hidden/")), lambda: list(store.list("hidden/deep/"))):
        try:
            call()
            print("listed")
        except PermissionDeniedError as error:
            print("list", error.key)
"""


@pytest.mark.skipif(not ROOT and os.name == "nt", reason="needs POSIX permissions")
def test_no_permission(tmp_path):
    base = tmp_path
    while str(base) != base.root:  # nobody must be able to reach the root
        with contextlib.suppress(PermissionError):
            base.chmod(base.stat().st_mode | 0o055)
        base = base.parent
    root = tmp_path / "root"
    root.mkdir(mode=0o777)
    root.chmod(0o777)
    (root / "closed").write_bytes(b"1")
    (root / "closed").chmod(0)
    (root / "readable").write_bytes(b"1")
    (root / "readable").chmod(0o444)
    for name in ("sealed", "hidden"):
        (root / name).mkdir()
        (root / name / "x").write_bytes(b"1")
    (root / "sealed").chmod(0o555)
    (root / "hidden").chmod(0)
    if not ROOT:  # the owner may chmod and utime what is his
        pytest.skip("needs root, to become somebody else")
    run = script(AS_NOBODY, root)
    out, err = run.communicate(timeout=60)
    assert err == ""
    key = {"put": "sealed/k", "delete": "sealed/x", "rename": "sealed/y", "set_tags": "readable", "set_modified": "readable"}
    wanted = [
        f"{verb} {key.get(verb, 'closed')}"
        for verb in ("get", "head", "put", "delete", "tags", "rename", "copy", "set_tags", "set_modified")
        for _ in range(2)
    ]
    assert out.splitlines() == [*wanted, "list hidden/", "list hidden/", "list hidden/deep/"]
    assert not [name for name in files(root) if ".holdall" in name]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("EIO", UnavailableError),
        ("ESTALE", UnavailableError),
        ("EMFILE", UnavailableError),
        ("EACCES", PermissionDeniedError),
        ("EROFS", PermissionDeniedError),
        ("EDQUOT", StorageFullError),
        ("ETIMEDOUT", StoreTimeoutError),
        ("EILSEQ", InvalidKeyError),
    ],
)
def test_what_the_system_says(colour, store, root, monkeypatch, code, kind):
    verbs = colour(store)
    verbs.put("k", b"old")
    os_open = os.open

    def failing(path, flags, *arguments, **named):
        if flags & os.O_CREAT:
            raise OSError(getattr(errno, code), "as the test says", path)
        return os_open(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(kind) as caught:
        verbs.put("k", b"new")
    assert isinstance(caught.value.__cause__, OSError)
    assert (caught.value.key, caught.value.store) == ("k", repr(store))
    assert verbs.get("k").bytes() == b"old"


@pytest.mark.parametrize("call", ["write", "fstat", "utime", "replace"])
def test_failing_at_any_step_leaves_nothing(colour, store, root, monkeypatch, call):
    verbs = colour(store)
    verbs.put("d/k", b"old")
    before = open_below(root)

    def failing(*arguments, **named):
        raise OSError(errno.EIO, "as the test says")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        for key in ("d/k", "new/k"):
            with pytest.raises(UnavailableError):
                verbs.put(key, b"new")
    assert files(root) == ["d/k"]
    assert sorted(os.listdir(root)) == ["d"]
    assert verbs.get("d/k").bytes() == b"old"
    assert len(open_below(root)) <= len(before) + 1


# -- locks ------------------------------------------------------------------------------------------------------------


def test_a_lock_that_is_never_given_back(colour, store, root, monkeypatch):
    import fcntl

    monkeypatch.setattr(_local_root, "LOCK_SECONDS", 0.3)
    verbs = colour(store)
    verbs.put("d/k", b"old")
    fd = os.open(root / "d", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(StoreTimeoutError, match="lock"):
            verbs.put("d/k", b"new")
        assert verbs.get("d/k").bytes() == b"old"
        verbs.put("other", b"1")  # another directory
    finally:
        os.close(fd)
    verbs.put("d/k", b"new")
    assert files(root) == ["d/k", "other"]


def test_waiting_for_a_lock(store, root):
    import fcntl

    store.put("k", b"old")
    fd = os.open(root, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(store.put, "k", b"new")
        time.sleep(0.2)
        assert not put.done()
        os.close(fd)
        put.result(10)
    assert store.get("k").bytes() == b"new"


def test_where_directories_cannot_be_locked(colour, store, root, monkeypatch):
    """NFS, for one: a lock file stands in."""
    import stat

    lock_now = _local_system.lock_now

    def files_only(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EBADF, "no locks on directories")
        return lock_now(fd)

    monkeypatch.setattr(_local_system, "lock_now", files_only)
    verbs = colour(store)
    verbs.put("d/k", b"1")
    verbs.rename("d/k", "e/k")
    verbs.rename("e/k", "e/l", mode="create")
    verbs.delete("e/l")
    assert files(root) == [".holdall/lock"]
    assert keys(verbs) == []
    answers = colour.at_once(store.put, [("c", b"1", PutOptions(mode="create"))] * 8)
    assert sum(isinstance(answer, AlreadyExistsError) for answer in answers) == 7


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_create_without_renameat2(colour, store, root, monkeypatch, links):
    monkeypatch.setattr(_local_system, "_rename_at", False)
    if not links:

        def no_links(*arguments, **named):
            raise OSError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", no_links)
    answers = colour.at_once(store.put, [("c", str(i).encode(), PutOptions(mode="create")) for i in range(8)])
    assert sum(isinstance(answer, AlreadyExistsError) for answer in answers) == 7
    assert files(root) == ["c"]
    verbs = colour(store)
    verbs.put("d", b"1")
    with pytest.raises(AlreadyExistsError):
        verbs.rename("d", "c", mode="create")
    verbs.rename("d", "e", mode="create")
    verbs.put("dir/x", b"1")
    verbs.rename("dir/", "dir2/", mode="create")
    assert files(root) == ["c", "dir2/x", "e"]
    assert os.stat(root / "e").st_nlink == 1


# -- sources and cancellation -----------------------------------------------------------------------------------------


def test_errors_of_a_source_are_its_own(colour, store, root):
    """An OSError out of the source says nothing about the store."""

    def broken():
        yield bytes(2 * CHUNK)
        raise OSError(errno.ENOSPC, "the source's own")

    verbs = colour(store)
    with pytest.raises(OSError, match="own") as caught:
        verbs.put("k", broken())
    assert type(caught.value) is OSError
    assert os.listdir(root) == []
    with pytest.raises(IsADirectoryError) as caught:
        verbs.put("k", root)
    assert type(caught.value) is IsADirectoryError
    assert os.listdir(root) == []


def test_a_fifo_as_source(colour, store, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    data = os.urandom(3 * CHUNK)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit((tmp_path / "fifo").write_bytes, data)
        assert colour(store).put("k", tmp_path / "fifo").size == len(data)
        done.result(10)
    assert store.get("k").bytes() == data


def test_files_without_a_size_as_source(colour, store):
    from pathlib import Path

    colour(store).put("k", Path("/proc/self/limits"))
    assert b"Max open files" in store.get("k").bytes()


def test_a_cancelled_put_of_a_blocking_source(store, root):
    """The thread ends at its next chunk, publishes nothing and cleans up."""
    store.put("k", b"old")
    reached, go = threading.Event(), threading.Event()

    def source():
        yield bytes(2 * CHUNK)
        reached.set()
        go.wait(30)
        yield bytes(2 * CHUNK)

    async def main():
        task = asyncio.create_task(store.put_async("k", source()))
        assert await asyncio.to_thread(reached.wait, 30)
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done(), "it waits for its thread"
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files(root) == ["k"]

    asyncio.run(main())
    assert store.get("k").bytes() == b"old"
    assert files(root) == ["k"]


def test_a_cancelled_put_of_a_source_that_hangs(store, root, monkeypatch):
    monkeypatch.setattr(_local_writing, "GRACE", 0.2)
    store.put("k", b"old")
    reached, go = threading.Event(), threading.Event()

    def source():
        yield bytes(2 * CHUNK)
        reached.set()
        go.wait(30)
        yield b"1"

    async def main():
        task = asyncio.create_task(store.put_async("k", source()))
        assert await asyncio.to_thread(reached.wait, 30)
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 25  # the source waits for 30
        go.set()

    asyncio.run(main())  # waits for the threads of its pool
    assert store.get("k").bytes() == b"old"
    assert files(root) == ["k"]


def test_a_cancelled_put_on_a_disk_that_hangs(store, root, monkeypatch):
    """An async source, the thread deep in a write: the descriptor is not closed under it, and it cleans up in the end."""
    monkeypatch.setattr(_local_writing, "GRACE", 0.2)
    store.put("k", b"old")
    reached, go, closed_early = threading.Event(), threading.Event(), []
    write_all = _local_system.write_all

    def hanging(fd, data):
        reached.set()
        go.wait(30)
        try:
            os.fstat(fd)
        except OSError:
            closed_early.append(fd)
        return write_all(fd, data)

    async def source():
        yield bytes(2 * CHUNK)
        yield b"1"

    async def main():
        task = asyncio.create_task(store.put_async("k", source()))
        await asyncio.to_thread(reached.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(files(root)) == 2
        go.set()

    monkeypatch.setattr(_local_system, "write_all", hanging)
    asyncio.run(main())
    assert closed_early == []
    assert files(root) == ["k"]
    assert store.get("k").bytes() == b"old"


def test_a_cancelled_delete_deletes_no_more(store, root, monkeypatch):
    """Not a moment after its caller heard of the cancellation."""
    keys = [f"k{n:03}" for n in range(200)]
    for key in keys:
        store.put(key, b"")
    begun, real = threading.Event(), os.unlink

    def unlink(*args, **kwargs):
        begun.set()
        time.sleep(0.01)
        return real(*args, **kwargs)

    monkeypatch.setattr(os, "unlink", unlink)

    async def body():
        task = asyncio.create_task(store.delete_async(keys))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sorted(path.name for path in root.iterdir() if path.name.startswith("k"))

    left = asyncio.run(body())
    assert 0 < len(left) < 200
    assert sorted(path.name for path in root.iterdir() if path.name.startswith("k")) == left


def test_a_cancelled_rename_has_happened_or_not(store, root, monkeypatch):
    """When its caller hears of the cancellation, it is settled."""
    store.put("a", b"1")
    begun, go, real = threading.Event(), threading.Event(), store.rename

    def rename(*args, **kwargs):
        begun.set()
        go.wait(30)
        return real(*args, **kwargs)

    monkeypatch.setattr(store, "rename", rename)

    async def body():
        task = asyncio.create_task(store.rename_async("a", "b"))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        return (root / "a").exists(), (root / "b").exists()

    assert asyncio.run(body()) == (False, True)


def test_a_put_cancelled_before_its_thread_starts(store, root):
    """With a pool of one busy thread."""
    go = threading.Event()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, go.wait, 30)
        task = asyncio.create_task(store.put_async("k", b"1"))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0.05)
        go.set()
        await busy
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert os.listdir(root) == [] if root.exists() else True


def test_cancelled_copies_publish_nothing(store, root, monkeypatch):
    store.put("k", b"1")
    reached, go = threading.Event(), threading.Event()
    fill = Draft.fill

    def slow(self, *arguments, **named):
        reached.set()
        go.wait(30)
        return fill(self, *arguments, **named)

    async def main():
        task = asyncio.create_task(store.copy_async("k", "l"))
        await asyncio.to_thread(reached.wait, 30)
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    monkeypatch.setattr(Draft, "fill", slow)
    asyncio.run(main())
    assert files(root) == ["k"]


def test_memory_of_large_bodies_is_bounded(store, root):
    """A sparse file of 3 GiB is streamed and copied without holding it."""
    with open(root / "big", "wb") if root.exists() else _made(root, "big") as file:
        file.truncate(3 << 30)
    store.put("small", b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = 0
    with store.get("big") as result:
        for chunk in result:
            total += len(chunk)
            if total > 1 << 29:
                break
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def _made(root, name):
    root.mkdir()
    return open(root / name, "wb")
