"""A23: a commit that is cancelled at any of its awaits: no row without bytes, no bytes without row, and the session goes on."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from holdall import storages
from holdall.columns import FileObject, sweep_async
from holdall.drivers.memory import MemoryStore
from holdall.testing import SlowStore

from .conftest import Base, Paper, keys_of


class Interrupted:
    """A coroutine whose task is cancelled when it waits for the n-th time."""

    def __init__(self, coroutine, nth):
        self.coroutine = coroutine
        self.nth = nth
        self.waits = 0

    def __await__(self):
        running = self.coroutine.__await__()
        resume = partial(running.send, None)
        while True:
            try:
                waited = resume()
            except StopIteration as end:
                return end.value
            self.waits += 1
            if self.waits == self.nth:
                asyncio.current_task().cancel()
            try:
                answer = yield waited
            except BaseException as error:
                resume = partial(running.throw, error)
            else:
                resume = partial(running.send, answer)


class Remote(SlowStore):
    """A store that is awaited, and several times at once, as remote ones are."""

    @property
    def capabilities(self):
        return super().capabilities.narrowed(temporary=False)


def paper(name, content=b"one"):
    return Paper(file=FileObject(None, name, content=content))


async def cut_short(session, nth):
    """Commit some changes, cancelled at the n-th await; return at how many it waited."""
    kept, dropped = paper("kept.txt", b"old"), paper("dropped.txt")
    session.add_all([kept, dropped])
    await session.commit()
    kept.file = FileObject(None, "kept.txt", content=b"new!")
    session.add_all([paper("kept.txt", b"third"), paper("own")])
    await session.delete(dropped)
    commit = Interrupted(session.commit(), nth)

    async def wait():
        await commit

    try:
        await asyncio.ensure_future(wait())
    except asyncio.CancelledError:
        assert commit.waits >= nth
    await session.rollback()
    return commit.waits


async def check(session, store, caplog):
    """Compare rows and bytes; only where the outcome of the COMMIT is not known, it takes a sweep."""
    held = set()
    for file in await session.scalars(select(Paper.file)):
        assert len(await file.get_content_async()) == file.size
        held |= {file.path} | ({file.staged} if file.staged in keys_of(store) else set())
    if set(keys_of(store)) != held:
        assert "outcome of the COMMIT is not known" in caplog.text
        scope = {"columns": [Paper.file, Paper.files], "grace": timedelta(0)}
        await sweep_async(session, claim="prefix", force=True, **scope)
        assert set(keys_of(store)) == {file.path for file in await session.scalars(select(Paper.file))}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a23_cancelled_at_every_await_of_a_commit(url, driver, caplog):
    async def main():
        engine = create_async_engine(url(driver))
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        nth = waits = 0
        while waits >= nth:
            nth += 1
            caplog.clear()
            store = MemoryStore()
            with storages.override("papers", Remote(store)):
                async with AsyncSession(engine, expire_on_commit=False) as session:
                    waits = await cut_short(session, nth)
                    await check(session, store, caplog)
                    session.add(paper("after.txt"))
                    await session.commit()
                    assert "after.txt" in keys_of(store)
                    await session.execute(delete(Paper))
                    await session.commit()
                    assert keys_of(store) == []
        await engine.dispose()
        assert nth > 10

    asyncio.run(main())
