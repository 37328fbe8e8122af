"""Keys that others made and that no verb takes: told, each by itself; the rest of their tree is dealt with."""

import asyncio
import json

import pytest

from holdall import StorageManager
from holdall.cli import main
from holdall.errors import InvalidKeyError, TransferError

FOREIGN = {"od/..", "od/./d", "od/b/../c"}
OWN = {"od/a", "od//e", "od/z/y"}


@pytest.fixture
def place(moto, moto_bucket, tmp_path, monkeypatch):
    """A configuration with the bucket, a disk, and a bucket's tree with such keys."""
    for key in FOREIGN | OWN:
        moto_bucket.client.put_object(Bucket=moto_bucket.name, Key=key, Body=key.encode())
    monkeypatch.setenv("FOREIGN_SECRET", moto.secret_key)
    cloud = {"type": "s3", "bucket": moto_bucket.name, "endpoint_url": moto.endpoint, "region": moto.region}
    cloud |= {"key": moto.access_key, "secret": "${FOREIGN_SECRET}"}
    disk = {"type": "local", "path": str(tmp_path)}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"mounts": {"cloud": cloud, "disk": disk}}))
    return config


def left(bucket):
    return {item["Key"] for item in bucket.client.list_objects_v2(Bucket=bucket.name).get("Contents", ())}


def test_deleting_a_tree_deletes_the_rest(place, moto_bucket):
    with StorageManager() as manager:
        manager.configure(str(place))
        with pytest.raises(InvalidKeyError):
            manager.node("cloud:od").delete()
    assert left(moto_bucket) == FOREIGN


async def _delete(place):
    async with StorageManager() as manager:
        await manager.configure_async(str(place))
        await manager.node("cloud:od").delete_async()


def test_deleting_a_tree_deletes_the_rest_async(place, moto_bucket):
    with pytest.raises(InvalidKeyError):
        asyncio.run(_delete(place))
    assert left(moto_bucket) == FOREIGN


def test_the_command_copies_the_rest_and_tells_each(place, moto_bucket, tmp_path, capfd):
    assert main(["cp", "-r", "--config", str(place), "cloud:od", "disk:copy"]) == 1
    said = capfd.readouterr()
    assert "2 copied, 4 failed" in said.out, said.out  # no disk takes od//e
    assert said.err.count("holdall: ") == 4
    assert "4 of 6 items failed" in said.err.splitlines()[-1]
    assert {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*") if path.is_file()} == {
        "a",
        "z/y",
    }
    assert main(["mv", "--json", "--config", str(place), "cloud:od", "disk:moved"]) == 1
    assert json.loads(capfd.readouterr().out)["failed"] == 4
    assert left(moto_bucket) == FOREIGN | {"od//e"}


def test_a_storage_that_is_gone_ends_a_copy_at_once(place, capfd):
    nowhere = "s3://b?endpoint_url=http://127.0.0.1:1&key=a&secret=b&region=us-east-1&attempts=1"
    assert main(["cp", "-r", "--config", str(place), "cloud:od/z", nowhere]) == 1
    assert capfd.readouterr().err.count("holdall: ") == 1
    with StorageManager() as manager:
        manager.configure(str(place))
        with pytest.raises(TransferError, match="4 of 6"):
            manager.node("cloud:od").copy_to("disk:again", errors="collect")
