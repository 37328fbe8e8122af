"""The commit protocol in asyncio sessions: awaited inside commit(), cancelled without traces."""

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import async_scoped_session

from holdall.columns import CleanupError, FileObject, UnsavedFileError
from holdall.errors import UnavailableError

from .conftest import Document, async_sessions, run


def document(name="a.txt", content=b"one"):
    return Document(file=FileObject("uploads", name, content=content))


def test_a02_the_bytes_are_there_when_commit_returns(keys):
    async def chunks():
        for piece in (b"a", b"b"):
            await asyncio.sleep(0)
            yield piece

    async def main():
        async with async_sessions() as session_of, session_of() as session:
            row = document(content=chunks())
            session.add(row)
            await session.commit()
            assert keys() == ["a.txt"]
            assert (row.file.size, await row.file.get_content_async()) == (2, b"ab")
            assert len(asyncio.all_tasks()) == 1

    for _ in range(2):  # a new event loop each
        run(main())
        keys.__closure__[0].cell_contents.delete("a.txt")


def test_a03_rollback_close_and_savepoints(keys):
    async def main():
        async with async_sessions() as session_of, session_of() as session:
            row = document()
            session.add(row)
            await session.flush()
            assert keys() == ["a.txt"]
            await session.rollback()
            assert keys() == []
            session.add(row)
            await session.flush()
            savepoint = await session.begin_nested()
            session.add(document("b.txt"))
            await session.flush()
            await savepoint.rollback()
            assert keys() == ["a.txt"]
            await session.commit()
            row.file = FileObject(None, "a.txt", content=b"two")
            await session.commit()
            assert await row.file.get_content_async() == b"two"
            await session.delete(row)
            await session.flush()
            assert keys() == ["a.txt"]
            await session.close()
            assert keys() == ["a.txt"]

    run(main())


def test_a06_a_failing_upload(store, keys):
    async def main():
        async with async_sessions() as session_of, session_of() as session:
            store.fail("put", nth=2)
            session.add_all(document(f"{i}") for i in range(4))
            with pytest.raises(UnavailableError):
                await session.commit()
            assert keys() == []
            await session.commit()
            assert len(keys()) == 4

    run(main())


def test_a07_cleanup_opted_in(store):
    async def main():
        async with async_sessions() as session_of, session_of(info={"holdall.raise_cleanup": True}) as session:
            row = document()
            session.add(row)
            await session.commit()
            store.fail("delete")
            row.file = None
            with pytest.raises(CleanupError):
                await session.commit()
            assert await session.scalar(select(Document.file)) is None

    run(main())


def test_a21_scoped_and_joined_saves(keys):
    async def main():
        async with async_sessions() as session_of:
            scoped = async_scoped_session(session_of, scopefunc=asyncio.current_task)
            scoped.add(document())
            await scoped.commit()
            assert keys() == ["a.txt"]
            file = FileObject("uploads", "s.txt", content=b"1")
            await file.save_async(session=scoped, column=Document.file)
            await scoped.rollback()
            assert keys() == ["a.txt"]
            await scoped.remove()

    run(main())


def test_a_consumed_async_stream(keys):
    async def main():
        async def one():
            yield b"1"

        async with async_sessions() as session_of, session_of() as session:
            session.add(document(content=one()))
            await session.flush()
            await session.rollback()
            assert keys() == []
            session.add(document(content=one()))
            await session.commit()
            file = FileObject("uploads", "x", content=one())
            await file.save_async(session=session, column=Document.file)
            await session.rollback()
            with pytest.raises(UnsavedFileError):
                await file.save_async()
            assert await session.scalar(select(func.count()).select_from(Document)) == 1

    run(main())


def test_an_async_stream_in_a_blocking_session(session):
    async def one():
        yield b"1"

    file = FileObject("uploads", "x", content=one())
    with pytest.raises(TypeError):
        file.save()
    session.add(document(content=file.pending.source))
    with pytest.raises(TypeError):
        session.commit()
    session.rollback()
