"""How much memory large reads, writes and listings take, and how long the listing of two locations takes beside that of one.

``python -m benchmarks.tiers.memory [--mib N] [--keys N] [--rounds N] [--scale X] [--json]``. Each act in a process of its own. Goals, above the
process before the act: a get of 256 MiB the object and 16 MiB; a download or a stream 64 MiB; a one-shot stream of 1 GiB (four times ``--mib``) to three
locations 128 MiB; a listing of 100,000 keys of two locations 50 MiB, at least 0.8 of the speed of one where a page takes 50 ms, first
entry after at most two pages of each.
"""

import contextlib
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile

from benchmarks import measuring

BUCKET = "bench"
DELAY = 50


def opened(*urls, **options):
    from holdall.tiers import FileStore

    return FileStore(*urls, **options)


def get(place, kind):
    fs = opened(place[kind])
    return lambda: place["size"] == len(fs.get("large")) or sys.exit("another size came")


def download(place, kind):
    fs = opened(place[kind])
    return lambda: fs.download("large", place["target"])


def stream(place, kind):
    fs = opened(place[kind])

    def act():
        with fs.stream("large") as chunks:
            if sum(map(len, chunks)) != place["size"]:
                sys.exit("another size came")

    return act


def one_shot(place):
    """Write from an iterator, which can be read once, to three locations."""
    fs = opened(*(f"file://{place['root']}/out{i}" for i in range(3)))
    block = os.urandom(1 << 20)
    return lambda: fs.put("out", itertools.repeat(block, 4 * place["size"] >> 20))


def list_one(place, pages="pages"):
    from holdall.drivers.registry import open_store

    store = open_store(place[pages][0])
    return lambda: sum(len(page.objects) for page in store.list()) == place["keys"] or sys.exit("other keys came")


def list_two(place, pages="pages"):
    fs = opened(*place[pages])
    return lambda: sum(len(entry.locations) == 2 for entry in fs.list()) == place["keys"] or sys.exit("other keys came")


def reading(act):
    return {f"holdall: {act.__name__} {kind}": (lambda place, kind=kind: act(place, kind)) for kind in ("file", "s3")}


VARIANTS = {
    **reading(get), **reading(download), **reading(stream), "holdall: one-shot": one_shot, "holdall: list one": list_one,
    "holdall: list two": list_two, "holdall: list one, far": lambda place: list_one(place, "distant"),
    "holdall: list two, far": lambda place: list_two(place, "distant"),
}  # fmt: skip


def first_pages(urls):
    """Return how many pages each location was asked for before the first entry came."""
    from holdall.drivers.registry import open_store
    from holdall.testing import CountingStore

    counting = [CountingStore(open_store(url)) for url in urls]
    with opened(*counting) as fs:
        next(iter(fs.list()))
    return [store.counts.pages for store in counting]


def main():
    asked = measuring.arguments(__doc__, mib=256, keys=100_000)
    if asked.one:
        measuring.one(VARIANTS[asked.one[0]], asked.one[1])
        return
    from holdall.testing import Fault, FaultProxy
    from holdall.testing.servers import NginxS3Stub

    keys = max(1000, asked.keys // 1000 * 1000)
    pages = [sys.executable, "-m", "benchmarks.listing", "--worker", "pages", "--keys", str(keys)]
    with (
        contextlib.ExitStack() as stack,
        NginxS3Stub.running() as server,
        tempfile.TemporaryDirectory(prefix="holdall-bench-") as root,
        subprocess.Popen(pages, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(pages, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as two,
    ):

        def url(endpoint):
            host = endpoint.partition("://")[2].strip()
            return f"s3://key:secret-word@{host}/{BUCKET}?use_ssl=false&aws_region=us-east-1"

        ends = [server_of_pages.stdout.readline().strip() for server_of_pages in (one, two)]
        proxies = [stack.enter_context(FaultProxy(end)) for end in ends]
        for proxy in proxies:
            proxy.fail(Fault(delay=DELAY / 1000), times=math.inf)
        place = {
            "root": root,
            "file": f"file://{root}/near",
            "s3": url(server.endpoint),
            "target": os.path.join(root, "target"),
            "pages": [url(end) for end in ends],
            "distant": [url(proxy.url) for proxy in proxies],
            "keys": keys,
            "size": asked.mib << 20,
        }
        os.mkdir(os.path.join(root, "near"))
        for path in (os.path.join(root, "near", "large"), os.path.join(server.files, BUCKET, "large")):
            with open(path, "wb") as file:
                file.writelines(os.urandom(1 << 20) for _ in range(asked.mib))
        path = os.path.join(root, "place.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(place, file)
        rows = {f"{name.partition(': ')[2]}": ([name], None) for name in VARIANTS if "list" not in name}
        rows[f"list {keys:,} keys"] = (["holdall: list one", "holdall: list two"], None)
        far = ["holdall: list one, far", "holdall: list two, far"]
        rows[f"list {keys:,} keys, {DELAY} ms a page"] = (far, 1.25)
        measuring.compare("benchmarks.tiers.memory", rows, path, asked.rounds, as_json=asked.json)
        print(f"\npages before the first entry: {first_pages(place['pages'])} (goal: at most 2 each)")
        for server_of_pages in (one, two):
            server_of_pages.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
