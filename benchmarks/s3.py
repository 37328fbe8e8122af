"""S3 clients against each other: raw obstore, holdall, boto3, s3fs, on an nginx that answers in S3's shapes.

``python -m benchmarks.s3 [--rounds N] [--json]``. nginx serves 80,000 requests a second, so what is measured is the client. Ways of
one row alternate within a run; medians, ratios to raw obstore, and the least processor time per call of the whole process (obstore's
threads included). Goals: at most 20 µs of processor time per call above raw obstore, at least 95 % of its throughput at 32 at once.
Listings are answered by a small server of canned pages, in a process of its own.
"""

import argparse
import asyncio
import gc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import obstore
import obstore.store

from holdall.drivers.objects import S3Store
from holdall.testing.servers import NginxS3Stub

KIB4, MIB, AT_ONCE, PAGES = b"x" * 4096, b"y" * (1 << 20), 32, 20
BUCKET = "bench"
GOAL_CPU, GOAL_RATIO = 20.0, 0.95


def keys(server):
    """Return the arguments with which holdall connects."""
    return {
        "endpoint_url": server["endpoint"],
        "region": "us-east-1",
        "access_key_id": "test",
        "secret_access_key": "testtest",
    }


def raw(server):
    """Return raw obstore, set up as most would."""
    return obstore.store.S3Store(
        BUCKET,
        endpoint=server["endpoint"],
        region="us-east-1",
        access_key_id="test",
        secret_access_key="testtest",
        client_options={"allow_http": True, "timeout": "300s"},
    )


