"""Acceptance 32 on PostgreSQL: rows that are many or long are taken apart in a thread, never on the event loop."""

import asyncio
import threading

import pytest

from holdall.records import Filter, Query, Record, SQLDatabase, sql_reading


@pytest.fixture
def decoded(monkeypatch):
    """The threads in which rows became records, in order."""
    threads = []
    record_of_row = sql_reading.record_of_row

    def noted(row):
        threads.append(threading.current_thread())
        return record_of_row(row)

    monkeypatch.setattr(sql_reading, "record_of_row", noted)
    return threads


async def drained(source):
    return [each async for each in source]


ASKED = {
    "batch_read": lambda db: db.batch_read_async([f"{n:03}" for n in range(100)]),
    "search": lambda db: db.search_async(),
    "search in Python": lambda db: db.search_async(Filter("t", "regex", "x")),
    "search in another order": lambda db: db.search_async(Query().sort("n", "DESC")),
    "stream": lambda db: drained(db.stream_async()),
    "stream in another order": lambda db: drained(db.stream_async(Query().sort("n"))),
}


def test_a32_many_rows(postgres, postgres_database, decoded):
    async def body():
        async with SQLDatabase(postgres.url(postgres_database)) as db:
            await db.batch_create_async(Record({"id": f"{n:03}", "n": n, "t": "x"}) for n in range(100))
            for name, ask in ASKED.items():
                decoded.clear()
                assert len(await ask(db)) == 100, name
                assert len(decoded) >= 100, name
                assert threading.current_thread() not in decoded, name

    asyncio.run(body())


def test_a32_one_long_row(postgres, postgres_database, decoded):
    """A short one is not worth a thread."""

    async def body():
        async with SQLDatabase(postgres.url(postgres_database)) as db:
            await db.create_async(Record({"id": "long", "text": "x" * 10_000_000}))
            await db.create_async(Record({"id": "short", "text": "x"}))
            assert len((await db.require_async("long"))["text"]) == 10_000_000
            assert (await db.require_async("short"))["text"] == "x"
            assert [each is threading.current_thread() for each in decoded] == [False, True]

    asyncio.run(body())


def test_the_blocking_colour_takes_rows_apart_where_it_is_called(postgres, postgres_database, decoded):
    with SQLDatabase(postgres.url(postgres_database)) as db:
        db.batch_create(Record({"id": f"{n:03}", "n": n}) for n in range(100))
        assert len(db.search()) == 100
        assert set(decoded) == {threading.current_thread()}
