"""Archives on S3 behind a proxy that counts requests and bytes: holdall.containers next to msglc over s3fs.

``python -m benchmarks.containers.s3 [--percent N] [--rounds N] [--json]``. The server is the gateway of Ceph, at most 100 MB/s on each connection;
without a delay, and with three of them on each request; a thousand leaves with one of them, once. Both libraries keep their own
archives of the same documents, and each answer is compared before its time counts. msglc combines local files only, so its parts
lie on the local disk; those of holdall are on S3.
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import counting, measuring, peers
from benchmarks.containers import data

peers.PEERS.setdefault("msglc", ["msglc", "s3fs"])
NAMES = ("a", "b", "shuffled", "d")
AT_ONCE = 100
MANY = 1000
DELAYS = (0, 10, 50, 100)
"""Milliseconds added to each request."""
RATE = 100e6
"""Bytes per second of one connection."""


class Holdall:
    """Archives in an S3Store of holdall."""

    def __init__(self, known):
        from holdall import containers
        from holdall.drivers.s3 import S3Store

        self.module = containers
        self.store = S3Store(
            known["bucket"],
            endpoint_url=known["endpoint"],
            region=known["region"],
            access_key_id=known["key"],
            secret_access_key=known["secret"],
            timeout=300.0,
        )

    def write(self, name, value):
        self.module.dump(f"holdall/{name}", value, store=self.store)

    def reader(self, name):
        return self.module.LazyReader(f"holdall/{name}", store=self.store, cached=False).open()

    def leaves(self, reader, paths):
        return reader.read_many(paths)

    def full(self, name):
        return self.module.load(f"holdall/{name}", store=self.store)

    def part(self, name, value):
        self.write(name, value)
        return name

    def combine(self, name, parts):
        infos = [self.module.FileInfo(f"holdall/{part}", part, store=self.store) for part in parts]
        self.module.combine(f"holdall/{name}", infos, store=self.store)

    def append(self, name, part, title):
        self.module.append(
            f"holdall/{name}", [self.module.FileInfo(f"holdall/{part}", title, store=self.store)], store=self.store
        )


class Stock:
    """Archives of msglc, by way of s3fs."""

    def __init__(self, known):
        import msglc
        import s3fs

        self.module, self.bucket = msglc, known["bucket"]
        self.fs = s3fs.S3FileSystem(
            key=known["key"],
            secret=known["secret"],
            client_kwargs={"endpoint_url": known["endpoint"], "region_name": known["region"]},
            use_listings_cache=False,
        )
        self.local = tempfile.TemporaryDirectory(prefix="holdall-bench-")

    def write(self, name, value):
        with self.module.LazyWriter(f"{self.bucket}/stock/{name}", fs=self.fs) as writer:
            writer.write(value)

    def reader(self, name):
        reader = self.module.LazyReader(f"{self.bucket}/stock/{name}", fs=self.fs, cached=False)
        return reader.__enter__()

    def leaves(self, reader, paths):
        return [reader.read(path) for path in paths]

    def full(self, name):
        with self.module.LazyReader(f"{self.bucket}/stock/{name}", fs=self.fs) as reader:
            return reader.to_obj()

    def part(self, name, value):
        self.module.dump(str(Path(self.local.name, name)), value)
        return name

    def infos(self, parts, titles):
        return [
            self.module.FileInfo(str(Path(self.local.name, part)), title) for part, title in zip(parts, titles, strict=True)
        ]

    def combine(self, name, parts):
        self.module.combine(f"{self.bucket}/stock/{name}", self.infos(parts, parts), fs=self.fs)

    def append(self, name, part, title):
        self.module.append(f"{self.bucket}/stock/{name}", self.infos([part], [title]), fs=self.fs)


LIBRARIES = {"msglc": Stock, "holdall": Holdall}
TEN = {name: f"10 leaves {name}" for name in NAMES}
LARGE = "full read of 96 MiB"
THOUSAND = {name: f"{MANY} leaves {name}" for name in ("a", "b", "d")}
ROWS = [
    *(f"write {name}" for name in NAMES),
    *(
        row
        for name in NAMES
        for row in (f"open {name}, one leaf", TEN[name], f"{AT_ONCE} leaves {name}", f"full read {name}")
    ),
    LARGE,
    "combine 4 parts of 6 MiB",
    "append 69 bytes to them",
]


def work(library, known):
    """Be the process of one library."""
    archives, found = LIBRARIES[library](known), {}
    for name in NAMES:
        value = data.document(name, known["percent"])
        archives.write(name, value)
        found[f"write {name}"] = (lambda name=name, value=value: archives.write(name, value)), 1
        found |= reading(archives, name, value)
    texts = [f"{n:08}{data.TEXT}" for n in range(384)]
    archives.write("large", texts)
    found[LARGE] = (lambda: len(archives.full("large")) == len(texts) or sys.exit("not all of it")), 1
    parts = [archives.part(f"part-{n}", [f"{n:*>65536}"] * 96) for n in range(4)]
    small, titles = archives.part("small", {"a": [1, 2, 3], "b": {"c": 4}}), iter(range(1 << 30))
    found["combine 4 parts of 6 MiB"] = (lambda: archives.combine("combined", parts)), 1
    found["append 69 bytes to them"] = (lambda: archives.append("combined", small, f"more-{next(titles)}")), 1
    measuring.answer(found)


def reading(archives, name, value):
    """Return the acts that read an archive: first a leaf with the opening, then many of a reader opened before, then everything."""
    wanted = data.paths(name, value, MANY)
    expected = [data.at(value, path) for path in wanted]
    kept = []

    def first():
        kept[:] = [archives.reader(name)]
        assert archives.leaves(kept[0], wanted[:1]) == expected[:1]

    def ten():
        assert archives.leaves(kept[0], wanted[:10]) == expected[:10]

    def several():
        assert archives.leaves(kept[0], wanted[:AT_ONCE]) == expected[:AT_ONCE]

    def many():
        assert archives.leaves(kept[0], wanted) == expected

    def full():
        assert archives.full(name) == value

    return {
        f"open {name}, one leaf": (first, 1),
        TEN[name]: (ten, 1),
        f"{AT_ONCE} leaves {name}": (several, 1),
        f"{MANY} leaves {name}": (many, 1),
        f"full read {name}": (full, 1),
    }


@contextlib.contextmanager
def served(percent):
    """Start a server of S3 and a proxy before it; give the proxy, and what the processes of libraries have to know."""
    from holdall.testing import FaultProxy
    from holdall.testing.servers import Radosgw

    with Radosgw.running() as server, server.bucket() as bucket, FaultProxy(server.endpoint) as proxy:
        yield (
            proxy,
            {
                "bucket": bucket.name,
                "endpoint": proxy.url,
                "region": server.region,
                "key": server.access_key,
                "secret": server.secret_key,
                "percent": percent,
            },
        )


def main():
    asked = measuring.arguments(__doc__, percent=20, local=100)
    if asked.worker:
        work(asked.worker[0], json.loads(asked.worker[1]))
        return
    with served(asked.percent) as (proxy, known):
        module = "benchmarks.containers.s3"
        found = counting.count(module, LIBRARIES, ROWS, proxy, asked.rounds, DELAYS, known, RATE)
        rows = [row for name in THOUSAND for row in (f"open {name}, one leaf", THOUSAND[name])]
        proxy.heal()
        many = counting.count(module, LIBRARIES, rows, proxy, 1, (0, 50), known, RATE)
        found |= {f"{row}, 50 ms": many[f"{row}, 50 ms"] for row in THOUSAND.values()}
    measuring.save("benchmarks.containers.s3", {"percent": asked.percent} | found, as_json=asked.json)
    if not asked.json:
        for title, rows in found.items():
            counting.show(title, rows)


if __name__ == "__main__":
    sys.exit(main())