def boto(server):
    """Return a boto3 client."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server["endpoint"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="testtest",
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=AT_ONCE),
    )


def s3fs(server, **more):
    """Return an s3fs filesystem that caches nothing."""
    import s3fs

    return s3fs.S3FileSystem(
        key="test",
        secret="testtest",
        endpoint_url=server["endpoint"],
        skip_instance_cache=True,
        use_listings_cache=False,
        **more,
    )


def has(name):
    """Tell whether a peer is installed."""
    return importlib.util.find_spec(name) is not None


def serial(server):
    """Yield (row, ways, calls per measurement) of single calls."""
    ours, bare = S3Store(BUCKET, **keys(server)), raw(server)
    bare.put("small", KIB4)
    bare.put("mib", MIB, use_multipart=False)
    client = boto(server) if has("boto3") else None
    fs = s3fs(server) if has("s3fs") else None
    for label, key, data, calls in (("4 KiB", "small", KIB4, 100), ("1 MiB", "mib", MIB, 20)):
        gets = {
            "obstore": lambda key=key: bare.get(key).bytes().to_bytes(),
            "holdall": lambda key=key: ours.get(key).bytes(),
        }
        puts = {
            "obstore": lambda data=data: bare.put("out", data, use_multipart=False),
            "holdall": lambda data=data: ours.put("out", data),
        }
        if client is not None:
            gets["boto3"] = lambda key=key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            puts["boto3"] = lambda data=data: client.put_object(Bucket=BUCKET, Key="out", Body=data)
        if fs is not None:
            gets["s3fs"] = lambda key=key: fs.cat_file(f"{BUCKET}/{key}")
            puts["s3fs"] = lambda data=data: fs.pipe_file(f"{BUCKET}/out", data)
        assert all(way() == data for way in gets.values())
        yield f"get {label}", gets, calls
        yield f"put {label}", puts, calls
    heads = {
        "obstore": lambda: obstore.get(bare, "small", options={"head": True}).attributes,
        "holdall": lambda: ours.head("small"),
    }
    if client is not None:
        heads["boto3"] = lambda: client.head_object(Bucket=BUCKET, Key="small")
    if fs is not None:
        heads["s3fs"] = lambda: fs.info(f"{BUCKET}/small", refresh=True)
    yield "head", heads, 100


def together(server):
    """Yield (row, ways, calls per measurement) of 32 calls under way, by tasks where the library has them, else by threads."""
    ours, bare = S3Store(BUCKET, **keys(server)), raw(server)
    runner = asyncio.Runner()
    client = boto(server) if has("boto3") else None

    def tasks(call, calls):
        async def worker(turns):
            for _ in range(turns):
                await call()

        async def everyone():
            await asyncio.gather(*(worker(calls // AT_ONCE) for _ in range(AT_ONCE)))

        return lambda: runner.run(everyone())

    def threads(call, calls):
        pool = ThreadPoolExecutor(AT_ONCE)
        return lambda: list(pool.map(lambda _: call(), range(calls)))

    for label, key, data, calls in (("4 KiB", "small", KIB4, 640), ("1 MiB", "mib", MIB, 96)):

        async def bare_get(key=key):
            return (await (await obstore.get_async(bare, key)).bytes_async()).to_bytes()

        async def our_get(key=key):
            return await (await ours.get_async(key)).bytes_async()

        async def bare_put(data=data):
            await obstore.put_async(bare, "out", data, use_multipart=False)

        async def our_put(data=data):
            await ours.put_async("out", data)

        gets = {"obstore": tasks(bare_get, calls), "holdall": tasks(our_get, calls)}
        puts = {"obstore": tasks(bare_put, calls), "holdall": tasks(our_put, calls)}
        if client is not None:
            gets["boto3"] = threads(lambda key=key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read(), calls)
            puts["boto3"] = threads(lambda data=data: client.put_object(Bucket=BUCKET, Key="out", Body=data), calls)
        if has("s3fs"):
            filesystems = []

            async def filesystem(made=filesystems):
                if not made:
                    made.append(s3fs(server, asynchronous=True))
                    await made[0].set_session()
                return made[0]

            async def peer_get(key=key, filesystem=filesystem):
                return await (await filesystem())._cat_file(f"{BUCKET}/{key}")

            async def peer_put(data=data, filesystem=filesystem):
                await (await filesystem())._pipe_file(f"{BUCKET}/out", data)

            gets["s3fs"], puts["s3fs"] = tasks(peer_get, calls), tasks(peer_put, calls)
        yield f"{AT_ONCE} x get {label}", gets, -calls
        yield f"{AT_ONCE} x put {label}", puts, -calls
        for made in filesystems if has("s3fs") else ():
            runner.run(made.s3.close() if hasattr(made, "s3") else made._s3.close())
    runner.close()


def listing(pages):
    """Yield the row of a listing: keys per second, true keys and metadata."""
    server = {"endpoint": pages}
    ours, bare = S3Store(BUCKET, **keys(server)), raw(server)
    plain = S3Store(BUCKET, **keys(server))
    plain.lists_aside = False
    ways = {
        "obstore": lambda: sum(len(chunk) for chunk in obstore.list(bare, chunk_size=1000)),
        "holdall": lambda: sum(len(page.objects) for page in ours.list()),
        "holdall, no boto3": lambda: sum(len(page.objects) for page in plain.list()),
    }
    if has("boto3"):
        paginator = boto(server).get_paginator("list_objects_v2")
        ways["boto3"] = lambda: sum(len(page["Contents"]) for page in paginator.paginate(Bucket=BUCKET))
    if has("s3fs"):
        fs = s3fs(server)
        ways["s3fs"] = lambda: len(fs.find(BUCKET))
    assert {way() for way in ways.values()} == {PAGES * 1000}
    yield f"list {PAGES * 1000:,} keys (per page)", ways, -PAGES


def measure(ways, calls, rounds):
    """Return the median seconds per call and the least processor seconds per call of each way; rounds of all ways alternate.

    What other processes do makes a call dearer, never cheaper, so the least processor time says most of the code itself.
    """
    repeat, per = (calls, calls) if calls > 0 else (1, -calls)
    times = {name: [] for name in ways}
    for call in ways.values():
        call()
    gc.collect()
    for turn in range(rounds):
        names = list(ways)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            call = ways[name]
            start, worked = time.perf_counter(), time.process_time()
            for _ in range(repeat):
                call()
            times[name].append(((time.perf_counter() - start) / per, (time.process_time() - worked) / per))
    return {
        name: [statistics.median(seconds for seconds, _ in values), min(cpu for _, cpu in values)]
        for name, values in times.items()
    }


def show(title, found):
    """Print one row of the table."""
    base, worked = found["obstore"]
    print(f"\n{title}")
    print(f"  {'':20}{'per call':>12}{'x obstore':>11}{'cpu/call':>12}{'above':>10}")
    for name, (seconds, cpu) in found.items():
        above = "" if name == "obstore" else f"{(cpu - worked) * 1e6:+8.0f}µs"
        print(f"  {name:20}{seconds * 1e6:10.0f}µs{seconds / base:10.2f}x{cpu * 1e6:10.0f}µs{above:>10}", flush=True)


class Pages(BaseHTTPRequestHandler):
    """Answers listings with canned pages of 1,000 keys."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    made = {}  # noqa: RUF012  # filled once per process

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        page = int(query.get("continuation-token", ["0"])[0])
        if page not in self.made:
            items = "".join(
                f"<Contents><Key>many/{page:04}/{i:06}.bin</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
                f"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>4096</Size><StorageClass>STANDARD</StorageClass></Contents>"
                for i in range(1000)
            )
            more = page + 1 < PAGES
            token = f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if more else ""
            self.made[page] = (
                '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<Name>{BUCKET}</Name><Prefix></Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys>"
                f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>"
            ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(self.made[page])))
        self.end_headers()
        self.wfile.write(self.made[page])

    def log_message(self, *_):
        pass


def serve_pages():
    """Serve pages until standard input closes, after printing the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


def main():
    """Run all rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="rows whose title has this text")
    parser.add_argument("--serve-pages", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_pages:
        serve_pages()
        return
    found = {}
    command = [sys.executable, "-m", "benchmarks.s3", "--serve-pages"]
    with (
        NginxS3Stub.running() as stub,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as pages,
    ):
        address = pages.stdout.readline().strip()
        server = {"endpoint": stub.endpoint}
        for rows in (serial(server), together(server), listing(address)):
            for title, ways, calls in rows:
                if arguments.only not in title:
                    continue
                found[title] = measure(ways, calls, arguments.rounds)
                if not arguments.json:
                    show(title, found[title])
        pages.stdin.close()
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(
        f"\nholdall above raw obstore (goals: <= {GOAL_CPU:.0f} µs a call alone; >= {GOAL_RATIO:.0%} of the throughput together)"
    )
    for title, values in found.items():
        if title.startswith(str(AT_ONCE)):
            print(f"  {title:24}{values['obstore'][0] / values['holdall'][0]:7.1%} of the throughput")
        elif not title.startswith("list"):
            print(f"  {title:24}{(values['holdall'][1] - values['obstore'][1]) * 1e6:+7.1f} µs of processor time a call")


if __name__ == "__main__":
    main()
