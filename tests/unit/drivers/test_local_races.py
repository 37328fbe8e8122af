"""Threads and processes at one root: exactly one creator, no lost increment, no torn value, no litter."""

import contextlib
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdall.core.options import PutOptions
from holdall.drivers import _local_system
from holdall.drivers.local import LocalStore
from holdall.errors import AlreadyExistsError, NotFoundError, PreconditionError

PROCESSES = 4
COUNTS = 60

PREPARE = """
    import asyncio, os, sys
    from holdall.core.options import PutOptions
    from holdall.drivers.local import LocalStore
    from holdall.errors import AlreadyExistsError, NotFoundError, PreconditionError
    root, me, how = sys.argv[1], sys.argv[2], sys.argv[3]
    if how == "lock file":
        from holdall.drivers import _local_system
        import errno, stat
        lock_now = _local_system.lock_now
        def files_only(fd):
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                raise OSError(errno.EBADF, "no locks on directories")
            return lock_now(fd)
        _local_system.lock_now = files_only
    if how == "by path":
        from holdall.drivers import _local_system
        _local_system.RELATIVE = False
        _local_system.plain_opener = lambda flags: None
    store = LocalStore(root)
    def put(key, data, **options):
        options = PutOptions(**options)
        if how == "async":
            return asyncio.run(store.put_async(key, data, options))
        return store.put(key, data, options)
    store.put(f"ready/{me}", b"")
    while len(os.listdir(f"{root}/ready")) < 4:
        pass
"""


def race(root, body, how):
    """Run a body of code in four processes that start together; return the lines each printed."""
    code = textwrap.dedent(PREPARE) + textwrap.dedent(body)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(root), str(i), how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for i in range(PROCESSES)
    ]
    lines = []
    for process in running:
        out, err = process.communicate(timeout=100)
        assert err == ""
        lines.append(out.splitlines())
    return lines


def litter(root):
    return [name for _, _, names in os.walk(root) for name in names if name.startswith(".")]


@pytest.mark.parametrize("how", ["blocking", "async", "lock file", "by path"])
def test_processes_create_once(tmp_path, how):
    lines = race(
        tmp_path,
        """
        for i in range(40):
            try:
                put(f"d/{i}", me.encode(), mode="create")
                print(i)
            except AlreadyExistsError:
                pass
        """,
        how,
    )
    won = sorted(int(line) for own in lines for line in own)
    assert won == list(range(40))
    for me, own in enumerate(lines):
        for i in own:
            assert (tmp_path / "d" / i).read_bytes() == str(me).encode()
    assert litter(tmp_path) == []


@pytest.mark.parametrize("how", ["blocking", "async", "lock file", "by path"])
def test_processes_count_without_loss(tmp_path, how):
    """The values are of one size, and many fall into one tick of the kernel's clock: the etag alone tells them apart."""
    LocalStore(tmp_path).put("d/counter", b"0000")
    race(
        tmp_path,
        f"""
        for _ in range({COUNTS}):
            while True:
                with store.get("d/counter") as result:
                    value, etag = int(result.bytes()), result.meta.etag
                try:
                    put("d/counter", b"%04d" % (value + 1), if_match=etag)
                    break
                except PreconditionError:
                    pass
        """,
        how,
    )
    assert (tmp_path / "d/counter").read_bytes() == b"%04d" % (PROCESSES * COUNTS)
    assert litter(tmp_path) == []


def test_processes_delete_once(tmp_path):
    """Conditional deletes and creations take turns: each token is consumed once."""
    store = LocalStore(tmp_path)
    for i in range(40):
        store.put(f"d/{i}", b"token")
    lines = race(
        tmp_path,
        """
        for i in range(40):
            try:
                store.delete(f"d/{i}", if_match=store.head(f"d/{i}").etag)
                print(i)
            except (PreconditionError, NotFoundError):
                pass
        """,
        "blocking",
    )
    assert sorted(int(line) for own in lines for line in own) == list(range(40))


def test_a_plain_put_is_never_lost_under_compare_and_set(tmp_path):
    """Whoever compares sees every plain put: after the last one, nobody may have replaced it by its old value."""
    lines = race(
        tmp_path,
        """
        if me == "0":
            for i in range(200):
                print(store.put("d/k", f"plain {i}".encode()).etag)
        else:
            for i in range(400):
                try:
                    with store.get("d/k") as result:
                        seen, etag = result.bytes(), result.meta.etag
                    made = put("d/k", b"after " + seen[-20:], if_match=etag)
                    print(etag, made.etag)
                except (PreconditionError, NotFoundError):
                    pass
        """,
        "blocking",
    )
    replaced = [line.split()[0] for own in lines[1:] for line in own]
    assert len(replaced) == len(set(replaced)), "one version was replaced twice"
    etags = lines[0] + [line.split()[1] for own in lines[1:] for line in own]
    assert len(etags) == len(set(etags))
    assert LocalStore(tmp_path).head("d/k").etag in etags


