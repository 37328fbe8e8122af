"""The protocol on PostgreSQL for real: psycopg blocking and async, asyncpg; row locks, deferred constraints, a killed backend."""

import asyncio
import threading
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from holdall.columns import FileObject, key_index, normalise_nulls, sweep

from .conftest import KILL_AT_COMMIT, Base, Paper, keys_of


@pytest.fixture
def engine(url):
    engine = create_engine(url("psycopg"))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def paper(name="a.txt", content=b"one", **more):
    return Paper(file=FileObject(None, name, content=content), **more)


@pytest.mark.parametrize("expire", [True, False])
def test_a02_psycopg_blocking(engine, store, expire):
    with Session(engine, expire_on_commit=expire) as session:
        row = paper(files=[FileObject(None, "l", content=b"l")])
        session.add(row)
        session.commit()
        with engine.connect() as other:
            raw = other.execute(text("SELECT file FROM papers")).scalar()
            assert raw["etag"] == store.head("a.txt").etag
            assert other.execute(text("SELECT jsonb_typeof(files) FROM papers")).scalar() == "array"
        row.file = FileObject(None, "a.txt", content=b"two")
        session.flush()
        assert store.get("a.txt").bytes() == b"one"
        session.rollback()
        assert keys_of(store) == ["a.txt", "l"]
        with session.begin_nested() as savepoint:
            row.file = None
            session.flush()
            savepoint.rollback()
        row.files.append(FileObject(None, "m", content=b"m"))
        session.commit()
        assert keys_of(store) == ["a.txt", "l", "m"]
        session.delete(row)
        session.commit()
        assert keys_of(store) == []


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
@pytest.mark.parametrize("expire", [True, False])
def test_a02_asyncio(url, store, driver, expire):
    async def main():
        engine = create_async_engine(url(driver))
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine, expire_on_commit=expire) as session:
            row = paper()
            session.add(row)
            await session.commit()
            assert keys_of(store) == ["a.txt"]
            if expire:
                await session.refresh(row)
            assert await row.file.get_content_async() == b"one"
            row.file = FileObject(None, "a.txt", content=b"two")
            await session.flush()
            assert store.get("a.txt").bytes() == b"one"
            await session.rollback()
            assert keys_of(store) == ["a.txt"]
            await session.refresh(row)
            row.file = FileObject(None, "a.txt", content=b"three")
            await session.commit()
            assert store.get("a.txt").bytes() == b"three"
            await session.delete(row)
            await session.commit()
            assert keys_of(store) == []
        await engine.dispose()

    asyncio.run(main())


def test_a_deferred_constraint_fails_at_commit(engine, store):
    with Session(engine) as session:
        session.add(paper("kept", title="x"))
        session.commit()
        session.add(paper("refused", title="x"))
        session.flush()
        assert keys_of(store) == ["kept", "refused"]
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
        assert keys_of(store) == ["kept"]


def test_a08_the_connection_is_killed_during_commit(engine, store, caplog):
    with engine.begin() as connection:
        for statement in KILL_AT_COMMIT:
            connection.execute(statement)
    with Session(engine) as session:
        session.add(paper("kept"))
        session.commit()
        session.add(paper("doubtful", title="die"))
        with pytest.raises(DBAPIError):
            session.commit()
        session.rollback()
    assert keys_of(store) == ["doubtful", "kept"]
    assert "doubtful" in caplog.text
    report = sweep(engine, claim="prefix", columns=[Paper.file, Paper.files], grace=timedelta(0), force=True)
    assert [finding.key for finding in report.deleted] == ["doubtful"]
    assert keys_of(store) == ["kept"]


def test_a13_two_replacers_of_one_row(engine, store):
    with Session(engine) as session:
        row = paper()
        session.add(row)
        session.commit()
        identity = row.id
    looked, errors = threading.Barrier(2, timeout=60), []

    def replace(content):
        try:
            with Session(engine) as session:
                row = session.get(Paper, identity)
                looked.wait()
                row.file = FileObject(None, "a.txt", content=content)
                session.commit()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=replace, args=(content,)) for content in (b"first", b"second!")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []

    def agree():
        with Session(engine) as session:
            file = session.get(Paper, identity).file
            assert len(file.get_content()) == file.size
            return file.get_content()

    content = agree()
    sweep(engine, claim="prefix", columns=[Paper.file, Paper.files], grace=timedelta(0), force=True)
    assert agree() == content
    with Session(
        engine
    ) as session:  # a sweep leaves a staged object alone if its key was written later: the row still reads it
        held = session.get(Paper, identity).file.staged
    assert set(keys_of(store)) <= {"a.txt", held}


def test_a27_queries(engine, store):
    with Session(engine) as session:
        session.add_all([paper("a", b"12345678901"), paper("b", b"1"), Paper()])
        session.commit()
        assert session.scalar(select(func.count()).where(Paper.file.is_(None))) == 1
        assert session.scalars(select(Paper.file).where(Paper.file["size"].as_integer() > 10)).one().path == "a"
        with engine.begin() as connection:
            key_index(Paper.file).create(connection)
        session.execute(text("UPDATE papers SET file = 'null' WHERE file IS NULL"))
        session.commit()
        assert session.scalar(select(func.count()).where(Paper.file.is_(None))) == 0
        assert [row.file for row in session.scalars(select(Paper)) if row.file is None] == [None]
        assert normalise_nulls(session, Paper.file) == 1
        session.commit()
        assert session.scalar(select(func.count()).where(Paper.file.is_(None))) == 1
        session.execute(update(Paper).values(file=None))
        session.commit()
        assert keys_of(store) == []


@pytest.mark.parametrize("end", ["commit", "rollback", "lost"])
def test_two_phases(engine, store, caplog, end):
    with Session(engine) as session:
        session.add(paper("kept"))
        session.commit()
    session = Session(engine, twophase=True)
    row = session.scalars(select(Paper)).one()
    row.file = FileObject(None, "kept", content=b"two")
    session.add(paper("new"))
    session.prepare()
    assert store.get("kept").bytes() == b"one"  # nothing is moved or deleted while it may still be rolled back
    assert len(keys_of(store)) == 3
    if end == "lost":
        session.invalidate()  # as a process that dies: the transaction stays prepared, somebody else decides
        assert "outcome of the COMMIT is not known" in caplog.text
        assert len(keys_of(store)) == 3
        with engine.connect() as connection:
            (xid,) = connection.recover_twophase()
            connection.commit_prepared(xid, recover=True)
        caplog.clear()
    else:
        getattr(session, end)()
        session.close()
    with Session(engine) as session:
        files = {file.path: file.get_content() for file in session.scalars(select(Paper.file))}
    assert files == ({"kept": b"one"} if end == "rollback" else {"kept": b"two", "new": b"one"})
    sweep(engine, claim="prefix", columns=[Paper.file, Paper.files], grace=timedelta(0), force=True)
    assert keys_of(store) == sorted(files)
    assert store.get("kept").bytes() == files["kept"]
