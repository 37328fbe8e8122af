"""A32: a mount of ``type: tiers`` carries nodes, files, containers, columns and records like any other."""

import asyncio

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdall import storages
from holdall.columns import FileObject, StoredObject
from holdall.containers import LazyReader, dump, load
from holdall.drivers.memory import MemoryStore
from holdall.mounts import StorageManager
from holdall.records import ObjectDatabase, Query, Record
from holdall.testing import DatabaseContract
from holdall.tiers import FileStore


class Base(DeclarativeBase):
    """Base of the model."""


class Paper(Base):
    __tablename__ = "tiered_papers"

    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="tiered"))


@pytest.fixture
def manager(tmp_path):
    """Mounts with one of type tiers, over two directories."""
    mount = {"type": "tiers", "locations": [f"file://{tmp_path}/near?name=hot", f"file://{tmp_path}/far?name=cold"]}
    with StorageManager({"both": mount}) as manager:
        yield manager


@pytest.fixture
def sides(tmp_path):
    """Return the names that both directories hold, with equal content."""

    def look(*, hidden=False):
        near, far = (
            {
                str(path.relative_to(tmp_path / side)): path.read_bytes()
                for path in (tmp_path / side).rglob("*")
                if path.is_file()
            }
            for side in ("near", "far")
        )
        assert near == far
        return sorted(name for name in near if hidden or ".holdall" not in name)

    return look


def test_a32_nodes_and_files(manager, sides, colour):
    node = manager.node("both:a/b.txt")
    colour(node).write("hello")
    assert colour(node).read() == "hello"
    with manager.node("both:a/c.bin").open("wb") as file:
        file.write(b"12345")
        file.write(b"6")
    with manager.node("both:a/c.bin").open("rb") as file:
        file.seek(3)
        assert file.read() == b"456"
    colour(node).copy_to("both:d.txt")
    colour(manager.node("both:d.txt")).move_to("both:e/f.txt")
    assert sides() == ["a/b.txt", "a/c.bin", "e/f.txt"]
    assert sorted(child.fullpath for child in manager.node("both:a").children()) == ["both:a/b.txt", "both:a/c.bin"]
    colour(manager.node("both:a")).delete()
    assert sides() == ["e/f.txt"]


def test_a32_containers(manager, sides):
    document = {"rows": [{"id": i, "text": "t" * 40} for i in range(3000)], "blob": bytes(100_000), "name": "x"}
    store = manager.node("both:").store
    dump("data.lazy", document, store=store)
    assert load("data.lazy", store=store) == document
    with LazyReader("data.lazy", store=store) as reader:
        assert reader.read("rows/1234/id") == 1234
    assert sides() == ["data.lazy"]


def test_a32_columns(manager, sides, colour, tmp_path):
    """Commit, rollback, replacement, deletion; a copy that is lost is no lost file."""
    with storages.override("tiered", manager.node("both:").store):
        engine = create_engine(f"sqlite:///{tmp_path}/rows.db")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Paper(id=1, file=FileObject(None, "one.txt", content=b"one")))
            session.commit()
            session.add(Paper(id=2, file=FileObject(None, "two.txt", content=b"two")))
            session.rollback()
            assert sides() == ["one.txt"]
            session.get(Paper, 1).file = FileObject(None, "three.txt", content=b"three")
            session.commit()
            assert sides() == ["three.txt"]
        (tmp_path / "near" / "three.txt").unlink()
        with Session(engine) as session:
            paper = session.scalars(select(Paper)).one()
            assert paper.file.get_content() == b"three"
            session.delete(paper)
            session.commit()
        assert sides() == []
        engine.dispose()


def test_a32_columns_async(manager, sides, tmp_path):
    async def work():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/rows.db")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(Paper(id=1, file=FileObject(None, "one.txt", content=b"one")))
            await session.commit()
            paper = await session.get(Paper, 1)
            assert await paper.file.get_content_async() == b"one"
            paper.file = None
            await session.commit()
        await engine.dispose()

    with storages.override("tiered", manager.node("both:").store):
        asyncio.run(work())
    assert sides() == []


class TestDatabase(DatabaseContract):
    """A database on two places."""

    @pytest.fixture
    def database(self):
        with FileStore(MemoryStore(), MemoryStore()) as fs, ObjectDatabase(fs.store) as database:
            yield database


def test_a32_records_are_in_both_places(manager, tmp_path):
    with ObjectDatabase(manager.node("both:").store, prefix="people") as db:
        db.batch_create(Record({"id": f"r{i}", "n": i}) for i in range(20))
        assert [record.id for record in db.search(Query().filter("n", ">", 17))] == ["r18", "r19"]
    with ObjectDatabase(FileStore(tmp_path / "far").store, prefix="people") as db:
        assert db.count() == 20