@pytest.mark.parametrize("fast", [True, False], ids=["renameat2", "link"])
def test_sixteen_threads_create_once(colour, tmp_path, monkeypatch, fast):
    if not fast:
        monkeypatch.setattr(_local_system, "_rename_at", False)
    store = LocalStore(tmp_path)
    for i in range(10):
        answers = colour.at_once(store.put, [(f"d/{i}", str(n).encode(), PutOptions(mode="create")) for n in range(16)])
        won = [n for n, answer in enumerate(answers) if not isinstance(answer, Exception)]
        assert len(won) == 1
        assert all(isinstance(answer, AlreadyExistsError) for n, answer in enumerate(answers) if n != won[0])
        assert (tmp_path / f"d/{i}").read_bytes() == str(won[0]).encode()
    assert litter(tmp_path) == []


def test_sixteen_threads_count_without_loss(colour, tmp_path):
    store = LocalStore(tmp_path)
    store.put("counter", b"0000")

    def count(_, own):
        mine = own(store)
        for _ in range(10):
            while True:
                with mine.get("counter") as result:
                    value, etag = int(result.bytes()), result.meta.etag
                try:
                    mine.put("counter", b"%04d" % (value + 1), PutOptions(if_match=etag))
                    break
                except PreconditionError:
                    continue

    colour.in_threads(16, count)
    assert store.get("counter").bytes() == b"0160"


def test_two_stores_of_one_root_share_the_lock(tmp_path):
    """The lock belongs to the directory, not to the object."""
    stores = [LocalStore(tmp_path) for _ in range(8)]
    stores[0].put("counter", b"0")

    def count(store):
        for _ in range(20):
            while True:
                with store.get("counter") as result:
                    value, etag = int(result.bytes()), result.meta.etag
                try:
                    store.put("counter", str(value + 1).encode(), PutOptions(if_match=etag))
                    break
                except PreconditionError:
                    continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, stores))
    assert stores[0].get("counter").bytes() == b"160"


def test_renames_across_directories_do_not_deadlock(colour, tmp_path):
    """Both ways at once: the two locks are taken in one order."""
    store = LocalStore(tmp_path)
    for i in range(8):
        store.put(f"{'ab'[i % 2]}/{i}", str(i).encode())

    def toss(number, own):
        mine = own(store)
        here, there = "ab" if number % 2 == 0 else "ba"
        for _ in range(40):
            mine.rename(f"{here}/{number}", f"{there}/{number}")
            here, there = there, here

    colour.in_threads(8, toss)
    assert sorted(os.listdir(tmp_path / "a") + os.listdir(tmp_path / "b")) == [str(i) for i in range(8)]


def test_listing_while_everything_moves(colour, tmp_path):
    """A listing beside writers and removers breaks on nothing and is in order; what stays all the time is in it."""
    store = LocalStore(tmp_path)
    for i in range(40):
        store.put(f"stay/{i:02}/k", b"1")

    def body(number, own):
        mine = own(store)
        if number == 0:
            for _ in range(15):
                found = [meta.key for page in mine.list() for meta in page.objects]
                assert found == sorted(found)
                assert {f"stay/{i:02}/k" for i in range(40)} <= set(found)
            return
        for i in range(60):
            key = f"stay/{i % 40:02}-{number}/x{i}/k"
            mine.put(key, b"1")
            mine.delete(key)
            for path in (key[:-1], f"{key.rsplit('/', 2)[0]}/"):
                with contextlib.suppress(OSError):
                    mine.delete(path)

    colour.in_threads(4, body)
    assert litter(tmp_path) == []


def test_a_reader_never_sees_the_attributes_of_another_content(tmp_path, colour):
    """Bytes, etag, content type and metadata come from one open file."""
    store = LocalStore(tmp_path)
    for n in range(2):
        store.put("k", str(n).encode(), PutOptions(content_type=f"n/{n}", metadata={"n": str(n)}))

    def body(number, own):
        mine = own(store)
        for i in range(150):
            if number == 0:
                n = str(i % 2)
                mine.put("k", n.encode(), PutOptions(content_type=f"n/{n}", metadata={"n": n}))
                continue
            with mine.get("k") as result:
                n = result.bytes().decode()
                assert (result.meta.content_type, dict(result.meta.metadata)) == (f"n/{n}", {"n": n})
            meta = mine.head("k")
            assert meta.content_type == f"n/{meta.metadata['n']}"

    colour.in_threads(3, body)


def test_missing_while_replacing_never_shows(tmp_path, colour):
    """Between the old object and the new one there is no moment without any."""
    store = LocalStore(tmp_path)
    store.put("k", b"0")

    def body(number, own):
        mine = own(store)
        for i in range(300):
            if number == 0:
                mine.put("k", str(i).encode())
            else:
                try:
                    mine.head("k")
                except NotFoundError:
                    pytest.fail("it was gone for a moment")

    colour.in_threads(3, body)
