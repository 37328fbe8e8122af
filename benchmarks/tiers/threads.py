"""Eight threads that read 16 KiB from S3, next to Assemblyline.

``python -m benchmarks.tiers.threads [--rounds N] [--json]``. The server is the small one of `benchmarks.records.quick`: it answers more than
any of the clients asks.
Goal: three times Assemblyline's rate.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks import measuring
from benchmarks.tiers.batches import PEER, opened

THREADS, EACH = 8, 25
SIZE = 16 << 10


def work(library, url):
    """Be the process of one library."""
    fs = opened(library, url)
    assert len(fs.get("k")) == SIZE

    def some(_):
        for _ in range(EACH):
            fs.get("k")

    with ThreadPoolExecutor(THREADS) as pool:
        at_once = (lambda: list(pool.map(some, range(THREADS)))), THREADS * EACH
        measuring.answer({f"get 16 KiB, {THREADS} threads": at_once, "get 16 KiB, one thread": ((lambda: some(0)), EACH)})
    fs.close()


def main():
    asked = measuring.arguments(__doc__)
    if asked.worker:
        work(*asked.worker)
        return
    from benchmarks.records.quick import QuickS3

    rows = {f"get 16 KiB, {THREADS} threads": 2000, "get 16 KiB, one thread": 500}
    with QuickS3() as server:
        host = server.url.partition("://")[2]
        url = f"s3://key:secret-word@{host}/?s3_bucket=bench&use_ssl=false&aws_region=us-east-1"
        with opened("holdall", url) as fs:
            fs.put("k", b"x" * SIZE)
        found = measuring.alternate("benchmarks.tiers.threads", [PEER, "holdall"], rows, asked.rounds, url)
    measuring.save("benchmarks.tiers.threads", found, as_json=asked.json)
    if asked.json:
        return
    for title, of in found.items():
        measuring.show_calls(title, of)
        if PEER in of:
            print(
                f"  {1 / of['holdall']['ratio']:.1f}x of Assemblyline's rate by the clock, {1 / of['holdall']['cpu_ratio']:.1f}x by processor"
            )


if __name__ == "__main__":
    sys.exit(main())
