"""The example applications over real HTTP: uploads that stream, downloads, ranges, clients that hang up."""

import asyncio
import contextlib
import socket

import httpx
import pytest
import uvicorn
from examples.columns import fastapi_app, litestar_app
from examples.columns.models import Paper
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from holdall import storages
from holdall.columns import FileObject
from holdall.drivers.local import LocalStore
from holdall.serve import ASGIApp

from .conftest import keys_of

MIB = 1024 * 1024


@pytest.fixture
def files(tmp_path):
    store = LocalStore(tmp_path / "files", create=True)
    with storages.override("example", store):
        yield store


@contextlib.asynccontextmanager
async def served(make, tmp_path):
    """Yield a client of an application behind uvicorn, and the database engine."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/papers.sqlite")
    async with engine.begin() as connection:
        await connection.run_sync(Paper.metadata.create_all)
    server = uvicorn.Server(uvicorn.Config(make(engine), log_level="error", lifespan="off", timeout_graceful_shutdown=5))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    task = asyncio.ensure_future(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = listening.getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client, engine, port
    finally:
        server.should_exit = True
        await task
        listening.close()
        await engine.dispose()


def test_a28_fastapi(files, tmp_path):
    async def body():
        for _ in range(16):
            yield b"x" * MIB

    async def main():
        async with served(fastapi_app.make_app, tmp_path) as (client, _, _):
            answer = await client.put("/papers/big.bin", content=body(), headers={"content-type": "video/x"})
            assert answer.status_code == 200, answer.text
            paper = answer.json()
            assert (paper["file"]["size"], paper["file"]["content_type"]) == (16 * MIB, "video/x")
            answer = await client.get(f"/papers/{paper['id']}/content")
            assert len(answer.content) == 16 * MIB
            assert answer.headers["content-disposition"] == 'attachment; filename="big.bin"'
            assert answer.headers["content-length"] == str(16 * MIB)
            assert (await client.get("/papers/01a1fedf-5ea9-7f95-adc8-c745ef8b1b1e/content")).status_code == 404
            schema = (await client.get("/openapi.json")).json()["components"]["schemas"]["PaperOut"]
            assert "filename" in str(schema)
            assert keys_of(files) == [paper["file"]["filename"]]

    asyncio.run(main())


def test_a30_a_client_that_hangs_up_leaves_nothing(files, tmp_path):
    async def main():
        async with served(fastapi_app.make_app, tmp_path) as (_, engine, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"PUT /papers/half.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 100_000)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            del reader
        other = create_async_engine(engine.url)
        async with AsyncSession(other) as session:
            assert await session.scalar(select(func.count()).select_from(Paper)) == 0
        await other.dispose()

    asyncio.run(main())
    assert keys_of(files) == []


def test_a28_litestar(files, tmp_path):
    async def main():
        async with served(litestar_app.make_app, tmp_path) as (client, _, _):
            answer = await client.post("/papers", files={"data": ("../plan.txt", b"the plan", "text/plain")})
            assert answer.status_code == 201, answer.text
            file = FileObject.from_dict(answer.json())
            assert (file.filename, file.size) == ("plan.txt", 8)
            answer = await client.get(f"/papers/{file.metadata['paper']}/content")
            assert (answer.status_code, answer.content) == (200, b"the plan")
            assert answer.headers["content-type"].startswith("text/plain")
            document = (await client.get("/schema/openapi.json")).json()
            answers = document["paths"]["/papers"]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
            assert answers["required"] == ["filename", "backend"]
            assert {"type": "integer"} in answers["properties"]["size"]["oneOf"]
            asked = document["paths"]["/papers"]["post"]["requestBody"]["content"]
            assert list(asked) == ["multipart/form-data"]
            assert (await client.get("/papers/01a1fedf-5ea9-7f95-adc8-c745ef8b1b1e/content")).status_code == 404

    asyncio.run(main())


def test_ranges_by_serve(files):
    file = FileObject("example", "a.bin", content=b"0123456789").save()

    async def main():
        transport = httpx.ASGITransport(ASGIApp(storages, mounts=["example"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get(f"/example/{file.path}", headers={"Range": "bytes=2-5"})
            assert (answer.status_code, answer.content) == (206, b"2345")

    asyncio.run(main())
