"""Each type of mount, described as users describe it, against the real thing: one life of a file and a tree."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import tarfile
import zipfile

import pytest

from holdall import StorageManager
from holdall.errors import PermissionDeniedError, UnknownMountError

WRITABLE = ["sftp", "ftp", "ftps", "webdav", "azure", "localstack", "radosgw", "fsspec-memory", "fsspec-local", "s3fs"]


@pytest.fixture
def mount(request, tmp_path):
    """The description of a mount of one type, with its server running."""
    kind = request.param
    if kind == "sftp":
        folder = request.getfixturevalue("sshd_folder")
        server = folder.server
        return {"type": "sftp", "host": server.host, "port": server.port, "username": server.user, "path": folder.path, "key_filename": server.client_key, "known_hosts": server.known_hosts}  # fmt: skip
    if kind in {"ftp", "ftps"}:
        folder = request.getfixturevalue("ftpd_folder" if kind == "ftp" else "ftpd_tls_folder")
        server = folder.server
        more = {} if kind == "ftp" else {"verify": False}
        return {"type": kind, "host": server.host, "port": server.port, "username": server.user, "password": server.password, "path": folder.path, **more}  # fmt: skip
    if kind == "webdav":
        folder = request.getfixturevalue("webdav_folder")
        server = folder.server
        return {
            "type": "webdav",
            "url": server.url,
            "path": folder.path,
            "username": server.user,
            "password": server.password,
        }
    if kind == "azure":
        container = request.getfixturevalue("azurite_container")
        server = container.server
        return {"type": "azure", "container": container.name, "account_name": server.account, "account_key": server.key, "endpoint_url": server.endpoint, "path": "below"}  # fmt: skip
    if kind in {"localstack", "radosgw"}:
        bucket = request.getfixturevalue(f"{kind}_bucket")
        return request.getfixturevalue("s3_mount")(bucket, path="a/b")
    if kind == "s3fs":
        import s3fs

        bucket = request.getfixturevalue("moto_bucket")
        server = bucket.server
        fs = s3fs.S3FileSystem(
            key=server.access_key, secret=server.secret_key, endpoint_url=server.endpoint, skip_instance_cache=True
        )
        return {"type": "fsspec", "fs": fs, "path": f"{bucket.name}/base"}
    if kind == "fsspec-memory":
        return {"type": "fsspec", "fs": "memory", "path": f"/{tmp_path.name}-{id(request)}"}
    (tmp_path / "files").mkdir()
    return {"type": "fsspec", "fs": "file", "path": str(tmp_path / "files")}


@pytest.mark.parametrize("mount", WRITABLE, indirect=True)
def test_writable_types(mount, say):
    # One colour by one event loop: a connection belongs to its loop.
    with StorageManager(
        {"there": mount, "ram": "memory://", "part": "there:deep/er", "fixed": {"path": "there:", "permissions": "readonly"}}
    ) as storage:
        node = storage.node("part:ä b.txt")
        assert not say(node, "exists")
        say(node, "write", "grüß")
        assert say(node, "read") == "grüß"
        assert (say(node, "isfile"), say(node, "size"), say(node.parent, "isdir")) == (True, 6, True)
        assert [n.path for n in say(storage.node("there"), "rglob", "*.txt")] == ["deep/er/ä b.txt"]
        for i in range(5):
            storage.node(f"ram:tree/{i}/f.txt").write(str(i))
        say(storage.node("ram:tree"), "copy_to", "there:tree")
        say(storage.node("there:tree"), "copy_to", "ram:back")
        assert [storage.node(f"ram:back/{i}/f.txt").read() for i in range(5)] == list("01234")
        again = say(storage, "sync", "ram:tree", "there:tree", compare="size")
        assert (again.copied, again.skipped) == (0, 5)
        say(storage.node("there:tree/0/f.txt"), "move_to", "ram:moved")
        assert not say(storage.node("there:tree/0/f.txt"), "exists")
        with pytest.raises(PermissionDeniedError, match="read-only"):
            say(storage.node("fixed:x"), "write", "y")
        say(storage.node("there:tree"), "delete")
        assert [n.path for n in say(storage.node("there"), "rglob", "*") if n.info.is_file()] == ["deep/er/ä b.txt"]


def test_both_colours_on_one_mount(sshd_folder):
    server = sshd_folder.server
    mount = {"type": "sftp", "host": server.host, "port": server.port, "username": server.user, "path": sshd_folder.path, "key_filename": server.client_key, "known_hosts": server.known_hosts}  # fmt: skip
    with StorageManager({"there": mount}) as storage:
        node = storage.node("there:a.txt")
        node.write("blocking")

        async def main() -> str:
            await storage.node("there:b.txt").write_async("async")
            return await node.read_async() + node.parent.child("b.txt").read()

        assert asyncio.run(main()) == "blockingasync"
        assert node.read() == "blocking"


# -- read-only types ------------------------------------------------------------------------------------------------------


def test_http(nginx_site, say):
    nginx_site.ground.write("dir/a b.txt", b"served")
    with StorageManager({"web": {"type": "http", "base_url": nginx_site.url}}) as storage:
        node = storage.node("web:dir/a b.txt")
        assert say(node, "read") == "served"
        assert (say(node, "exists"), say(node, "size")) == (True, 6)
        assert not say(storage.node("web:dir/none"), "exists")
        assert node.url() == f"{nginx_site.url}/dir/a%20b.txt"
        assert node.capabilities.readonly
        with pytest.raises((PermissionDeniedError, NotImplementedError)):
            say(node, "write", "x")


@pytest.fixture
def archived(tmp_path):
    """The same file in a zip, a tar and a repository."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("d/a b.txt", "inside")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("d/a b.txt")
        entry.size = 6
        archive.addfile(entry, io.BytesIO(b"inside"))
    who = {f"GIT_{kind}_{what}": "a@b" for kind in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path / "repo", check=True, capture_output=True, env=os.environ | who)

    (tmp_path / "repo/d").mkdir(parents=True)
    git("init", "-q", "-b", "main")
    for text, tag in (("first!", "v1"), ("inside", "v2")):
        (tmp_path / "repo/d/a b.txt").write_text(text)
        git("add", ".")
        git("commit", "-qm", tag)
        git("tag", tag)
    return {
        "disk": {"type": "local", "path": str(tmp_path)},
        "zip": {"type": "zip", "file": str(tmp_path / "a.zip"), "mode": "r"},
        "tar": {"type": "tar", "file": str(tmp_path / "a.tar.gz"), "compression": "gz"},
        "git": {"type": "git", "path": str(tmp_path / "repo"), "ref": "main"},
        "old": {"type": "git", "path": str(tmp_path / "repo"), "ref": "v1"},
        "mounted": {"type": "zip", "file": "disk:a.zip"},
        "mounted-tar": {"type": "tar", "file": "disk:a.tar.gz", "compression": "gz"},
        "ram": {"type": "memory"},
    }


