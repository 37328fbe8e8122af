"""A session that writes what it read before another transaction let go of it: refused, so that no row names bytes that are gone."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import create_engine, event, update
from sqlalchemy.orm import Session

from holdall.columns import FileObject
from holdall.errors import HoldallError, NotFoundError, PreconditionError

from .conftest import Base, Document, Strict, async_sessions, run


def new(name, content):
    return FileObject(None, name, content=content)


def documents():
    first = Document(file=new("one.txt", b"one"), files=[new("p1", b"p1"), new("p2", b"p2")])
    return first, Document(file=new("two.txt", b"two!"))


def replace(first, second):
    first.file = new("other.txt", b"newer")


def replace_in_place(first, second):
    first.file = new("one.txt", b"newer")


def pop(first, second):
    first.files.pop(0)


def append(first, second):
    first.files.append(new("p3", b"p3"))


def annotate(first, second):
    first.file.metadata["seen"] = True


def swap(first, second):
    first.file, second.file = second.file, first.file


def move(first, second):
    second.file, first.file = first.file, None


def share(first, second):
    second.file = first.file


def right(engine):
    """Assert that every row's bytes are there, and are what the row says; return their names."""
    names = []
    with Session(engine) as session:
        for row in session.query(Document).order_by(Document.id):
            for file in filter(None, (row.file, *(row.files or ()))):
                assert len(file.get_content()) == file.size
                names.append(file.filename)
    return names


@pytest.mark.parametrize(
    ("theirs", "ours", "error"),
    [
        (pop, append, PreconditionError),
        *((replace, act, PreconditionError) for act in (annotate, swap, move)),
        (replace, share, NotFoundError),
        *((replace_in_place, act, PreconditionError) for act in (annotate, swap, move, share)),
    ],
    ids=lambda value: value.__name__,
)
def test_what_another_transaction_let_go_of_is_not_written_back(engine, store, keys, theirs, ours, error):
    with Session(engine, expire_on_commit=False) as session, Session(engine) as other:
        first, second = documents()
        session.add_all([first, second])
        session.commit()
        theirs(*other.query(Document).order_by(Document.id))
        other.commit()
        before, held = right(engine), keys()
        ours(first, second)
        with pytest.raises(error):
            session.commit()
        session.rollback()
        assert (right(engine), keys()) == (before, held)  # and nothing of the attempt is left
        session.expire_all()
        ours(first, second)
        session.commit()
    right(engine)


def test_asyncio_sessions_too(store, tmp_path):
    async def main():
        async with async_sessions(f"sqlite+aiosqlite:///{tmp_path}/rows") as sessions, sessions() as session:
            row = Document(files=[new("p1", b"p1"), new("p2", b"p2")])
            session.add(row)
            await session.commit()
            async with sessions() as other:
                same = await other.get(Document, row.id)
                same.files.pop(0)
                await other.commit()
            row.files.append(new("p3", b"p3"))
            with pytest.raises(PreconditionError, match="refresh the row"):
                await session.commit()
            await session.rollback()
            await session.refresh(row)
            row.files.append(new("p3", b"p3"))
            await session.commit()
            assert [await file.get_content_async() for file in row.files] == [b"p2", b"p3"]

    run(main())


def test_a_file_that_this_session_let_go_of_comes_back_only_before_the_commit(session, keys):
    row, _ = documents()
    session.add(row)
    session.commit()
    file = row.file
    row.file = None
    session.flush()
    row.file = file
    session.commit()
    assert row.file.get_content() == b"one"
    file, row.file = row.file, None
    session.commit()
    row.file = file
    with pytest.raises(PreconditionError, match="let go of it"):
        session.commit()


def test_what_the_program_saved_by_itself_is_written(session):
    row, _ = documents()
    session.add(row)
    session.commit()
    row.file.save(b"by hand")
    session.commit()
    session.expire_all()
    assert (row.file.size, row.file.get_content()) == (7, b"by hand")


def test_files_that_are_kept_may_come_back(session):
    row = Strict(kept=new("a", b"a"))
    session.add(row)
    session.commit()
    file, row.kept = row.kept, None
    session.commit()
    row.kept = file
    session.commit()
    assert row.kept.get_content() == b"a"


def test_a_copy_whose_source_has_a_new_etag_is_told_by_its_content(session, store):
    first, second = documents()
    session.add_all([first, second])
    session.commit()
    store.put("one.txt", b"one")  # the same bytes, as after a move to another store
    second.file = first.file
    session.commit()
    assert second.file.get_content() == b"one"
    store.put("one.txt", b"eno")
    second.file = first.file
    with pytest.raises(HoldallError, match="not what the row says"):
        session.commit()


@pytest.mark.parametrize("bulk", [False, True])
def test_on_sqlite_nobody_writes_between_the_look_and_the_write(store, tmp_path, bulk):
    engine = create_engine(f"sqlite:///{tmp_path}/rows.sqlite")  # as it comes: a SELECT begins no transaction
    Base.metadata.create_all(engine)
    refused = []

    def meddle(_connection, _cursor, statement, *_rest):
        if statement.startswith("UPDATE documents SET file"):
            with closing(sqlite3.connect(tmp_path / "rows.sqlite", timeout=0)) as other:
                try:
                    other.execute("UPDATE documents SET file = NULL")
                    other.commit()
                except sqlite3.OperationalError as error:
                    refused.append(str(error))

    with Session(engine, expire_on_commit=False) as session:
        row, _ = documents()
        session.add(row)
        session.commit()
        event.listen(engine, "before_cursor_execute", meddle)
        if bulk:
            session.execute(update(Document).values(file=None))
        else:
            row.file = None
        session.commit()
    engine.dispose()
    assert refused == ["database is locked"]
