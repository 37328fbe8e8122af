"""Single calls to S3, and 32 at once: raw obstore, holdall, boto3, s3fs, genro-storage, smart_open, cloudpathlib.

``python -m benchmarks.s3 [--rounds N] [--json]``. The server is an nginx that answers in S3's shapes, 80,000 requests a second, so
what is measured is the client. Each library runs in a process of its own; they take turns. At once means tasks where the library
has them, else threads. Goals: at most 20 µs of processor time per call above raw obstore (obstore's own threads included), at
least 95 % of its throughput at 32 at once.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from benchmarks import measuring

BUCKET = "bench"
KIB4, MIB, AT_ONCE = b"x" * 4096, b"y" * (1 << 20), 32
SIZES = {"4 KiB": KIB4, "1 MiB": MIB}
GOAL_CPU, GOAL_RATIO = 20.0, 0.95
CALLS = {
    "get 4 KiB": 100,
    "put 4 KiB": 100,
    "head": 100,
    "get 1 MiB": 20,
    "put 1 MiB": 20,
    f"get 4 KiB, {AT_ONCE} at once": 320,
    f"put 4 KiB, {AT_ONCE} at once": 320,
    f"get 1 MiB, {AT_ONCE} at once": 64,
    f"put 1 MiB, {AT_ONCE} at once": 64,
}


def obstore(endpoint, **more):
    """Return get, put and head of raw obstore, set up as most would and with what more is given, and get and put to be awaited."""
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="test",
        secret_access_key="testtest",
        client_options={"allow_http": True, "timeout": "300s"},
        **more,
    )
    return calls(store, store)


def calls(store, writer):
    """Return get, put and head of obstore instances to read from and to write to, and get and put to be awaited."""
    import obstore

    async def get(key):
        return (await (await obstore.get_async(store, key)).bytes_async()).to_bytes()

    async def put(data):  # a coroutine, as what a program awaits is one
        return await obstore.put_async(writer, "out", data, use_multipart=False)

    return (
        lambda key: store.get(key).bytes().to_bytes(),
        lambda data: writer.put("out", data, use_multipart=False),
        lambda: obstore.get(store, "4 KiB", options={"head": True}).attributes,
        get,
        put,
    )


def holdall(endpoint):
    """Return the calls of holdall."""
    from holdall.drivers.s3 import S3Store

    return calls_of(
        S3Store(BUCKET, endpoint_url=endpoint, region="us-east-1", access_key_id="test", secret_access_key="testtest")
    )


def calls_of(store):
    """Return the calls of one of holdall's stores."""

    async def get(key):
        return await (await store.get_async(key)).bytes_async()

    return (
        lambda key: store.get(key).bytes(),
        lambda data: store.put("out", data),
        lambda: store.head("4 KiB"),
        get,
        lambda data: store.put_async("out", data),
    )


