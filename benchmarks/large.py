"""One big file to S3 and back, with the growth of memory, against the bare libraries.

``python -m benchmarks.large [--mib N] [--rounds N] [--json]``. The S3 server is an nginx that answers in S3's shapes; what went up is not
put together there, so it is the size of the parts that is checked. boto3 is its transfer manager (``upload_file``, ``download_file``).
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile

from benchmarks import measuring, peers
from benchmarks.tree import BUCKET, bare, boto, rclone_flags, s3, s3fs


def up_obstore(place):
    store = bare(place)

    def act():
        with open(place["source"], "rb") as file:
            store.put("up", file)

    return act


def up_boto3(place):
    client = boto(place)
    return lambda: client.upload_file(place["source"], BUCKET, "up")


def up_s3fs(place):
    fs = s3fs(place)
    return lambda: fs.put_file(place["source"], f"{BUCKET}/up")


def up_rclone(place):
    command = [place["rclone"], "copyto", place["source"], f":s3:{BUCKET}/up", *rclone_flags(place), "--no-check-dest"]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def sides(place, way):
    """Return source, target and options of holdall; the stub has no tags to ask for."""
    from holdall.drivers.local import LocalStore
    from holdall.engine.progress import TransferOptions

    options = TransferOptions(preserve=False)
    if way == "up":
        return (LocalStore(os.path.dirname(place["source"])), "big"), (s3(place), "up"), options
    return (s3(place), "big"), (LocalStore(os.path.dirname(place["target"]), create=True), "big"), options


def holdall(way):
    def prepare(place):
        from holdall.engine import transfer

        found = sides(place, way)
        return lambda: transfer.copy(*found)

    return prepare


def holdall_async(way):
    def prepare(place):
        from holdall.engine import transfer_async

        found = sides(place, way)
        return lambda: asyncio.run(transfer_async.copy_async(*found))

    return prepare


def down_obstore(place):
    store = bare(place)

    def act():
        with open(place["target"], "wb") as file:
            file.writelines(store.get("big").stream(min_chunk_size=8 << 20))

    return act


def down_boto3(place):
    client = boto(place)
    return lambda: client.download_file(BUCKET, "big", place["target"])


def down_s3fs(place):
    fs = s3fs(place)
    return lambda: fs.get_file(f"{BUCKET}/big", place["target"])


def down_rclone(place):
    command = [place["rclone"], "copyto", f":s3:{BUCKET}/big", place["target"], *rclone_flags(place)]
    return lambda: subprocess.run(command, check=True, capture_output=True)


ROWS = {
    "up": (
        {
            "obstore": up_obstore,
            "boto3": up_boto3,
            "s3fs": up_s3fs,
            "rclone": up_rclone,
            "holdall": holdall("up"),
            "holdall async": holdall_async("up"),
        },
        1.0,
    ),
    "down": (
        {
            "obstore": down_obstore,
            "boto3": down_boto3,
            "s3fs": down_s3fs,
            "rclone": down_rclone,
            "holdall": holdall("down"),
            "holdall async": holdall_async("down"),
        },
        0.9,
    ),
}
VARIANTS = {f"{name}: {title}": act for title, (acts, _) in ROWS.items() for name, act in acts.items()}


def main():
    asked = measuring.arguments(__doc__, mib=1024)
    if asked.one:
        measuring.one(VARIANTS[asked.one[0]], asked.one[1])
        return
    from holdall.testing.servers import NginxS3Stub

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with NginxS3Stub.running() as server, tempfile.TemporaryDirectory(prefix="holdall-bench-", dir=memory) as root:
        for folder in ("source", "target"):
            os.mkdir(os.path.join(root, folder))
        place = {
            "source": os.path.join(root, "source", "big"),
            "target": os.path.join(root, "target", "big"),
            "endpoint": server.endpoint,
            "concurrency": 8,
            "rclone": peers.rclone(),
        }
        with open(place["source"], "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(asked.mib))
        shutil.copy(place["source"], os.path.join(server.files, BUCKET, "big"))
        up = os.path.join(server.files, BUCKET, "up")
        with open(up, "wb"):
            pass  # rclone looks at what it has put together
        path = os.path.join(root, "place.json")
        with open(path, "w") as file:
            json.dump(place, file)
        with open(place["source"], "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()

        def check(name):
            if name.endswith("up"):
                parts = os.path.join(server.files, "__parts", BUCKET)
                found = [os.path.join(parts, name) for name in os.listdir(parts)] if os.path.isdir(parts) else []
                # some send a file that is not so big in one piece
                if (sum(map(os.path.getsize, found)) or os.path.getsize(up)) != asked.mib << 20:
                    raise SystemExit(f"{name}: {len(found)} parts of another size arrived")
                shutil.rmtree(parts, ignore_errors=True)
                os.truncate(up, 0)
                return
            with open(place["target"], "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise SystemExit(f"{name}: other bytes arrived")
            os.unlink(place["target"])

        rows = {
            f"{asked.mib} MiB {title}": (
                [f"{name}: {title}" for name in acts if name != "rclone" or place["rclone"]],
                goal,
            )
            for title, (acts, goal) in ROWS.items()
        }
        measuring.compare("benchmarks.large", rows, path, asked.rounds, check=check, as_json=asked.json)


if __name__ == "__main__":
    main()
