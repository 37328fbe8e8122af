"""The example applications over real HTTP: uploads that stream, downloads, ranges, clients that hang up."""

import asyncio
import contextlib
import socket
import struct
import tempfile

import httpx
import pytest
import uvicorn
from examples.columns import fastapi_app, litestar_app
from examples.columns.models import Paper
from litestar.datastructures import upload_file
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from tests.leftovers import open_below

from holdall import storages
from holdall.columns import FileObject
from holdall.drivers.local import LocalStore
from holdall.serve import ASGIApp

from .conftest import keys_of

MIB = 1024 * 1024
APPLICATIONS = {"fastapi": fastapi_app.make_app, "litestar": litestar_app.make_app}
FORM = b'--x\r\nContent-Disposition: form-data; name="data"; filename="half.bin"\r\n\r\n'
UPLOADS = {
    "fastapi": b"PUT /papers/half.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n",
    "litestar": b"POST /papers HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: 9000000\r\n\r\n" + FORM,
}
"""How an upload begins that is longer than what is sent of it."""


@pytest.fixture
def files(tmp_path):
    store = LocalStore(tmp_path / "files", create=True)
    with storages.override("example", store):
        yield store


@pytest.fixture
def spooled(monkeypatch):
    """The files in which Litestar keeps what is being uploaded; it does not close those of a client that hangs up."""
    made = []

    class Spooled(tempfile.SpooledTemporaryFile):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(upload_file, "SpooledTemporaryFile", Spooled)
    yield made
    for file in made:
        file.close()


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


async def connected(port):
    """Return the writer of a connection whose other end is never read, and holds little."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return (await asyncio.open_connection(sock=client, limit=1024))[1]  # more than twice the limit is not taken in


def hang_up(writer):
    """End a connection at once, by RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until(condition):
    """Wait until something is so."""
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)


def nothing_new(tasks, engine, place):
    """Tell whether no task, no database connection in use and no open file of the store is left."""
    return asyncio.all_tasks() <= tasks and not engine.pool.checkedout() and not open_below(place)


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


@pytest.mark.parametrize("framework", APPLICATIONS)
def test_a30_a_client_that_hangs_up_while_it_uploads_leaves_nothing(files, tmp_path, spooled, framework):
    async def main():
        async with served(APPLICATIONS[framework], tmp_path) as (_, engine, port):
            before = asyncio.all_tasks()
            writer = await connected(port)
            writer.write(UPLOADS[framework] + bytes(3 * MIB))
            await until(lambda: open_below(tmp_path / "files") or spooled)  # some of it has come
            hang_up(writer)
            await until(lambda: nothing_new(before, engine, tmp_path / "files"))
            async with AsyncSession(engine) as session:
                assert await session.scalar(select(func.count()).select_from(Paper)) == 0

    asyncio.run(main())
    assert keys_of(files) == []
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("framework", APPLICATIONS)
def test_a30_a_client_that_hangs_up_while_it_downloads_leaves_nothing(files, tmp_path, framework):
    async def main():
        async with served(APPLICATIONS[framework], tmp_path) as (_, engine, port):
            async with AsyncSession(engine, expire_on_commit=False) as session:
                paper = Paper(title="long", file=FileObject("example", "long.bin", content=bytes(32 * MIB)))
                session.add(paper)
                await session.commit()
            before = asyncio.all_tasks()
            writer = await connected(port)
            writer.write(f"GET /papers/{paper.id}/content HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await until(lambda: open_below(tmp_path / "files"))  # nobody reads: the answer cannot have ended
            hang_up(writer)
            await until(lambda: nothing_new(before, engine, tmp_path / "files"))
            assert keys_of(files) == [paper.file.path]

    asyncio.run(main())


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
