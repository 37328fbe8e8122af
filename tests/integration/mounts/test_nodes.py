"""Nodes on memory, local disk and S3, in both colours: the same behaviour everywhere."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
import time
import zipfile

import pytest

from holdall import StorageManager
from holdall.errors import AlreadyExistsError, NotSupportedError, PreconditionError, UnavailableError
from holdall.testing import FaultProxy

# -- state and content (A7) -----------------------------------------------------------------------------------------------


def test_a07_a_life_of_a_file(storage, say):
    node = storage.node("here:docs/ä b%2F.txt")
    assert (say(node, "exists"), say(node, "isfile"), say(node, "isdir")) == (False, False, False)
    assert say(node, "write", "grüß\n") is True
    assert (say(node, "exists"), say(node, "isfile"), say(node, "isdir")) == (True, True, False)
    assert say(node, "read") == "grüß\n"
    assert say(node, "size") == 7
    assert abs(say(node, "mtime") - time.time()) < 60
    assert say(node, "md5hash") == hashlib.md5("grüß\n".encode()).hexdigest()
    assert say(node, "checksum") == hashlib.sha256("grüß\n".encode()).hexdigest()
    assert say(node.parent, "isdir") is True
    assert [n.path for n in say(node.parent, "children")] == ["docs/ä b%2F.txt"]
    assert say(node, "get", range=(0, 2)).range == (0, 2)
    moved = say(node, "rename", "here:docs/new.txt")
    assert say(moved, "read") == "grüß\n"
    assert not say(node, "exists")
    say(moved, "delete")
    assert not say(moved, "exists")
    say(moved, "delete")


def test_trees(storage, say):
    for name in ("a.txt", "d/b.txt", "d/e/c.txt", "d-x", "d.y"):
        say(storage.node("here", name), "write", name)
    top = storage.node("here")
    assert [n.path for n in say(top, "children")] == ["a.txt", "d", "d-x", "d.y"]
    assert sorted(n.path for n in say(top, "glob", "**/*.txt")) == ["a.txt", "d/b.txt", "d/e/c.txt"]
    assert sorted(n.path for n in say(top, "glob", "d/*/")) == ["d/e"]
    walked = {node.path: (sorted(folders), sorted(files)) for node, folders, files in say(top, "walk")}
    assert walked == {"": (["d"], ["a.txt", "d-x", "d.y"]), "d": (["e"], ["b.txt"]), "d/e": ([], ["c.txt"])}
    say(storage.node("here:d"), "rename", "here:moved")
    assert sorted(n.path for n in say(top, "rglob", "*") if n.info.is_file()) == [
        "a.txt",
        "d-x",
        "d.y",
        "moved/b.txt",
        "moved/e/c.txt",
    ]
    say(storage.node("here:moved"), "delete")
    assert sorted(n.path for n in say(top, "rglob", "*")) == ["a.txt", "d-x", "d.y"]


def test_directories(storage, say):
    node = storage.node("here:empty/deep")
    say(node, "mkdir", parents=True)
    assert say(node, "isdir")
    assert say(node, "children") == []
    with pytest.raises(FileExistsError):
        say(node, "mkdir")
    say(node, "rmdir")
    assert not say(node, "exists")
    file = storage.node("here:f")
    say(file, "write", "x")
    with pytest.raises(NotADirectoryError):
        say(file, "children")
    with pytest.raises(FileNotFoundError):
        say(storage.node("here:none"), "children")


def test_a27_metadata_tags_and_type(storage, say):
    node = storage.node("here:m")
    say(node, "put", b"x", content_type="text/x-test", metadata={"Who": "me"}, tags={"t": "1"}, cache_control="no-store")
    stat = say(node, "stat")
    assert (stat.content_type, dict(stat.metadata)) == ("text/x-test", {"who": "me"})
    assert say(node, "get_tags") == {"t": "1"}
    say(node, "set_metadata", {"new": "2"}, merge=True)
    say(node, "set_tags", {"u": "2"})
    assert say(node, "get_metadata") == {"who": "me", "new": "2"}
    assert say(node, "get_tags") == {"u": "2"}
    assert say(node, "stat").content_type == "text/x-test"
    copied = say(node, "copy_to", "there:m", preserve="all")
    assert say(copied, "get_metadata") == {"who": "me", "new": "2"}
    assert say(copied, "get_tags") == {"u": "2"}
    assert say(copied, "stat").content_type == "text/x-test"


def test_unchanged_content(storage, say):
    node = storage.node("here:same")
    assert say(node, "write", "x", skip_if_unchanged=True) is True
    etag = node.stat().etag
    assert say(node, "write", "x", skip_if_unchanged=True) is False
    assert node.stat().etag == etag
    assert say(node, "write", "y", skip_if_unchanged=True) is True
    assert node.read() == "y"


def test_touch(storage, say):
    node = storage.node("here:t")
    say(node, "touch")
    assert node.read() == ""
    with pytest.raises(FileExistsError):
        say(node, "touch", exist_ok=False)


def test_a07_no_server_is_not_no_file(say):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    mount = {
        "type": "s3",
        "bucket": "b",
        "endpoint_url": f"http://127.0.0.1:{port}",
        "key": "k" * 16,
        "secret": "s",
        "retries": 0,
        "region": "us-east-1",
    }
    with StorageManager({"gone": mount}) as storage:
        for ask in ("exists", "isfile", "isdir", "size", "read", "children"):
            with pytest.raises(UnavailableError):
                say(storage.node("gone:a"), ask)


# -- open files (A8, A9) --------------------------------------------------------------------------------------------------


def test_open_in_every_mode(storage):
    node = storage.node("here:o/file.txt")
    with node.open("x") as file:
        file.write("one\n")
    with pytest.raises(FileExistsError):
        node.open("x")
    with node.open("a") as file:
        file.write("two\n")
    with node.open() as file:
        assert file.read() == "one\ntwo\n"
    with node.open("rb") as file:
        file.seek(4)
        assert file.read(3) == b"two"
    with node.open("r+b") as file:
        file.seek(0)
        file.write(b"ONE")
    assert list(node.open()) == ["ONE\n", "two\n"]
    with node.open("w", encoding="latin-1", content_type="text/x") as file:
        file.write("ü")
    assert node.read_bytes() == b"\xfc"
    assert node.stat().content_type == "text/x"
    with pytest.raises(ValueError, match="mode"):
        node.open("q")
    with pytest.raises(FileNotFoundError):
        storage.node("here:none").open()
    with pytest.raises(IsADirectoryError):
        storage.node("here:o").open()
    with storage.node("here:z.zip").open("wb") as raw, zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("a", "inside")
    with storage.node("here:z.zip").open("rb") as raw, zipfile.ZipFile(raw) as archive:
        assert archive.read("a") == b"inside"


def test_open_async_in_every_mode(storage):
    node = storage.node("here:o/file.txt")

    async def main():
        async with node.open_async("x") as file:
            await file.write("one\n")
        with pytest.raises(FileExistsError):
            async with node.open_async("x"):
                pass
        async with node.open_async("a") as file:
            await file.write("two\n")
        async with node.open_async() as file:
            assert [line async for line in file] == ["one\n", "two\n"]
        file = await node.open_async("rb")
        await file.seek(4)
        assert await file.read(3) == b"two"
        await file.close()
        async with node.open_async("r+b") as file:
            await file.write(b"ONE")
        assert await node.read_async() == "ONE\ntwo\n"
        with pytest.raises(FileNotFoundError):
            await storage.node("here:none").open_async()
        with pytest.raises(IsADirectoryError):
            await storage.node("here:o").open_async()

    asyncio.run(main())


def test_a08_a_writer_that_fails_leaves_the_old_content(storage):
    node = storage.node("here:w")
    node.write("old")

    def fail():
        with node.open("w") as file:
            file.write("half")
            assert node.read() == "old"
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    file = node.open("wb")
    file.write(b"never closed" * 100_000)
    del file
    assert node.read() == "old"
    assert [n.path for n in storage.node("here").rglob("*")] == ["w"]

    async def fail_async():
        async with node.open_async("w") as file:
            await file.write("half")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(fail_async())
    assert node.read() == "old"


def test_a09_one_winner_among_threads(storage):
    node = storage.node("here:race")
    won: list[int] = []
    lost: list[int] = []
    barrier = threading.Barrier(16)

    def work(number: int) -> None:
        barrier.wait(30)
        try:
            with node.open("x") as file:
                file.write(str(number))
            won.append(number)
        except AlreadyExistsError:
            lost.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    assert len(lost) == 15
    assert node.read() == str(won[0])


def test_a09_two_appenders_lose_no_line(storage):
    node = storage.node("here:log")
    node.write("")
    written: list[str] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        done = 0
        end = time.monotonic() + 60
        while done < 5 and time.monotonic() < end:
            line = f"{number}-{done}\n"
            try:
                with node.open("a") as file:
                    file.write(line)
            except PreconditionError:
                continue
            with lock:
                written.append(line)
            done += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len(written) == 10
    assert sorted(node.read().splitlines(keepends=True)) == sorted(written)


# -- versions on S3 (A24 to A26) ------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "s3"])
def versioned(request, moto_versioned_bucket, s3_mount):
    mounts = {"memory": {"type": "memory", "versioned": True}, "s3": s3_mount(moto_versioned_bucket, versioned=True)}
    with StorageManager({"old": mounts[request.param]}) as storage:
        yield storage


def test_a24_versions(versioned, say):
    node = versioned.node("old:v.txt")
    for text in ("one", "two", "three"):
        say(node, "write", text)
    found = say(node, "versions")
    assert [v["is_latest"] for v in found] == [False, False, True]
    assert [say(node, "read_text", version=v["version_id"]) for v in found] == ["one", "two", "three"]
    assert say(node, "read_text", version=0) == "one"
    assert say(node, "read_text", version=-2) == "two"
    assert node.capabilities.versioning
    new = say(node, "rollback")
    assert say(node, "read") == "two"
    assert say(node, "version_count") == 4
    assert say(node, "versions")[-1]["version_id"] == new
    say(node, "delete")
    assert not say(node, "exists")
    markers = [v for v in say(node, "list_versions", delete_markers=True) if v.get("delete_marker")]
    assert [v["is_latest"] for v in markers] == [True]
    say(node, "restore")
    assert say(node, "read") == "two"
    say(node.at(0), "copy_to", "old:first.txt")
    assert versioned.node("old:first.txt").read() == "one"
    say(node, "delete_version", found[0]["version_id"])
    assert say(node, "read_text", version=0) == "two"


def test_compaction(versioned, say):
    node = versioned.node("old:c")
    for text in ("a", "a", "b", "b", "a"):
        say(node, "write", text)
    assert say(node, "compact_versions", dry_run=True) == 2
    assert say(node, "compact_versions") == 2
    assert [say(node, "read_text", version=v["version_id"]) for v in say(node, "versions")] == ["a", "b", "a"]
    assert say(node, "write", "a", skip_if_unchanged=True) is False
    assert say(node, "version_count") == 3


def test_a_bucket_that_is_said_to_keep_no_versions_is_never_asked_for_them(moto_versioned_bucket, s3_mount, say):
    with FaultProxy(moto_versioned_bucket.server.endpoint) as proxy:
        described = s3_mount(moto_versioned_bucket, versioned=False)
        with StorageManager({"off": {**described, "endpoint_url": proxy.url}}) as storage:
            node = storage.node("off:a")
            node.write("x")
            before = len(proxy.traffic.requests)
            for call in (
                ("versions",),
                ("version_count",),
                ("rollback",),
                ("restore",),
                ("compact_versions",),
                ("delete_version", "id"),
                ("read", "r"),
            ):
                asked = node.at(version="id") if call[0] == "read" else node
                with pytest.raises(NotSupportedError, match="does not support versioning|cannot"):
                    say(asked, *call)
            assert (node.capabilities.version_listing, node.capabilities.version_access) == (False, False)
            assert len(proxy.traffic.requests) == before


def test_versioning_is_claimed_only_when_it_is_known(moto_versioned_bucket, moto_bucket, s3_mount):
    config = {"unsaid": s3_mount(moto_versioned_bucket), "none": s3_mount(moto_bucket)}
    with StorageManager(config) as storage:
        assert not storage.node("unsaid:a").capabilities.versioning
        assert storage.get_backend("unsaid").probe() is True
        assert storage.node("unsaid:a").capabilities.versioning
        assert storage.get_backend("none").probe() is False
        assert not storage.node("none:a").capabilities.versioning


# -- addresses ------------------------------------------------------------------------------------------------------------


def test_signed_urls(everywhere, say, moto):
    import urllib.request

    node = everywhere.node("s3:dir/ü b.txt")
    node.write("signed")
    url = say(node, "get_presigned_url", 60, download_name="ü.txt", content_type="text/x")
    assert "X-Amz-Signature=" in url
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"signed"
        assert answer.headers["Content-Type"] == "text/x"
        assert "UTF-8''%C3%BC.txt" in answer.headers["Content-Disposition"]
    assert say(node, "url", 60).startswith(moto.endpoint)
    url = say(node, "get_presigned_url", 60, method="PUT")
    request = urllib.request.Request(url, data=b"put", method="PUT", headers={"Content-Type": "application/octet-stream"})
    urllib.request.urlopen(request, timeout=30).close()
    assert node.read() == "put"
    for mount in ("ram", "disk"):
        assert say(everywhere.node(f"{mount}:a"), "url") is None
        with pytest.raises(NotImplementedError):
            say(everywhere.node(f"{mount}:a"), "get_presigned_url")
    with pytest.raises(ValueError, match="604"):
        say(node, "get_presigned_url", 10_000_000)


def test_a36_forked_children_work_or_say_so(everywhere):
    """A child process after use: local and memory work, S3 works or raises; nothing hangs."""
    for mount in ("ram", "disk", "s3"):
        everywhere.node(f"{mount}:f").write(mount)
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            for mount in ("ram", "disk"):
                code |= everywhere.node(f"{mount}:f").read() != mount
            try:
                code |= everywhere.node("s3:f").read() != "s3"
            except RuntimeError as error:
                code |= "spawn" not in str(error)
        except BaseException:
            code = 9
        os._exit(code)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    pytest.fail("the child hangs")


# -- real programs (A30) --------------------------------------------------------------------------------------------------


def test_a30_ffmpeg(storage, say):
    """A sound is made by Python, turned into FLAC and cut by ffmpeg, on every storage."""
    import io
    import math
    import struct
    import subprocess
    import wave

    import imageio_ffmpeg

    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(b"".join(struct.pack("<h", int(20000 * math.sin(i / 5))) for i in range(16000)))
    source, target = storage.node("here:sounds/a b.wav"), storage.node("there:made/a.flac")
    source.write_bytes(buffer.getvalue())
    etag = source.stat().etag
    say(source, "call", ffmpeg, "-nostdin", "-y", "-i", source, "-t", "1", target)
    assert target.read_bytes()[:4] == b"fLaC"
    assert source.stat().etag == etag
    with target.local_path() as path:
        told = subprocess.run(
            [ffmpeg, "-nostdin", "-i", path, "-f", "null", "-"], capture_output=True, text=True, timeout=60, check=True
        ).stderr
    assert "Duration: 00:00:01.00" in told
    with pytest.raises(subprocess.CalledProcessError) as raised:
        say(
            source,
            "call",
            ffmpeg,
            "-nostdin",
            "-y",
            "-i",
            storage.node("here:sounds/a b.wav"),
            storage.node("there:made/a.nonsense"),
        )
    assert "nonsense" in raised.value.stderr
    assert not storage.node("there:made/a.nonsense").exists
