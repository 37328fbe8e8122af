"""A tree of small files, local to S3, S3 to local and local to local, against loops over the bare libraries.

``python -m benchmarks.tree [--files N] [--concurrency N] [--rounds N] [--json]``. The S3 server is an nginx that answers in S3's shapes,
so that what is measured is the client. Downwards every variant gets the keys, holdall as a listing made beforehand; "listed and down" begins with
ten requests for the listing, as rclone does.
"""

import asyncio
import concurrent.futures
import json
import os
import shutil
import subprocess
import tempfile

from benchmarks import measuring, peers

SIZE = 4096
BUCKET = "bench"


def s3(place):
    """Return holdall's store."""
    from holdall.drivers.s3 import S3Store

    store = S3Store(
        BUCKET,
        endpoint_url=place["endpoint"],
        access_key_id="test",
        secret_access_key="testtest",
        region="us-east-1",
        max_connections=64,
    )
    store.put("warm", b"x")
    return store


def listed(place):
    """Return holdall's store with a listing made beforehand."""
    from datetime import UTC, datetime

    from holdall.core.meta import ListPage, ObjectMeta

    now = datetime.now(UTC)
    pages = [
        ListPage(
            [
                ObjectMeta(key=f"tree/{name}", size=SIZE, etag="x", last_modified=now)
                for name in place["names"][at : at + 1000]
            ]
        )
        for at in range(0, len(place["names"]), 1000)
    ]
    store = s3(place)

    async def list_async(*_, **__):
        for page in pages:
            yield page

    store.list = lambda *_, **__: iter(pages)
    store.list_async = list_async
    return store


def bare(place):
    """Return obstore's store."""
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=place["endpoint"],
        access_key_id="test",
        secret_access_key="testtest",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    store.put("warm", b"x", use_multipart=False)
    return store


def boto(place):
    """Return boto3's client."""
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=64, s3={"addressing_style": "path"})
    return boto3.client(
        "s3",
        endpoint_url=place["endpoint"],
        aws_access_key_id="test",
        aws_secret_access_key="testtest",
        region_name="us-east-1",
        config=config,
    )


def s3fs(place):
    """Return s3fs's filesystem."""
    import s3fs

    return s3fs.S3FileSystem(key="test", secret="testtest", client_kwargs={"endpoint_url": place["endpoint"]})


def names(root):
    """Walk a tree, as every loop over a bare library has to."""
    return sorted(os.path.relpath(os.path.join(folder, name), root) for folder, _, files in os.walk(root) for name in files)


def read(root, name):
    with open(os.path.join(root, name), "rb") as file:
        return file.read()


def write(root, name, data):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def in_threads(place, function, items):
    with concurrent.futures.ThreadPoolExecutor(place["concurrency"]) as pool:
        for _ in pool.map(function, items):
            pass


async def in_tasks(place, function, items):
    gate = asyncio.Semaphore(place["concurrency"])

    async def act(item):
        async with gate:
            await function(item)

    await asyncio.gather(*map(act, items))


def up_obstore(place):
    store, root = bare(place), place["source"]
    return lambda: in_threads(
        place, lambda name: store.put(f"up/{name}", read(root, name), use_multipart=False), names(root)
    )


def up_obstore_async(place):
    store, root = bare(place), place["source"]

    async def act(name):
        await store.put_async(f"up/{name}", read(root, name), use_multipart=False)

    return lambda: asyncio.run(in_tasks(place, act, names(root)))


def up_boto3(place):
    client, root = boto(place), place["source"]
    return lambda: in_threads(
        place, lambda name: client.put_object(Bucket=BUCKET, Key=f"up/{name}", Body=read(root, name)), names(root)
    )


def up_s3fs(place):
    fs, root = s3fs(place), place["source"]
    return lambda: fs.put(
        [os.path.join(root, name) for name in names(root)],
        [f"{BUCKET}/up/{name}" for name in names(root)],
        batch_size=place["concurrency"],
    )


def up_rclone(place):
    command = [
        place["rclone"],
        "copy",
        place["source"],
        f":s3:{BUCKET}/up",
        *rclone_flags(place),
        "--no-traverse",
        "--no-check-dest",
    ]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def rclone_flags(place):
    return [
        "--config=/dev/null",
        "--s3-provider=Other",
        f"--s3-endpoint={place['endpoint']}",
        "--s3-access-key-id=test",
        "--s3-secret-access-key=testtest",
        "--s3-no-check-bucket",
        "--s3-no-head",
        # the stub's etags are made up: rclone would take them for MD5 and find every copy corrupted
        "--s3-use-multipart-etag=false",
        "--s3-disable-checksum",
        "--ignore-checksum",
        "--ignore-size",
        f"--transfers={place['concurrency']}",
    ]


def options(place):
    from holdall.engine.progress import TransferOptions

    return TransferOptions(concurrency=place["concurrency"])


