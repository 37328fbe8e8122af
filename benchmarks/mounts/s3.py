"""Nodes on S3 next to the store below them, raw obstore and the peers of `benchmarks.s3`, alone and 32 at once.

``python -m benchmarks.mounts.s3 [--rounds N] [--json]``. The server is an nginx that answers in S3's shapes. Goals: a node at most 20 µs of
processor time a call above raw obstore; 32 small reads at once at least four times the requests per second of boto3, s3fs and smart_open,
at a quarter of their processor time; never slower than they in any row, 64 MiB included. ``obstore-again`` is bare obstore in a second process: what differs there is noise.
"""

import sys
from pathlib import Path

from benchmarks import measuring
from benchmarks import s3 as bare


def nodes(endpoint):
    """Return the calls of nodes, made anew each time, as programs do."""
    from holdall import StorageManager

    mount = {
        "type": "s3",
        "bucket": bare.BUCKET,
        "endpoint_url": endpoint,
        "region": "us-east-1",
        "key": "test",
        "secret": "testtest",
    }
    storage = StorageManager({"s": mount})
    return (
        lambda key: storage.node(f"s:{key}").read_bytes(),
        lambda data: storage.node("s:out").write_bytes(data),
        lambda: storage.node("s:4 KiB").stat(),
        lambda key: storage.node(f"s:{key}").read_bytes_async(),
        lambda data: storage.node("s:out").write_bytes_async(data),
    )


bare.LIBRARIES["holdall-nodes"] = nodes
bare.LIBRARIES["obstore-again"] = bare.LIBRARIES["obstore"]
bare.SIZES["64 MiB"] = bytes(64 << 20)
CALLS = {**bare.CALLS, "get 64 MiB": 3, "put 64 MiB": 3}
NAMES = ("obstore", "obstore-again", "holdall", "holdall-nodes", "boto3", "s3fs", "smart_open", "genro-storage")


def main():
    asked = measuring.arguments(__doc__)
    if asked.worker:
        bare.work(*asked.worker)
        return
    from holdall.testing.servers import NginxS3Stub

    with NginxS3Stub.running() as server:
        for label, data in bare.SIZES.items():
            (Path(server.files) / bare.BUCKET / label).write_bytes(data)
        found = measuring.alternate("benchmarks.mounts.s3", NAMES, CALLS, asked.rounds, server.endpoint)
    measuring.save("benchmarks.mounts.s3", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        measuring.show_calls(title, rows)


if __name__ == "__main__":
    sys.exit(main())
