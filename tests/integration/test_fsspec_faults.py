"""What a program's own fsspec filesystems do when things go wrong: full disks, killed and many writers, forks, wrong keys."""

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import pytest
from tests.integration import fsspec_stores

from holdall.errors import ForkedProcessError, PermissionDeniedError, StorageFullError, UnavailableError
from holdall.testing import Colour, LocalGround

ROOT = Path(__file__).parents[2]
OLD = b"the old bytes"
OURS = re.compile(r"\.holdall-[\w-]+\.tmp")


def s3fs_of(bucket, **wrong):
    server = bucket.server
    options = {
        "key": server.access_key,
        "secret": server.secret_key,
        "endpoint_url": server.endpoint,
        "client_kwargs": {"region_name": server.region},
    }
    return "s3", bucket.name, options | wrong


@pytest.fixture(params=["file", "sshfs", "s3"])
def place(request, tmp_path):
    """Protocol, path and options of a filesystem, and its ground."""
    if request.param == "file":
        return ("file", str(tmp_path), {}), LocalGround(tmp_path)
    if request.param == "s3":
        bucket = request.getfixturevalue("moto_bucket")
        return s3fs_of(bucket), bucket.ground
    folder = request.getfixturevalue("sshd_folder")
    server = folder.server
    login = {"host": server.host, "port": server.port, "username": server.user, "known_hosts": server.known_hosts}
    return ("sshfs", folder.path, {**login, "client_keys": [server.client_key]}), folder.ground


@pytest.fixture
def store(place):
    with fsspec_stores.made(*place[0]) as store:
        yield store


@pytest.fixture
def ground(place):
    return place[1]


def read(store, key="k"):
    with store.get(key) as got:
        return got.bytes()


def keys(store):
    return [meta.key for page in store.list() for meta in page.objects]


def test_a_writer_that_is_killed_leaves_the_old_object(place, store, ground, colour: Colour):
    ground.write("k", OLD)
    command = [sys.executable, "-m", fsspec_stores.__name__, json.dumps([colour.name, *place[0]])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
        try:
            ready, _, _ = select.select([writer.stdout], [], [], 60)
            assert ready, "the writer does not begin"
            assert writer.stdout.readline() == b"under way\n"
        finally:
            writer.send_signal(signal.SIGKILL)
    verbs = colour(store)
    assert (ground.read("k"), read(verbs), keys(verbs)) == (OLD, OLD, ["k"])
    assert all(OURS.fullmatch(name) for name in ground.everything() - {"k"})
    verbs.put("k", b"new")
    assert ground.read("k") == b"new"


def test_sixteen_writers_of_one_key(store, ground, colour: Colour):
    """One of them wins, whole."""
    values = [bytes([65 + i]) * (1000 + i * 20_000) for i in range(16)]
    store.put("d/k", OLD)
    colour.in_threads(16, lambda i, own: own(store).put("d/k", values[i]) and None)
    assert ground.read("d/k") in values
    assert ground.everything() == {"d/k"}


@pytest.mark.parametrize("place", ["file", "sshfs"], indirect=True)
def test_a_full_disk_leaves_the_old_object(place, store, ground, colour: Colour):
    root = Path(ground.root)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(root)], capture_output=True, check=False)
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to be able to mount a tmpfs: {mounted.stderr!r}")
        pytest.skip("mounting a small tmpfs needs root")
    try:
        verbs = colour(store)
        verbs.put("k", OLD)
        with pytest.raises((StorageFullError, UnavailableError)):  # SFTP has no word for it but "failure"
            verbs.put("k", [bytes(1_000_000)] * 6)
        assert (ground.read("k"), keys(verbs), ground.everything()) == (OLD, ["k"], {"k"})
        verbs.put("k", bytes(2_000_000))
        assert ground.read("k") == bytes(2_000_000)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


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


def test_a_forked_child_works_or_says_so(store, ground, colour: Colour):
    """It opens connections of its own; those of the parent go on."""
    verbs = colour(store)
    verbs.put("k", OLD)

    async def both():
        await store.put_async("child", b"1")
        async with await store.get_async("k") as got:
            return await got.bytes_async()

    def body():
        try:
            if colour.name == "async":
                return asyncio.run(both())
            store.put("child", b"1")
            return read(store)
        except ForkedProcessError as error:
            return OLD if "spawn" in str(error) else b"another error"

    assert in_child(body) == OLD
    assert read(verbs) == OLD
    verbs.put("k", b"new")
    assert ground.read("k") == b"new"


def test_wrong_credentials_are_told_and_not_shown(radosgw_bucket, colour: Colour):
    radosgw_bucket.ground.write("k", OLD)
    with fsspec_stores.made(*s3fs_of(radosgw_bucket, secret="hunter2-wrong")) as store:
        verbs = colour(store)
        for call in (lambda: read(verbs), lambda: verbs.put("k", b"new"), lambda: keys(verbs), lambda: verbs.delete("k")):
            with pytest.raises(PermissionDeniedError) as caught:
                call()
            assert "hunter2" not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert radosgw_bucket.ground.read("k") == OLD