def test_archives_and_repositories(archived, say):
    with StorageManager(archived) as storage:
        for mount in ("zip", "tar", "git", "old", "mounted", "mounted-tar"):
            node = storage.node(f"{mount}:d/a b.txt")
            assert say(node, "read") == ("first!" if mount == "old" else "inside")
            assert (say(node, "size"), say(node, "isfile"), say(node.parent, "isdir")) == (6, True, True)
            assert not say(storage.node(f"{mount}:none"), "exists")
            assert node.capabilities.readonly and not node.capabilities.versioning
            with pytest.raises((PermissionDeniedError, NotImplementedError)):
                say(storage.node(f"{mount}:x"), "write", "y")
            say(storage.node(f"{mount}:"), "copy_to", f"ram:{mount}")
            assert [n.path for n in storage.node("ram", mount).rglob("*.txt")] == [f"{mount}/d/a b.txt"]


def test_an_archive_on_s3_is_read_in_place(moto_bucket, s3_mount, say):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("large.bin", os.urandom(8 << 20))
        archive.writestr("small.txt", "small")
    with StorageManager({"s3": s3_mount(moto_bucket), "zip": {"type": "zip", "file": "s3:deep/a.zip"}}) as storage:
        storage.node("s3:deep/a.zip").write_bytes(buffer.getvalue())
        assert say(storage.node("zip:small.txt"), "read") == "small"
        assert say(storage.node("zip:large.bin"), "size") == 8 << 20
    with pytest.raises(UnknownMountError, match="Parent mount 'gone' not found"):
        StorageManager({"zip": {"type": "zip", "file": "gone:a.zip"}})


@pytest.mark.parametrize("kind", ["azure", "s3"])
def test_the_services_own_filesystem_has_the_mounts_credentials(kind, request, s3_mount):
    import adlfs
    import s3fs

    if kind == "azure":
        container = request.getfixturevalue("azurite_container")
        server, place = container.server, container.name
        mount = {"type": "azure", "container": place, "account_name": server.account, "account_key": server.key, "endpoint_url": server.endpoint, "path": "below"}  # fmt: skip
    else:
        bucket = request.getfixturevalue("moto_bucket")
        place, mount = bucket.name, s3_mount(bucket, path="below")
    with StorageManager({"there": mount, "fixed": {**mount, "permissions": "readonly"}}) as storage:
        storage.node("there:a b.txt").write("hello")
        fs = storage.get_backend("there").fs
        assert isinstance(fs, adlfs.AzureBlobFileSystem if kind == "azure" else s3fs.S3FileSystem)
        assert fs is storage.get_backend("there").fs
        assert fs.cat_file(f"{place}/below/a b.txt") == b"hello"
        restricted = storage.get_backend("fixed").fs
        assert restricted.cat_file(f"{place}/below/a b.txt") == b"hello"
        with pytest.raises(PermissionError):
            restricted.pipe_file(f"{place}/below/new", b"x")
        with pytest.raises(PermissionDeniedError, match="read-only"):
            storage.node("fixed:new").get_presigned_url(method="PUT")
        if kind == "azure":
            with pytest.raises(AttributeError, match="only S3 has"):
                storage.get_backend("there").client  # noqa: B018


def test_the_filesystem_of_google_is_gcsfs():
    import gcsfs

    with StorageManager(
        {"there": {"type": "gcs", "bucket": "b", "anon": True, "endpoint_url": "http://127.0.0.1:1"}}
    ) as storage:
        fs = storage.get_backend("there").fs
    assert isinstance(fs, gcsfs.GCSFileSystem)
    assert (fs.storage_options["token"], fs.storage_options["endpoint_url"]) == ("anon", "http://127.0.0.1:1")
