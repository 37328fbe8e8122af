"""A30: memory of large uploads and downloads, as growth of a process of its own, straight and through both frameworks over HTTP."""

import asyncio
import json
import subprocess
import sys

import httpx
import pytest

MIB = 1024 * 1024
SIZE = 64 * MIB

COMMON = """
import asyncio, json, sys
from holdall import storages
from holdall.columns import FileObject
from holdall.drivers.s3 import S3Store

storages.register_backend(S3Store(sys.argv[4], endpoint_url=sys.argv[1], access_key_id="a", secret_access_key="b", region="us-east-1"), key="example")

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

def begin():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    return status("VmRSS")
"""

STRAIGHT = """
def pieces(count):
    for i in range(count):
        yield bytes([i]) * (1 << 20)

async def pieces_async(count):
    for piece in pieces(count):
        yield piece

async def both_async(name, count):
    file = await FileObject("example", name, content=pieces_async(count)).save_async()
    return sum([len(chunk) async for chunk in file.stream_async()])

def both(name, count):
    return sum(len(chunk) for chunk in FileObject("example", name, content=pieces(count)).save().stream())

for name, count in (("warm", 12), ("large", 64)):
    before = begin()
    size = asyncio.run(both_async(name, count)) if sys.argv[2] == "async" else both(name, count)
print(json.dumps({"size": size, "growth": (status("VmHWM") - before) / 1024}))
"""

SERVED = """
import socket
import uvicorn
from sqlalchemy.ext.asyncio import create_async_engine
from examples.columns import fastapi_app, litestar_app
from examples.columns.models import Paper

async def main():
    engine = create_async_engine(f"sqlite+aiosqlite:///{sys.argv[3]}/papers.sqlite")
    async with engine.begin() as connection:
        await connection.run_sync(Paper.metadata.create_all)
    app = (fastapi_app if sys.argv[2] == "fastapi" else litestar_app).make_app(engine)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    task = asyncio.ensure_future(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    print(listening.getsockname()[1], flush=True)
    before = None
    for line in iter(lambda: asyncio.to_thread(sys.stdin.readline), None):
        said = await line
        if said == "begin\\n":
            before = begin()
        if said == "end\\n":
            print((status("VmHWM") - before) / 1024, flush=True)
        if not said:
            break
    server.should_exit = True
    await task
    await engine.dispose()

asyncio.run(main())
"""


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_a30_a_large_file_streams(moto_bucket, colour):
    program = [sys.executable, "-c", COMMON + STRAIGHT, moto_bucket.server.endpoint, colour, "", moto_bucket.name]
    done = subprocess.run(program, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["size"] == SIZE
    assert found["growth"] <= 24


@pytest.mark.parametrize("framework", ["fastapi", "litestar"])
def test_a30_a_large_file_passes_a_framework(moto_bucket, tmp_path, framework):
    command = [
        sys.executable,
        "-c",
        COMMON + SERVED,
        moto_bucket.server.endpoint,
        framework,
        str(tmp_path),
        moto_bucket.name,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        try:
            asyncio.run(through(url, framework, 12))
            server.stdin.write("begin\n")
            server.stdin.flush()
            asyncio.run(through(url, framework, 64))
            server.stdin.write("end\n")
            server.stdin.flush()
            assert float(server.stdout.readline()) <= 32
        finally:
            server.stdin.close()
            server.wait(60)


async def through(url, framework, count):
    """Send a file and read it back."""
    async with httpx.AsyncClient(base_url=url, timeout=100) as client:
        if framework == "fastapi":

            async def body():
                for i in range(count):
                    yield bytes([i]) * MIB

            answer = await client.put("/papers/large.bin", content=body())
            assert answer.status_code == 200, answer.text
            identity = answer.json()["id"]
        else:
            answer = await client.post("/papers", files={"data": ("large.bin", bytes(count * MIB))})
            assert answer.status_code == 201, answer.text
            identity = answer.json()["metadata"]["paper"]
        async with client.stream("GET", f"/papers/{identity}/content") as answer:
            assert sum([len(chunk) async for chunk in answer.aiter_bytes()]) == count * MIB
