"""SFTP, SMB, FTP and WebDAV when things go wrong: restarts, dead and silent servers, full disks, killed writers, many writers, forks."""

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import traceback
import uuid
import warnings
from pathlib import Path

import pytest
from tests.file_servers import serving
from tests.unit.engine.stores import engine

from holdall.core.options import PutOptions
from holdall.drivers.memory import MemoryStore
from holdall.engine.progress import TransferOptions
from holdall.errors import (
    ForkedProcessError,
    HoldallError,
    PermissionDeniedError,
    StorageFullError,
    StoreTimeoutError,
    UnavailableError,
)
from holdall.testing import Colour, Fault, LocalGround

OLD, LARGE = b"the old bytes", 6_000_000


@pytest.fixture(scope="module", params=["sftp", "smb", "ftp", "ftps", "webdav"])
def shared(request):
    """Each kind of server in turn, one for all tests of this module."""
    with serving(request.param) as served:
        yield served


@pytest.fixture
def served(shared):
    """The server, its proxy in order."""
    yield shared
    shared.proxy.heal()
    shared.proxy.up()


@pytest.fixture
def folder(served):
    """A folder of its own for a test."""
    name = uuid.uuid4().hex[:12]
    (served.files / name).mkdir()
    return name


@pytest.fixture
def ground(served, folder):
    return LocalGround(served.files / folder)


@pytest.fixture
def store(served, folder):
    with served.store(folder) as store:
        yield store


def read(store, key="k"):
    with store.get(key) as got:
        return got.bytes()


def keys(store):
    return [meta.key for page in store.list() for meta in page.objects]


def discreet(error, *secrets):
    """Assert that neither an error nor what caused it shows a secret."""
    shown = "".join(traceback.format_exception(error)) + repr(error)
    assert not [secret for secret in secrets if secret in shown]


# -- names that change their kind -------------------------------------------------------------------------------------


def test_a_mirror_follows_what_became_a_directory_or_a_file(store, ground, colour: Colour):
    near = MemoryStore()
    for key in ("d/x/y", "e", "f/g/h"):
        near.put(key, key.encode())
    for key in ("d", "e/x/y", "f/g"):
        ground.write(key, OLD)
    report = colour(engine).sync((near, ""), (store, ""), TransferOptions(delete=True))
    assert (report.copied, report.deleted) == (3, 3)
    assert {key: ground.read(key) for key in ground.everything()} == {key: key.encode() for key in ("d/x/y", "e", "f/g/h")}


# -- servers that come and go -----------------------------------------------------------------------------------------


def test_a_server_that_was_restarted_is_found_again(served, store, ground, colour: Colour):
    verbs = colour(store)
    verbs.put("k", OLD)
    served.restart()
    assert read(verbs) == OLD
    served.restart()
    verbs.put("k", b"new")
    assert (ground.read("k"), keys(verbs)) == (b"new", ["k"])


