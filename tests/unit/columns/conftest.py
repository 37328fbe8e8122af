"""Models of the tests, on a memory store that tells what is in it."""

import asyncio
import contextlib

import pytest
from sqlalchemy import ForeignKey, create_engine, event
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import NullPool, StaticPool

from holdall import storages
from holdall.columns import FileList, FileObject, StoredObject
from holdall.core.keys import ReservedKey
from holdall.drivers.memory import MemoryStore
from holdall.testing import FlakyStore


class Base(DeclarativeBase):
    """Base of the models."""


class Document(Base):
    __tablename__ = "documents"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(default="")
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="uploads"))
    files: Mapped[FileList | None] = mapped_column(StoredObject(backend="uploads", multiple=True))
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folders.id"))


class Folder(Base):
    __tablename__ = "folders"

    id: Mapped[int] = mapped_column(primary_key=True)
    documents: Mapped[list[Document]] = relationship(cascade="all, delete-orphan")


class Strict(Base):
    __tablename__ = "stricts"

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[FileObject | None] = mapped_column(
        StoredObject(
            backend="uploads",
            naming="unique",
            max_size=100,
            min_size=10,
            content_types=("image/*",),
            extensions=("png", ".jpg"),
            validators=(lambda file, head: None if head.startswith(b"\x89PNG") else _refuse(),),
        )
    )
    once: Mapped[FileObject | None] = mapped_column(StoredObject(backend="uploads", on_conflict="error"))
    shared: Mapped[FileObject | None] = mapped_column(StoredObject(backend="uploads", on_conflict="replace"))
    kept: Mapped[FileObject | None] = mapped_column(StoredObject(backend="uploads", on_delete="keep", naming="unique"))


def _refuse():
    raise ValueError("no PNG")


def keys_of(store):
    """Return all keys of a memory store, staged ones too."""
    plain = [meta.key for page in store.list("") for meta in page.objects]
    return sorted(plain + [meta.key for page in store.list(ReservedKey(".holdall/")) for meta in page.objects])


def tables(engine):
    """Make the tables, and let SQLite have savepoints."""

    @event.listens_for(engine, "connect")
    def _connect(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)


@pytest.fixture
def store():
    """The store behind ``uploads``; it can be told to fail."""
    store = FlakyStore(MemoryStore())
    with storages.override("uploads", store):
        yield store


@pytest.fixture
def keys(store):
    """A function that returns what is in the store."""
    return lambda: keys_of(store)


@pytest.fixture
def engine(tmp_path):
    """A SQLite database."""
    engine = create_engine(f"sqlite:///{tmp_path}/rows.sqlite")
    tables(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine, store):
    """A session on it."""
    with Session(engine) as session:
        yield session


@contextlib.asynccontextmanager
async def async_sessions(url="sqlite+aiosqlite://"):
    """Yield a maker of asyncio sessions over a new database."""
    engine = create_async_engine(url, poolclass=StaticPool if url.endswith("//") else NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    try:
        yield lambda **options: AsyncSession(engine, **{"expire_on_commit": False, **options})
    finally:
        await engine.dispose()


def run(coroutine):
    """Run a coroutine in a new event loop."""
    return asyncio.run(coroutine)
