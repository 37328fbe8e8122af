"""What type checkers say of records: part of `make check` (mypy strict, pyright strict); nothing here runs."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from holdall.records import (
    And,
    Database,
    DatabaseFactory,
    Field,
    Filter,
    MigrationReport,
    ObjectDatabase,
    Or,
    Query,
    Record,
    S3Database,
    SearchResult,
    SQLDatabase,
    Transaction,
    migrate,
    migrate_async,
)


def nouns() -> None:
    record = Record({"name": "Ada"}, {"team": "x"}, id="a")
    assert_type(record["name"], Any)
    assert_type(record.fields["name"], Field)
    record.fields["name"] = "Grace"
    assert_type(record.id, str | None)
    assert_type(record.get_value("name"), Any)
    assert_type(record.copy(), Record)
    query = Query().filter("age", ">=", 18).filter(Filter("a", "=", 1) | ~Filter("b", "exists")).sort("age", "DESC").limit(5)
    assert_type(query, Query)
    assert_type(Filter("a", "=", 1) & Filter("b", "=", 2), And)
    assert_type(Filter("a", "=", 1) | Filter("b", "=", 2), Or)


def blocking(db: Database) -> None:
    record = Record()
    assert_type(db.create(record), str)
    assert_type(db.read("a"), Record | None)
    assert_type(db.require("a"), Record)
    assert_type(db.update("a", record, expected_version="v"), bool)
    assert_type(db.upsert(record), str)
    assert_type(db.upsert("a", record, expected_version=None), str)
    assert_type(db.modify("a", lambda found: found), Record)
    assert_type(db.delete("a"), bool)
    assert_type(db.get_version("a"), str | None)
    assert_type(db.batch_create(iter([record])), list[str])
    assert_type(db.batch_update([("a", record)]), list[bool])
    assert_type(db.batch_read(["a"]), list[Record | None])
    assert_type(db.batch_delete(["a"]), list[bool])
    assert_type(db.search(Query()), SearchResult)
    assert_type(db.search(Filter("a", "=", 1), max_age=0).cursor, str | None)
    assert_type(db.stream(), Iterator[Record])
    assert_type(db.count(), int)
    assert_type(db.ids("a"), Iterator[str])
    assert_type(db.select_query("SELECT 1"), list[dict[str, Any]])
    with db.transaction("best_effort") as changes:
        assert_type(changes, Transaction)
    with db as same:
        assert_type(same, Database)


async def tasks(db: SQLDatabase) -> None:
    assert_type(await db.create_async(Record()), str)
    assert_type(await db.read_async("a"), Record | None)
    assert_type(await db.batch_read_async(["a"]), list[Record | None])
    assert_type(await db.search_async(), SearchResult)
    assert_type(db.stream_async(), AsyncIterator[Record])
    async with db as same:
        assert_type(same, SQLDatabase)


async def between(old: ObjectDatabase, new: S3Database) -> None:
    assert_type(migrate(old, new, Filter("n", "<", 1), verify="full"), MigrationReport)
    assert_type(await migrate_async(old, new), MigrationReport)
    assert_type(Database.open("memory://"), Database)
    assert_type(S3Database.from_config({"bucket": "b"}), S3Database)
    assert_type(DatabaseFactory().create(backend="memory"), Database)
