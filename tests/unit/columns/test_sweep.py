"""Audit and sweep: what crashes leave behind is found and put right, what is not ours is left alone."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdall import PutOptions, storages
from holdall.columns import FileList, FileObject, StoredObject, audit, audit_async, sweep, sweep_async
from holdall.core.keys import ReservedKey
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError
from holdall.testing import FlakyStore

from .conftest import keys_of, run


class Base(DeclarativeBase):
    """Models of their own store, so that the columns in scope are known."""


class Item(Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="swept", label="app"))
    files: Mapped[FileList | None] = mapped_column(StoredObject(backend="swept", multiple=True, label="app"))


COLUMNS = [Item.file, Item.files]
NOW = {"grace": timedelta(0), "force": True, "columns": COLUMNS}


@pytest.fixture
def store():
    store = FlakyStore(MemoryStore(versioned=True))
    with storages.override("swept", store):
        yield store


@pytest.fixture
def bound(engine, store):
    Base.metadata.create_all(engine)
    return engine


def found(engine, **options):
    return sorted((f.kind, f.key) for f in audit(engine, **{"columns": COLUMNS, "grace": timedelta(0), **options}))


def item(engine, **values):
    with Session(engine, expire_on_commit=False) as session:
        row = Item(**values)
        session.add(row)
        session.commit()
        return row


def test_nothing_is_found_where_all_is_well(bound):
    item(bound, file=FileObject(None, "a", content=b"1"), files=[FileObject(None, "b", content=b"2")])
    assert found(bound) == []
    assert found(bound, verify="checksum") == []


def test_a11_a_claim_is_required(bound):
    with pytest.raises(TypeError):
        sweep(bound)
    with pytest.raises(ConfigError, match="claim"):
        sweep(bound, claim="all")
    with pytest.raises(ConfigError, match="force"):
        sweep(bound, claim="prefix", grace=timedelta(minutes=1))
    with pytest.raises(ConfigError, match=r"items\.files"):
        sweep(bound, claim="prefix", columns=[Item.file])


def test_a11_labels(bound, store):
    store.put("foreign", b"x")
    store.put("other", b"x", PutOptions(metadata={"holdall-label": "other app"}))
    store.put("ours", b"x", PutOptions(metadata={"holdall-label": "app"}))
    row = item(bound, file=FileObject(None, "a", content=b"1"))
    assert store.head("a").metadata == {"holdall-label": "app", "holdall-column": "items.file"}
    report = sweep(bound, claim="label", **NOW)
    assert [finding.key for finding in report.deleted] == ["ours"]
    assert keys_of(store) == ["a", "foreign", "other"]
    assert row.file.get_content() == b"1"


def test_a11_grace_and_dry_run(bound, store):
    store.put("orphan", b"x")
    assert found(bound, grace=timedelta(hours=1)) == []
    assert sweep(bound, claim="prefix", columns=COLUMNS).deleted == []
    store.set_modified("orphan", datetime.now(UTC) - timedelta(hours=30))
    assert [f.key for f in sweep(bound, claim="prefix", columns=COLUMNS, dry_run=True).reported] == ["orphan"]
    assert keys_of(store) == ["orphan"]
    assert [f.key for f in sweep(bound, claim="prefix", columns=COLUMNS).deleted] == ["orphan"]
    assert keys_of(store) == []


def test_a11_dangling_and_mismatch(bound, store):
    item(bound, file=FileObject(None, "a", content=b"1"), files=[FileObject(None, n, content=b"2") for n in "bc"])
    item(bound, file=FileObject(None, "d", content=b"3"))
    store.delete("a")
    store.delete("b")
    store.put("d", b"4")
    assert found(bound) == [("dangling", "a"), ("dangling", "b"), ("mismatch", "d")]
    report = sweep(bound, claim="prefix", dangling="restore", **NOW)
    assert sorted(f.key for f in report.restored) == ["a", "b"]
    assert found(bound) == [("mismatch", "d")]
    store.delete_version("a", store.versions("a")[-1].version)
    for version in store.versions("a"):
        store.delete_version("a", version.version)
    store.delete("b")
    sweep(bound, claim="prefix", dangling="null", **NOW)
    with Session(bound) as session:
        row = session.get(Item, 1)
        assert row.file is None
        assert [file.path for file in row.files] == ["c"]


def test_a07_a_failed_swap_is_finished(bound, store):
    row = item(bound, file=FileObject(None, "a", content=b"1"))
    with Session(bound) as session:
        session.get(Item, row.id).file = FileObject(None, "a", content=b"two")
        store.fail("put", nth=3)
        session.commit()
    store.heal()
    assert [kind for kind, _ in found(bound)] == ["staged"]
    report = sweep(bound, claim="prefix", **NOW)
    assert len(report.finished) == 1
    assert keys_of(store) == ["a"]
    assert store.get("a").bytes() == b"two"
    with Session(bound) as session:
        assert session.get(Item, row.id).file.staged is None
    assert found(bound) == []


def test_rows_forget_staged_objects_that_were_moved(bound, store):
    row = item(bound, file=FileObject(None, "a", content=b"1"))
    with Session(bound) as session:
        session.get(Item, row.id).file = FileObject(None, "a", content=b"two")
        session.commit()
    with bound.connect() as connection:
        assert "staged" in connection.execute(text("SELECT file FROM items")).scalar()
    assert found(bound) == []
    assert sweep(bound, claim="prefix", **NOW).tidied == 1
    with bound.connect() as connection:
        assert "staged" not in connection.execute(text("SELECT file FROM items")).scalar()
    assert found(bound) == []


def test_incomplete_and_staged_garbage(bound, store):
    store.put(ReservedKey(".holdall/staged/x"), b"1")
    store.parts("big").put_part(1, b"1")
    assert found(bound) == [("incomplete", "big"), ("staged", ".holdall/staged/x")]
    assert len(sweep(bound, claim="prefix", **NOW).deleted) == 2
    assert found(bound) == []


def test_the_asyncio_colour(bound, store, tmp_path):
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/other.sqlite")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(Item(file=FileObject(None, "a", content=b"1")))
            await session.commit()
            store.put("orphan", b"x")
            findings = [f async for f in audit_async(session, columns=COLUMNS, grace=timedelta(0), verify="checksum")]
            assert [(f.kind, f.key) for f in findings] == [("orphan", "orphan")]
            report = await sweep_async(engine, claim="prefix", **NOW)
            assert [f.key for f in report.deleted] == ["orphan"]
        await engine.dispose()

    run(main())
    assert keys_of(store) == ["a"]
