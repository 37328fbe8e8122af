"""Each type of mount, described as users describe it, against the real thing: one life of a file and a tree."""

from __future__ import annotations

import asyncio

import pytest

from holdall import StorageManager
from holdall.errors import PermissionDeniedError

WRITABLE = ["sftp", "ftp", "ftps", "azure", "localstack", "radosgw", "fsspec-memory", "fsspec-local", "s3fs"]


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