def test_a_server_that_goes_away_in_the_middle_of_a_write(served, store, ground, colour: Colour):
    """The old object stays, nothing else is listed; the next write goes through."""
    verbs = colour(store)
    verbs.put("k", OLD)

    def chunks():
        for i in range(6):
            if i == 3:
                served.restart()
            yield bytes(LARGE // 6)

    if served.kind == "smb":  # no handle is held: what broke is done again
        verbs.put("k", chunks())
        assert ground.read("k") == bytes(LARGE)
    else:
        with pytest.raises(UnavailableError) as caught:
            verbs.put("k", chunks())
        discreet(caught.value, served.secret)
        assert ground.read("k") == OLD
    assert keys(verbs) == ["k"]
    verbs.put("k", b"new")
    assert ground.read("k") == b"new"


def test_a_server_that_goes_away_in_the_middle_of_a_read(served, store, ground, colour: Colour):
    """The read goes on at the same file, or is an error: never a part taken for the whole."""
    data = os.urandom(LARGE)
    ground.write("k", data)
    verbs, got = colour(store), bytearray()
    try:
        with verbs.get("k") as result:
            for chunk in result:
                if not got:
                    served.restart()
                got += chunk
    except HoldallError as error:
        discreet(error, served.secret)
        assert len(got) < LARGE
    else:
        assert got == data
    assert read(verbs) == data


def test_a_dead_server_is_unavailable(served, store, ground, colour: Colour):
    ground.write("k", OLD)
    verbs = colour(store)
    served.proxy.down()
    for call in (
        lambda: read(verbs),
        lambda: verbs.head("k"),
        lambda: keys(verbs),
        lambda: verbs.put("k", b"new"),
        lambda: verbs.delete("k"),
    ):
        with pytest.raises(UnavailableError) as caught:
            call()
        assert not isinstance(caught.value, FileNotFoundError)
        discreet(caught.value, served.secret)
    served.proxy.up()
    assert read(verbs) == OLD


def test_a_silent_server_is_given_up(served, folder, ground, colour: Colour):
    """One that takes everything and answers nothing: at the login, and in the middle of things."""
    ground.write("k", OLD)
    with served.store(folder, timeout=1.5, connect_timeout=1.5) as store:
        verbs = colour(store)
        served.proxy.fail(Fault(blackhole=True), times=1000)
        for call in (lambda: read(verbs), lambda: verbs.put("k", b"new")):
            with pytest.raises((UnavailableError, StoreTimeoutError)) as caught:
                call()
            discreet(caught.value, served.secret)
        served.proxy.heal()
        served.proxy.down()
        served.proxy.up()
    with served.store(folder) as store:
        assert read(colour(store)) == OLD


# -- logins -----------------------------------------------------------------------------------------------------------


def test_a_wrong_login_is_told_without_the_password(served, folder, ground, colour: Colour):
    ground.write("k", OLD)
    wrong = {"key_filename": None} if served.kind == "sftp" else {}
    with served.store(folder, password="hunter2-wrong", **wrong) as store:
        verbs = colour(store)
        for call in (lambda: read(verbs), lambda: verbs.put("k", b"new"), lambda: keys(verbs)):
            with pytest.raises(PermissionDeniedError) as caught:
                call()
            discreet(caught.value, "hunter2", served.secret)
    assert ground.read("k") == OLD


# -- full disks -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(served, folder):
    """The folder as a file system of 4 MiB."""
    path = served.files / folder
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(path)], capture_output=True, check=False)
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to be able to mount a tmpfs: {mounted.stderr!r}")
        pytest.skip("mounting a small tmpfs needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_leaves_the_old_object(served, folder, small_disk, ground, colour: Colour):
    # OpenSSH and Samba can be asked. Of the others wsgidav answers 500, and pyftpdlib "426 None", with TLS nothing at all.
    wanted = StorageFullError if served.kind in {"sftp", "smb"} else (StorageFullError, UnavailableError)
    with served.store(folder, timeout=4.0 if served.kind.startswith("ftps") else 8.0) as store:
        verbs = colour(store)
        verbs.put("k", OLD)
        with pytest.raises(wanted):
            verbs.put("k", [bytes(LARGE // 6)] * 6)
        assert (ground.read("k"), keys(verbs)) == (OLD, ["k"])
        if served.kind != "webdav":  # wsgidav keeps the removed file open, or fails to remove it
            assert os.listdir(small_disk) == ["k"]
            verbs.put("k", bytes(2_000_000))
            assert ground.read("k") == bytes(2_000_000)


# -- many and killed writers ------------------------------------------------------------------------------------------


def test_sixteen_writers_of_one_key(store, ground, colour: Colour):
    """One of them wins, whole."""
    values = [bytes([65 + i]) * (1000 + i * 20_000) for i in range(16)]
    store.put("d/k", OLD)
    colour.in_threads(16, lambda i, own: own(store).put("d/k", values[i]) and None)
    assert ground.read("d/k") in values
    assert ground.everything() == {"d/k"}


def test_sixteen_creators_of_one_key(store, ground, colour: Colour):
    """One of them creates it, the others are told."""
    if not store.capabilities.create:
        with pytest.raises(NotImplementedError):
            colour(store).put("k", b"", PutOptions(mode="create"))
        return

    def create(i, own):
        try:
            own(store).put("k", bytes([65 + i]) * 1000, PutOptions(mode="create"))
        except FileExistsError:
            return None
        return i

    [winner] = [i for i in colour.in_threads(16, create) if i is not None]
    assert ground.read("k") == bytes([65 + winner]) * 1000
    assert ground.everything() == {"k"}


WRITER = """
import asyncio, importlib, json, sys, time
module, name, address, options, colour = json.loads(sys.argv[1])
store = getattr(importlib.import_module(module), name)(address, **options)
def chunks():
    for _ in range(3):
        yield bytes(1_000_000)
    print("under way", flush=True)
    time.sleep(600)
async def write():
    await store.put_async("k", chunks())
asyncio.run(write()) if colour == "async" else store.put("k", chunks())
"""


def test_a_writer_that_is_killed_leaves_the_old_object(served, store, folder, ground, colour: Colour):
    ground.write("k", OLD)
    made, address, options = served.arguments(folder)
    described = json.dumps([made.__module__, made.__name__, address, options, colour.name])
    with subprocess.Popen([sys.executable, "-c", WRITER, described], stdout=subprocess.PIPE) as writer:
        try:
            ready, _, _ = select.select([writer.stdout], [], [], 60)
            assert ready, "the writer does not begin"
            assert writer.stdout.readline() == b"under way\n"
        finally:
            writer.send_signal(signal.SIGKILL)
    verbs = colour(store)
    assert ground.read("k") == OLD
    assert (read(verbs), keys(verbs)) == (OLD, ["k"])
    assert all(re.fullmatch(r"\.holdall-\w+\.tmp", name) for name in os.listdir(served.files / folder) if name != "k")
    verbs.put("k", b"new")
    assert ground.read("k") == b"new"


# -- forks ------------------------------------------------------------------------------------------------------------


def in_child(body):
    """Return what a function says in a forked child; a child that hangs fails the test."""
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: just this is tested
        pid = os.fork()
    if pid == 0:
        try:
            try:
                said = body()
            except BaseException as error:
                said = f"{type(error).__name__}: {error}".encode()
            os.write(send, said[:4096] or b"-")
        finally:
            os._exit(0)
    os.close(send)
    try:
        ready, _, _ = select.select([receive], [], [], 60)
        if not ready:
            pytest.fail("the child hangs")
        return os.read(receive, 4096)
    finally:
        os.close(receive)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_forked_child_works_or_says_so(served, store, ground, colour: Colour):
    """It opens connections of its own; those of the parent go on."""
    verbs = colour(store)
    verbs.put("k", OLD)

    def body():
        try:
            if colour.name == "async":

                async def both():
                    await store.put_async("child", b"1")
                    return await (await store.get_async("k")).bytes_async()

                return asyncio.run(both())
            store.put("child", b"1")
            return read(store)
        except ForkedProcessError as error:
            return OLD if "spawn" in str(error) else b"another error"

    assert in_child(body) == OLD
    assert read(verbs) == OLD
    verbs.put("k", b"new")
    assert ground.read("k") == b"new"


def test_no_secret_is_shown(served, store):
    assert served.secret not in repr(store) + repr(store.identity) + repr(vars(store))
    assert Path(served.files).is_dir()
