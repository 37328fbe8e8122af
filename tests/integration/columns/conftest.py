"""Databases of each kind, with the models of the tests."""

import uuid

import pytest
from sqlalchemy import Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from holdall import storages
from holdall.columns import FileList, FileObject, StoredObject
from holdall.core.keys import ReservedKey
from holdall.drivers.memory import MemoryStore
from holdall.testing import FlakyStore


class Base(DeclarativeBase):
    """Base of the models."""


class Paper(Base):
    __tablename__ = "papers"
    __table_args__ = (UniqueConstraint("title", deferrable=True, initially="DEFERRED"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    title: Mapped[str | None] = mapped_column(Text)
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="papers"))
    files: Mapped[FileList | None] = mapped_column(StoredObject(backend="papers", multiple=True))


def keys_of(store):
    """Return all keys of a store, staged ones too."""
    plain = [meta.key for page in store.list("") for meta in page.objects]
    return sorted(plain + [meta.key for page in store.list(ReservedKey(".holdall/")) for meta in page.objects])


@pytest.fixture
def store():
    """The store behind ``papers``."""
    store = FlakyStore(MemoryStore())
    with storages.override("papers", store):
        yield store


@pytest.fixture
def url(postgres, postgres_database):
    """A function: the URL of an empty database for a driver."""
    return lambda driver: postgres.url(postgres_database, driver)


KILL_AT_COMMIT = (
    text(
        """
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(30); RETURN NULL; END $$
    """
    ),
    text(
        """
    CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON papers DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.title = 'die') EXECUTE FUNCTION die()
    """
    ),
)
