"""Nodes over a tree of small files, and over one large file: copied up, down and on one disk, again, synced; next to the bare libraries.

``python -m benchmarks.mounts.tree [--files N] [--mib N] [--rounds N] [--json]``. S3 is an nginx that answers in S3's shapes, so that the client is
the limit. Goals: local to local within 1.5x of `shutil.copytree`, local to S3 within 1.2x of a loop over obstore, 64 MiB of memory; one
local file within 1.05x of `shutil.copyfile`, between local disk and S3 within 1.05x of obstore and no slower than boto3's transfer
manager, 128 MiB of memory; a tree at least four times quicker than boto3 in one thread. The server cannot list: downwards the keys are known beforehand. "again" has no goal in seconds, tests count its requests: its limit is a walk over both trees.
"""

import asyncio
import filecmp
import json
import os
import pathlib
import shutil
import tempfile

from benchmarks import large, measuring, tree


def storage(place):
    """Return the manager: two local mounts, and S3."""
    from holdall import StorageManager

    os.makedirs(place["target"], exist_ok=True)
    s3 = {
        "type": "s3", "bucket": tree.BUCKET, "endpoint_url": place["endpoint"], "region": "us-east-1", "key": "test",
        "secret": "testtest", "max_connections": 64,
    }  # fmt: skip
    local = {name: {"type": "local", "path": place[name]} for name in ("source", "target", "root")}
    manager = StorageManager({**local, "s3": s3})
    manager.configure({"listed": tree.listed(place), "below": "listed:tree"})
    manager.node("root:warm").write("x")
    manager.node("root:warm").copy_to("target:warm")
    return manager


def carried(name, *args, asynchronous=False, first=False, **options):
    """Return the preparation of one act of a manager; ``first`` does it once before."""

    def prepare(place):
        manager = storage(place)
        if first:
            manager.copy("source:", "target:tree")
        if asynchronous:
            return lambda: asyncio.run(getattr(manager, f"{name}_async")(*args, **options))
        return lambda: getattr(manager, name)(*args, **options)

    return prepare


def walked(place):
    """Look at every file of both trees."""
    shutil.copytree(place["source"], place["target"] + "/tree")

    def act():
        for top in (place["source"], place["target"] + "/tree"):
            for folder, _, files in os.walk(top):
                for name in files:
                    os.stat(os.path.join(folder, name))

    return act


def one_by_one(place):
    """Upload the tree by boto3, in one thread."""
    client, root = tree.boto(place), place["source"]

    def act():
        for name in tree.names(root):
            client.put_object(Bucket=tree.BUCKET, Key=f"up/{name}", Body=tree.read(root, name))

    return act


def down_one_by_one(place):
    """Download the tree by boto3, in one thread."""
    client, root = tree.boto(place), place["target"]

    def act():
        for name in place["names"]:
            tree.write(root, name, client.get_object(Bucket=tree.BUCKET, Key=f"tree/{name}")["Body"].read())

    return act


def sided(act):
    """Return one act of `benchmarks.large`, on the large file of this place."""
    return lambda place: act({**place, "source": place["large"], "target": place["root"] + "/arrived"})


BIG_UP, BIG_DOWN, DOWN = "one file, local to S3", "one file, S3 to local", "tree, S3 to local"
HERE, AGAIN, UP, LARGE = "tree, local to local", "the same tree again", "tree, local to S3", "one file, local to local"
ROWS = {
    HERE: (
        {
            "copytree": tree.here_copytree,
            "holdall nodes": carried("copy", "source:", "target:tree"),
            "holdall nodes, async": carried("copy", "source:", "target:tree", asynchronous=True),
        },
        1.5,
    ),
    AGAIN: (
        {
            "walk and stat": walked,
            "holdall nodes, skip=size": carried("copy", "source:", "target:tree", skip="size", first=True),
            "holdall nodes, sync": carried("sync", "source:", "target:tree", first=True),
            "holdall nodes, sync, async": carried("sync", "source:", "target:tree", first=True, asynchronous=True),
        },
        None,
    ),
    UP: (
        {
            "obstore": tree.up_obstore,
            "holdall nodes": carried("copy", "source:", "s3:up"),
            "holdall nodes, async": carried("copy", "source:", "s3:up", asynchronous=True),
            "boto3, one thread": one_by_one,
        },
        1.2,
    ),
    DOWN: (
        {
            "obstore": tree.down_obstore,
            "holdall nodes": carried("copy", "below:", "target:tree"),
            "holdall nodes, async": carried("copy", "below:", "target:tree", asynchronous=True),
            "boto3, one thread": down_one_by_one,
        },
        1.2,
    ),
    BIG_UP: (
        {
            "obstore": sided(large.up_obstore),
            "holdall node": carried("copy", "root:large", "s3:up", preserve=False),
            "holdall node, async": carried("copy", "root:large", "s3:up", preserve=False, asynchronous=True),
            "boto3": sided(large.up_boto3),
        },
        1.05,
    ),
    BIG_DOWN: (
        {
            "obstore": sided(large.down_obstore),
            "holdall node": carried("copy", "s3:big", "root:arrived", preserve=False),
            "holdall node, async": carried("copy", "s3:big", "root:arrived", preserve=False, asynchronous=True),
            "boto3": sided(large.down_boto3),
        },
        1.05,
    ),
    LARGE: (
        {
            "copyfile": lambda place: lambda: shutil.copyfile(place["large"], place["target"] + ".large"),
            "holdall node": carried("copy", "root:large", "target:large"),
            "holdall node, async": carried("copy", "root:large", "target:large", asynchronous=True),
        },
        1.05,
    ),
}
VARIANTS = {f"{name}: {title}": act for title, (acts, _) in ROWS.items() for name, act in acts.items()}


def main():
    asked = measuring.arguments(__doc__, files=10_000, mib=1024)
    if asked.one:
        measuring.one(VARIANTS[asked.one[0]], asked.one[1])
        return
    from holdall.testing.servers import NginxS3Stub

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with NginxS3Stub.running() as server, tempfile.TemporaryDirectory(prefix="holdall-bench-", dir=memory) as root:
        place = tree.prepared(asked.files, root, server.endpoint, server.files)
        place.update(root=root, large=os.path.join(root, "large"), concurrency=8)
        with open(place["large"], "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(asked.mib))
        served, arrived = pathlib.Path(server.files, tree.BUCKET), pathlib.Path(root, "arrived")
        shutil.copyfile(place["large"], served / "big")
        path = os.path.join(root, "place.json")
        pathlib.Path(path).write_text(json.dumps(place))

        def clean(name):
            if arrived.exists() and not filecmp.cmp(arrived, served / "big", shallow=False):
                raise SystemExit(f"{name}: other bytes arrived")
            arrived.unlink(missing_ok=True)
            for gone in (place["target"], served / "up", pathlib.Path(server.files, "__parts")):
                shutil.rmtree(gone, ignore_errors=True)
            if (served / "up").is_file():
                (served / "up").unlink()

        rows = {title: ([f"{name}: {title}" for name in acts], goal) for title, (acts, goal) in ROWS.items()}
        measuring.compare("benchmarks.mounts.tree", rows, path, asked.rounds, check=clean, as_json=asked.json)


if __name__ == "__main__":
    main()