def up_holdall(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer

    source, target = LocalStore(place["source"]), s3(place)
    return lambda: transfer.copy((source, ""), (target, "up/"), options(place))


def up_holdall_async(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer_async

    source, target = LocalStore(place["source"]), s3(place)
    return lambda: asyncio.run(transfer_async.copy_async((source, ""), (target, "up/"), options(place)))


def down_obstore(place):
    store, root = bare(place), place["target"]
    return lambda: in_threads(place, lambda name: write(root, name, store.get(f"tree/{name}").bytes()), place["names"])


def down_obstore_async(place):
    store, root = bare(place), place["target"]

    async def act(name):
        write(root, name, await (await store.get_async(f"tree/{name}")).bytes_async())

    return lambda: asyncio.run(in_tasks(place, act, place["names"]))


def down_boto3(place):
    client, root = boto(place), place["target"]
    return lambda: in_threads(
        place,
        lambda name: write(root, name, client.get_object(Bucket=BUCKET, Key=f"tree/{name}")["Body"].read()),
        place["names"],
    )


def down_s3fs(place):
    fs, root = s3fs(place), place["target"]
    return lambda: fs.get(
        [f"{BUCKET}/tree/{name}" for name in place["names"]],
        [os.path.join(root, name) for name in place["names"]],
        batch_size=place["concurrency"],
    )


def down_holdall(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer

    source, target = listed(place), LocalStore(place["target"], create=True)
    return lambda: transfer.copy((source, "tree/"), (target, ""), options(place))


def down_holdall_async(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer_async

    source, target = listed(place), LocalStore(place["target"], create=True)
    return lambda: asyncio.run(transfer_async.copy_async((source, "tree/"), (target, ""), options(place)))


def all_obstore(place):
    store, root = bare(place), place["target"]

    def act():
        found = (meta["path"] for page in store.list("tree/") for meta in page)
        in_threads(place, lambda key: write(root, key.removeprefix("tree/"), store.get(key).bytes()), found)

    return act


def all_rclone(place):
    command = [
        place["rclone"],
        "copy",
        f":s3:{BUCKET}/tree",
        place["target"],
        *rclone_flags(place),
        # one listing for all directories, and the time it tells, without a request for each file
        "--s3-list-version=2",
        "--fast-list",
        "--use-server-modtime",
        "--s3-no-head-object",
        "--no-check-dest",
    ]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def listing(place):
    """Return holdall's store after it has listed nothing: what it lists with is loaded."""
    store = s3(place)
    list(store.list("nothing/"))
    return store


def all_holdall(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer

    source, target = listing(place), LocalStore(place["target"], create=True)
    return lambda: transfer.copy((source, "tree/"), (target, ""), options(place))


def all_holdall_async(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer_async

    source, target = listing(place), LocalStore(place["target"], create=True)
    return lambda: asyncio.run(transfer_async.copy_async((source, "tree/"), (target, ""), options(place)))


def here_copytree(place):
    return lambda: shutil.copytree(place["source"], place["target"])


def here_holdall(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer

    source, target = LocalStore(place["source"]), LocalStore(place["target"], create=True)
    return lambda: transfer.copy((source, ""), (target, ""))


def here_holdall_async(place):
    from holdall.drivers.local import LocalStore
    from holdall.engine import transfer_async

    source, target = LocalStore(place["source"]), LocalStore(place["target"], create=True)
    return lambda: asyncio.run(transfer_async.copy_async((source, ""), (target, "")))


ROWS = {
    "up": ({"obstore": up_obstore, "boto3": up_boto3, "s3fs": up_s3fs, "rclone": up_rclone, "holdall": up_holdall}, 1.0),
    "up, async": ({"obstore": up_obstore_async, "holdall": up_holdall_async}, 1.0),
    "down": (
        {
            "obstore": down_obstore,
            "boto3": down_boto3,
            "s3fs": down_s3fs,
            "holdall": down_holdall,
        },
        1.2,
    ),
    "down, async": ({"obstore": down_obstore_async, "holdall": down_holdall_async}, 1.2),
    "listed and down": (
        {"obstore": all_obstore, "rclone": all_rclone, "holdall": all_holdall, "holdall async": all_holdall_async},
        1.2,
    ),
    "local": ({"copytree": here_copytree, "holdall": here_holdall, "holdall async": here_holdall_async}, 1.5),
}
VARIANTS = {f"{name}: {title}": act for title, (acts, _) in ROWS.items() for name, act in acts.items()}


def prepared(files, root, endpoint, served):
    """Make the tree on both sides and return the place."""
    source = os.path.join(root, "source")
    made = [f"d{i % 20:02}/f{i:05}" for i in range(files)]
    for i, name in enumerate(made):
        data = i.to_bytes(8, "big") * (SIZE // 8)
        write(source, name, data)
        write(os.path.join(served, BUCKET, "tree"), name, data)
    return {"source": source, "target": os.path.join(root, "target"), "endpoint": endpoint, "names": sorted(made)}


def main():
    asked = measuring.arguments(__doc__, files=10_000, concurrency=8)
    if asked.one:
        measuring.one(VARIANTS[asked.one[0]], asked.one[1])
        return
    from holdall.testing.servers import NginxS3Stub

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with NginxS3Stub.running() as server, tempfile.TemporaryDirectory(prefix="holdall-bench-", dir=memory) as root:
        place = prepared(asked.files, root, server.endpoint, server.files)
        server.set_listing("tree", {f"tree/{name}": SIZE for name in place["names"]})
        place.update(concurrency=asked.concurrency, rclone=peers.rclone())
        path = os.path.join(root, "place.json")
        with open(path, "w") as file:
            json.dump(place, file)
        expected = {name: read(place["source"], name) for name in place["names"]}

        def check(name):
            found = place["target"] if not name.endswith(("up", "up, async")) else os.path.join(server.files, BUCKET, "up")
            for key, data in expected.items():
                if read(found, key) != data:
                    raise SystemExit(f"{name}: {key} differs")
            shutil.rmtree(found)

        rows = {
            f"{asked.files} x 4 KiB, {title}" + ("" if title == "local" else f", {asked.concurrency} at once"): (
                [f"{name}: {title}" for name in acts if name != "rclone" or place["rclone"]],
                goal,
            )
            for title, (acts, goal) in ROWS.items()
        }
        measuring.compare("benchmarks.tree", rows, path, asked.rounds, check=check, as_json=asked.json)


if __name__ == "__main__":
    main()
