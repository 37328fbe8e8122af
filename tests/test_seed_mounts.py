"""The programs that people already have for a library of mounts run unchanged but for their import lines.

Each block is kept as text, with its marks and comments, and executed. The S3 in them is moto's, found by the usual environment
variables, as an AWS program finds its own.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest

from holdall import StorageManager
from holdall.testing.servers import Moto

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the blocks name /tmp")


@pytest.fixture(scope="module")
def server() -> Iterator[Moto]:
    """A server of its own: the blocks say how their buckets are called."""
    with Moto.running() as moto:
        for bucket in ("bucket", "mybucket"):
            moto.client().create_bucket(Bucket=bucket)
        yield moto


@pytest.fixture
def cloud(server: Moto, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The environment of an AWS program; gives a client that bypasses what is tested."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").invalidate_cache()
    client = server.client()
    for bucket in ("bucket", "mybucket"):
        client.put_object(Bucket=bucket, Key="file.txt", Body=b"from the cloud")
    yield client
    client.close()


@pytest.fixture
def slash_tmp(tmp_path: Path) -> Iterator[Path]:
    """``/tmp/file.txt``, which one block writes; whatever is there is put back."""
    path, kept = Path("/tmp/file.txt"), tmp_path / "kept"
    if path.exists():
        shutil.move(path, kept)
    yield path
    path.unlink(missing_ok=True)
    if kept.exists():
        shutil.move(kept, path)


def run(block: str, **names: Any) -> dict[str, Any]:
    """Execute a block and return its names."""
    exec(compile(textwrap.dedent(block), "<block>", "exec"), names)
    return names


def test_copying_between_storages(cloud, slash_tmp):
    run("""
        # fsspec
        import fsspec

        s3_fs = fsspec.filesystem('s3', key='...', secret='...')
        local_fs = fsspec.filesystem('file')

        # Copy between storages requires manual streaming
        with s3_fs.open('bucket/file.txt', 'rb') as src:
            with local_fs.open('/tmp/file.txt', 'wb') as dst:
                dst.write(src.read())
    """)
    assert slash_tmp.read_bytes() == b"from the cloud"
    slash_tmp.unlink()
    run("""
        from holdall import StorageManager

        storage = StorageManager()
        storage.configure([
            {'name': 's3', 'type': 's3', 'bucket': 'bucket'},
            {'name': 'local', 'type': 'local', 'path': '/tmp'}
        ])

        storage.node('s3:file.txt').copy_to('local:file.txt')
    """)
    assert slash_tmp.read_bytes() == b"from the cloud"


@pytest.fixture
def storage(cloud, tmp_path: Path) -> Iterator[StorageManager]:
    (tmp_path / "file.txt").write_text("from the disk")
    with StorageManager() as storage:
        storage.configure(
            [{"name": "s3", "type": "s3", "bucket": "bucket"}, {"name": "local", "type": "local", "path": str(tmp_path)}]
        )
        yield storage


def test_common_gotchas(storage, cloud):
    cloud.put_object(Bucket="bucket", Key="folder/file.txt", Body=b"old")
    names = run(
        """
        # ❌ Path separators
        node = storage.node('s3:folder\\\\file.txt')  # Wrong on Unix
        wrong = node  # (ours, to look at it below)
        node = storage.node('s3:folder/file.txt')  # Correct (always use /)

        # ❌ Assuming atomic operations
        node.delete()
        node.write("new")  # Not atomic! Use move() for atomic replace

        # ❌ Large files in memory
        data = node.read(mode='rb')  # Loads entire file! Use open() for streaming
        """,
        storage=storage,
    )
    assert names["wrong"].path == "folder\\file.txt"
    assert names["wrong"].parts == ("folder\\file.txt",)
    assert names["data"] == b"new"
    assert cloud.get_object(Bucket="bucket", Key="folder/file.txt")["Body"].read() == b"new"
    # "move()" of the comment is move_to: the new content takes the old one's place in one step.
    storage.node("s3:draft.txt").write("newer")
    storage.node("s3:draft.txt").move_to(names["node"])
    assert names["node"].read() == "newer"
    assert not storage.node("s3:draft.txt").exists


def test_coming_from_pathlib(storage, tmp_path):
    names = run(
        f"""
        # Before (pathlib)
        path = Path('{tmp_path}/file.txt')
        if path.exists():
            content = path.read_text()
        """,
        Path=Path,
    )
    after = run(
        """
        # After (genro-storage)
        node = storage.node('local:file.txt')
        if node.exists:
            content = node.read()
        """,
        storage=storage,
    )
    assert names["content"] == after["content"] == "from the disk"


def test_a01_coming_from_boto3(storage, cloud):
    names = run(
        """
        # Before (boto3)
        s3 = boto3.client('s3')
        obj = s3.get_object(Bucket='mybucket', Key='file.txt')
        content = obj['Body'].read()
        before = content  # (ours)
        s3.close()  # (ours: warnings are errors here)

        # After (genro-storage)
        content = storage.node('s3:file.txt').read(mode='rb')

        # Advanced features still available via backend
        backend = storage.get_backend('s3')
        fs = backend.fs  # Access underlying fsspec/s3fs filesystem
        """,
        storage=storage,
        boto3=boto3,
    )
    assert names["before"] == names["content"] == b"from the cloud"
    with names["fs"].open("bucket/file.txt", "rb") as file:
        assert file.read() == b"from the cloud"
    assert "bucket/file.txt" in names["fs"].ls("bucket", detail=False)
    assert names["backend"].client.head_object(Bucket="bucket", Key="file.txt")["ContentLength"] == 14


def test_coming_from_fsspec(cloud):
    # The block's literal "..." stands for arguments; with it the "before" half is no call that fsspec takes.
    names = run(
        """
        # Before (fsspec)
        fs = fsspec.filesystem('s3', **arguments)
        with fs.open('bucket/file.txt') as f:
            content = f.read()
        before = content  # (ours)

        # After (genro-storage)
        storage.configure([{'name': 's3', 'type': 's3', 'bucket': 'bucket'}])
        with storage.node('s3:file.txt').open() as f:
            content = f.read()
        """,
        storage=StorageManager(),
        fsspec=fsspec,
        arguments={},
    )
    assert names["before"] == b"from the cloud"
    assert names["content"] == "from the cloud"
    names["storage"].close()


def test_custom_backends(storage):
    names = run(
        """
        from holdall import StorageBackend

        class CustomBackend(StorageBackend):
            def read_bytes(self, path: str) -> bytes:
                # Your implementation
                pass

            def write_bytes(self, path: str, data: bytes) -> None:
                # Your implementation
                pass

            # ... implement other methods

        # Register
        storage.register_backend_type('custom', CustomBackend)
        """,
        storage=storage,
    )
    storage.configure([{"name": "mine", "type": "custom"}])
    assert type(storage.get_backend("mine")) is names["CustomBackend"]
    storage.node("mine:a.txt").write("goes nowhere, as written")
    with pytest.raises(TypeError, match="CustomBackend"):
        storage.node("mine:a.txt").read()


def test_a01_custom_backends_with_bodies(storage):
    names = run(
        """
        from holdall import StorageBackend

        class CustomBackend(StorageBackend):
            files = {}

            def read_bytes(self, path: str) -> bytes:
                try:
                    return self.files[path]
                except KeyError:
                    raise FileNotFoundError(path) from None

            def write_bytes(self, path: str, data: bytes) -> None:
                self.files[path] = data

        # Register
        storage.register_backend_type('custom', CustomBackend)
        """,
        storage=storage,
    )
    storage.configure([{"name": "mine", "type": "custom"}])
    node = storage.node("mine:docs/a.txt")
    assert not node.exists
    node.write("hello")
    assert (node.exists, node.isfile, node.read(), node.size) == (True, True, "hello", 5)
    assert names["CustomBackend"].files == {"docs/a.txt": b"hello"}
    with node.open() as file:
        assert file.read() == "hello"
    node.copy_to("local:copied.txt")
    assert storage.node("local:copied.txt").read() == "hello"
    assert storage.get_backend("mine").read_bytes("docs/a.txt") == b"hello"