def client(endpoint):
    """Return a boto3 client."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="testtest",
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=AT_ONCE),
    )


def boto3(endpoint):
    """Return the calls of boto3."""
    s3 = client(endpoint)
    return (
        lambda key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read(),
        lambda data: s3.put_object(Bucket=BUCKET, Key="out", Body=data),
        lambda: s3.head_object(Bucket=BUCKET, Key="4 KiB"),
        None,
        None,
    )


def s3fs(endpoint):
    """Return the calls of an s3fs filesystem that caches nothing."""
    import s3fs

    def filesystem(**more):
        return s3fs.S3FileSystem(
            key="test", secret="testtest", endpoint_url=endpoint, skip_instance_cache=True, use_listings_cache=False, **more
        )

    fs, made = filesystem(), []

    async def there():
        if not made:
            made.append(filesystem(asynchronous=True))
            await made[0].set_session()
        return made[0]

    async def get(key):
        return await (await there())._cat_file(f"{BUCKET}/{key}")

    async def put(data):
        await (await there())._pipe_file(f"{BUCKET}/out", data)

    return (
        lambda key: fs.cat_file(f"{BUCKET}/{key}"),
        lambda data: fs.pipe_file(f"{BUCKET}/out", data),
        lambda: fs.info(f"{BUCKET}/4 KiB", refresh=True),
        get,
        put,
    )


def genro_storage(endpoint):
    """Return the calls of genro-storage; it has no head, but sizes."""
    from genro_storage import StorageManager

    storage = StorageManager()
    mount = {"name": "s", "type": "s3", "bucket": BUCKET, "endpoint_url": endpoint, "key": "test", "secret": "testtest"}
    storage.configure([{**mount, "region": "us-east-1"}])
    return (
        lambda key: storage.node(f"s:{key}").read(mode="rb"),
        lambda data: storage.node("s:out").write(data, mode="wb"),
        lambda: storage.node("s:4 KiB").size,
        None,
        None,
    )


def smart_open(endpoint):
    """Return the calls of smart_open, with a boto3 client that is made once."""
    from smart_open import open as opened

    s3 = client(endpoint)

    def get(key):
        with opened(f"s3://{BUCKET}/{key}", "rb", transport_params={"client": s3}) as file:
            return file.read()

    def put(data):
        with opened(f"s3://{BUCKET}/out", "wb", transport_params={"client": s3, "multipart_upload": False}) as file:
            file.write(data)

    return get, put, None, None, None


def cloudpathlib(endpoint):
    """Return the calls of cloudpathlib, which keeps what it reads in a directory."""
    import os
    import tempfile

    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="testtest", AWS_DEFAULT_REGION="us-east-1")
    from cloudpathlib import S3Client
    from cloudpathlib.enums import FileCacheMode

    s3 = S3Client(
        endpoint_url=endpoint,
        file_cache_mode=FileCacheMode.close_file,
        local_cache_dir=tempfile.mkdtemp(prefix="holdall-peer-"),
    )
    return (
        lambda key: s3.CloudPath(f"s3://{BUCKET}/{key}").read_bytes(),
        lambda data: s3.CloudPath(f"s3://{BUCKET}/out").write_bytes(data),
        lambda: s3.CloudPath(f"s3://{BUCKET}/4 KiB").stat(),
        None,
        None,
    )


LIBRARIES = {
    "obstore": obstore,
    "holdall": holdall,
    "boto3": boto3,
    "s3fs": s3fs,
    "genro-storage": genro_storage,
    "smart_open": smart_open,
    "cloudpathlib": cloudpathlib,
}


def at_once(runner, pool, blocking, awaited):
    """Return a function that makes `AT_ONCE` calls, by tasks if the library has them, else by threads."""
    if awaited is None:
        return lambda: list(pool.map(lambda _: blocking(), range(AT_ONCE)))

    async def everyone():
        await asyncio.gather(*(awaited() for _ in range(AT_ONCE)))

    return lambda: runner.run(everyone())


def work(library, endpoint):
    """Be the process of one library."""
    get, put, head, get_async, put_async = LIBRARIES[library](endpoint)
    ways = {}
    with asyncio.Runner() as runner, ThreadPoolExecutor(AT_ONCE) as pool:
        for label, data in SIZES.items():
            assert bytes(get(label)) == data
            getting, putting = (lambda label=label: get(label)), (lambda data=data: put(data))
            ways[f"get {label}"], ways[f"put {label}"] = (getting, 1), (putting, 1)
            if library == "cloudpathlib":  # its cache has one file for a key: threads that read one key fail
                continue
            awaited = None if get_async is None else (lambda label=label: get_async(label))
            ways[f"get {label}, {AT_ONCE} at once"] = at_once(runner, pool, getting, awaited), AT_ONCE
            awaited = None if put_async is None else (lambda data=data: put_async(data))
            ways[f"put {label}, {AT_ONCE} at once"] = at_once(runner, pool, putting, awaited), AT_ONCE
        if head is not None:
            ways["head"] = head, 1
        measuring.answer(ways)


def main():
    asked = measuring.arguments(__doc__)
    if asked.worker:
        work(*asked.worker)
        return
    from pathlib import Path

    from holdall.testing.servers import NginxS3Stub

    with NginxS3Stub.running() as server:
        for label, data in (("4 KiB", KIB4), ("1 MiB", MIB)):
            (Path(server.files) / BUCKET / label).write_bytes(data)
        found = measuring.alternate("benchmarks.s3", LIBRARIES, CALLS, asked.rounds, server.endpoint)
    measuring.save("benchmarks.s3", found, as_json=asked.json)
    if asked.json:
        return
    for title, rows in found.items():
        measuring.show_calls(title, rows)
    print(
        f"\nholdall and raw obstore (goals: <= {GOAL_CPU:.0f} µs a call alone; >= {GOAL_RATIO:.0%} of the throughput at once)"
    )
    for title, rows in found.items():
        bare, ours = rows["obstore"], rows["holdall"]
        if "at once" in title:
            print(
                f"  {title:26}{bare['seconds'] / ours['seconds']:7.1%} of the throughput, {bare['cpu'] / ours['cpu']:.1%} by processor"
            )
        else:
            print(f"  {title:26}{(ours['cpu'] - bare['cpu']) * 1e6:+7.1f} µs of processor time a call")


if __name__ == "__main__":
    main()
