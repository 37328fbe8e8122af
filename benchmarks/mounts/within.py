"""One large object from S3 to S3 by one service: who sends its bytes through the client, and at how many requests.

``python -m benchmarks.mounts.within [--rounds N] [--mib N] [--json]``. The server is moto behind a counting proxy; what it takes for the
copy itself is the same for all. Goal: no bytes of the object through the client.
"""

import asyncio
import json
import sys

from benchmarks import counting, measuring

ROWS = ("copy", "copy, async")


def holdall(known):
    """Return the copy between two mounts, in both colours."""
    from holdall import StorageManager

    mount = {"type": "s3", "region": "us-east-1", "key": "test", "secret": "testtest", "endpoint_url": known["endpoint"]}
    storage = StorageManager({"a": {**mount, "bucket": "one"}, "b": {**mount, "bucket": "two"}})
    return lambda: storage.copy("a:big", "b:big"), lambda: asyncio.run(storage.copy_async("a:big", "b:big"))


def boto3(known):
    """Return the copy of boto3's transfer manager."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "testtest", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=known["endpoint"], **keys)
    return (lambda: client.copy({"Bucket": "one", "Key": "big"}, "two", "big"),)


def s3fs(known):
    """Return the copy of s3fs."""
    import s3fs

    fs = s3fs.S3FileSystem(key="test", secret="testtest", endpoint_url=known["endpoint"])
    return (lambda: fs.copy("one/big", "two/big"),)


def genro_storage(known):
    """Return the copy of genro-storage."""
    from genro_storage import StorageManager

    storage = StorageManager()
    mount = {"type": "s3", "endpoint_url": known["endpoint"], "key": "test", "secret": "testtest", "region": "us-east-1"}
    storage.configure([{**mount, "name": name, "bucket": bucket} for name, bucket in (("a", "one"), ("b", "two"))])
    return (lambda: storage.node("a:big").copy_to(storage.node("b:big")),)


LIBRARIES = {"boto3": boto3, "holdall": holdall, "s3fs": s3fs, "genro-storage": genro_storage}


def main():
    asked = measuring.arguments(__doc__, mib=1024)
    if asked.worker:
        library, known = asked.worker
        acts = LIBRARIES[library](json.loads(known))
        measuring.answer({row: (act, 1) for row, act in zip(ROWS, acts, strict=False)})
        return
    from holdall.testing import FaultProxy
    from holdall.testing.servers import Moto

    with Moto.running() as server:
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "testtest", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=server.endpoint, **keys)
        for bucket in ("one", "two"):
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket="one", Key="big", Body=bytes(asked.mib << 20))
        with FaultProxy(server.endpoint) as proxy:
            known = {"endpoint": proxy.url}
            found = counting.count("benchmarks.mounts.within", LIBRARIES, ROWS, proxy, asked.rounds, [0], known)
        size = client.head_object(Bucket="two", Key="big")["ContentLength"]
        if size != asked.mib << 20:
            raise SystemExit(f"{size} bytes arrived")
    measuring.save("benchmarks.mounts.within", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        counting.show(title, rows)


if __name__ == "__main__":
    sys.exit(main())
