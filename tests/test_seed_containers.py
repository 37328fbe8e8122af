"""The programs that people already have for lazy containers on S3 run unchanged but for their import lines.

Each block is kept as text and executed, against moto, LocalStack and Ceph's gateway. The blocks name ``localhost:9000`` and one pair of
credentials: that name is resolved to the server's real port, and the gateway gets a key of that name.
"""

from __future__ import annotations

import shutil
import socket
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import s3fs

from holdall.containers import EncodeError, LazyReader, LazyWriter, load
from holdall.errors import NotSupportedError
from holdall.testing.servers import LocalStack, Moto, Radosgw, S3Server
from holdall.testing.servers.process import run as command

DOCUMENT = {"records": [{"id": i, "name": f"record {i}"} for i in range(2000)], "hello": "world"}
USER = "rustfsadmin"


@pytest.fixture(params=["moto", "localstack", "radosgw"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server that answers at ``localhost:9000`` and to the environment of an AWS program, with the buckets of the blocks."""
    server: Moto | LocalStack | Radosgw = request.getfixturevalue(request.param)
    if isinstance(server, Radosgw):
        admin = [shutil.which("radosgw-admin"), "-c", f"{server.directory}/ceph.conf", "-n", "client.admin"]
        command([*map(str, admin), "key", "create", "--uid=test", f"--access-key={USER}", f"--secret-key={USER}"])
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    real = socket.getaddrinfo
    port = int(server.endpoint.rpartition(":")[2])

    def resolved(host: Any, wanted: Any, *more: Any, **named: Any) -> Any:
        if (host, wanted) == ("localhost", 9000):
            host, wanted = "127.0.0.1", port
        return real(host, wanted, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    s3fs.S3FileSystem.clear_instance_cache()
    client = server.client()
    client.create_bucket(Bucket="my-bucket")
    try:
        yield server
    finally:
        for bucket in ("my-bucket", "test-bucket"):
            if bucket in {found["Name"] for found in client.list_buckets()["Buckets"]}:
                for item in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
                    client.delete_object(Bucket=bucket, Key=item["Key"])
                client.delete_bucket(Bucket=bucket)
        client.close()
        s3fs.S3FileSystem.clear_instance_cache()


def run(block: str, **names: Any) -> dict[str, Any]:
    """Execute a block and return its names."""
    exec(compile(textwrap.dedent(block), "<block>", "exec"), names)
    return names


def test_a01_blocks_that_read(server: S3Server) -> None:
    with LazyWriter("my-bucket/my-file", s3fs=s3fs.S3FileSystem()) as writer:
        writer.write(DOCUMENT)
    found = run(
        """
        from s3fs import S3FileSystem
        from holdall.containers.reader import LazyReader

        s3 = S3FileSystem()
        with s3.open('my-bucket/my-file', mode='rb') as f:
            with LazyReader(f) as reader:
                ...
        """
    )
    assert found["reader"].closed
    with found["s3"].open("my-bucket/my-file", mode="rb") as file, LazyReader(file) as reader:
        assert reader["records/1234/name"] == "record 1234"
    with pytest.raises(ValueError, match="closed"):
        LazyReader(file)
    found = run(
        """
        from s3fs import S3FileSystem
        from holdall.containers.reader import LazyReader

        s3 = S3FileSystem()
        with LazyReader('my-bucket/my-file', s3fs=s3) as reader:
            ...
        """
    )
    assert load("my-bucket/my-file", s3fs=found["s3"]) == DOCUMENT


def test_a01_block_that_writes(server: S3Server) -> None:
    block = """
        from s3fs import S3FileSystem
        from holdall.containers.writer import LazyWriter

        s3 = S3FileSystem()
        with LazyWriter('my-bucket/my-file', s3fs=s3) as writer:
            writer.write(...)
        """
    with pytest.raises(EncodeError):  # the block elides what is written; a real Ellipsis is none of the values that are kept
        run(block)
    assert not s3fs.S3FileSystem().exists("my-bucket/my-file")
    found = run(block.replace("...", "document"), document=DOCUMENT)
    assert [entry["Key"] for entry in found["s3"].ls("my-bucket", detail=True)] == ["my-bucket/my-file"]
    assert load("my-bucket/my-file", s3fs=found["s3"]) == DOCUMENT


def test_a01_local_demo(server: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(
        """
        import s3fs
        from holdall.containers.writer import LazyWriter
        from holdall.containers.reader import LazyReader

        fs = s3fs.S3FileSystem(
            key="rustfsadmin",
            secret="rustfsadmin",
            client_kwargs={"endpoint_url": "http://localhost:9000"},
        )

        bucket: str = f"test-bucket"

        fs.mkdir(bucket)

        object_name = f'{bucket}/example'

        with LazyWriter(object_name, s3fs=fs) as writer:
            writer.write({'hello': 'world'})

        with LazyReader(object_name, s3fs=fs) as reader:
            print(reader.to_obj())
        """
    )
    assert capsys.readouterr().out == "{'hello': 'world'}\n"
    assert found["fs"].ls("test-bucket") == ["test-bucket/example"]


def test_a02_an_open_file_is_not_written_into(server: S3Server) -> None:
    fs = s3fs.S3FileSystem()
    fs.pipe_file("my-bucket/my-file", b"as it was")
    with fs.open("my-bucket/my-file", mode="rb") as file, pytest.raises(NotSupportedError, match=r"LazyWriter\(path, fs="):
        LazyWriter(file)
    assert fs.cat_file("my-bucket/my-file") == b"as it was"
