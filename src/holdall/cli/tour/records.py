"""The scene of records: a batch to S3, a search cold and warm with its requests, a migration from SQLite."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from holdall.cli.tour.stage import Stage, timed
from holdall.drivers.objects import S3Store
from holdall.errors import MissingExtraError
from holdall.records import Database, Filter, ObjectDatabase, Query, Record, SQLDatabase, migrate

if TYPE_CHECKING:
    from holdall.testing import CountingStore
    from holdall.testing.servers import Moto

__all__ = ["scene"]

RECORDS = 5000
"""How many records are written at most; moto, the server of the tour, takes some hundred of them a second."""
CITIES = ("Ghent", "London", "Oslo", "Turin")


def scene(stage: Stage) -> bool:
    """Play the scene and return whether every answer was right."""
    try:
        from holdall.testing.servers import Moto  # noqa: PLC0415  # of the extra "testing"
    except ImportError as error:
        raise MissingExtraError('the tour needs an S3 server: pip install "holdall[testing,s3]"') from error
    count = RECORDS if stage.files is None else min(RECORDS, stage.files)
    stage.title(f"records: {count} of them on S3, asked and migrated")
    started = timed()
    with tempfile.TemporaryDirectory(prefix="holdall-tour-") as home, Moto.running() as moto:
        right = _played(stage, moto, Path(home), count)
    return stage.check(f"all of it in {timed() - started:.1f} s", right)


def _played(stage: Stage, moto: Moto, home: Path, count: int) -> bool:
    from holdall.testing import CountingStore  # noqa: PLC0415  # of the extra "testing"

    bucket = f"tour-{uuid.uuid4().hex[:12]}"
    moto.client().create_bucket(Bucket=bucket)
    plain = S3Store(
        bucket,
        endpoint_url=moto.endpoint,
        region=moto.region,
        access_key_id=moto.access_key,
        secret_access_key=moto.secret_key,
    )
    with CountingStore(plain) as store:
        people = [
            Record({"id": f"person-{n:05}", "name": f"Person {n}", "age": 18 + n % 60, "city": CITIES[n % len(CITIES)]})
            for n in range(count)
        ]
        rows: list[list[str]] = []

        def step(title: str, act: Callable[[], int]) -> int:
            store.reset()
            began = timed()
            found = act()
            rows.append([title, str(found), _requests(store), f"{timed() - began:.2f}"])
            return found

        writer = ObjectDatabase(store, prefix="people/", mirror="memory", cache_ttl=60)
        reader = ObjectDatabase(store, prefix="people/", mirror=home / "mirror.sqlite", indexes=["city"], cache_ttl=60)
        query = Query().filter("city", "=", "Ghent").filter("age", ">=", 65).sort("age", "DESC")
        expected = sum(person["city"] == "Ghent" and person["age"] >= 65 for person in people)
        answers = [
            step("batch_create", lambda: len(writer.batch_create(people))) == count,
            step("search, cold", lambda: len(reader.search(query))) == expected,
            step("search again", lambda: len(reader.search(query))) == expected,
        ]
        writer.update(people[0].id or "", Record({"city": "Ghent", "age": 99}))
        fresh = expected + 1 - int(people[0]["age"] >= 65)
        answers += [
            step("search after a change elsewhere", lambda: len(reader.search(query, max_age=0))) == fresh,
            step("select_query, count(*)", lambda: _counted(reader)) == count,
        ]
        with SQLDatabase(f"sqlite:///{home / 'old.sqlite'}") as old:
            old.batch_create(Record({"id": f"order-{n:04}", "total": n}) for n in range(max(20, count // 10)))
            target = ObjectDatabase(store, prefix="orders/", mirror="memory")
            moved = step(
                "migrate from SQLite", lambda: migrate(old, target, Filter("total", ">=", 10), verify="full").written
            )
            answers.append(moved == target.count() == old.count(Filter("total", ">=", 10)))
        for database in (writer, reader, target):
            database.close()
    stage.table("What was asked", ("step", "records", "requests", "seconds"), rows)
    return stage.check("every answer is what plain Python says", all(answers))


def _counted(database: Database) -> int:
    return int(database.select_query("SELECT count(*) AS n FROM S3Object")[0]["n"])


def _requests(store: CountingStore) -> str:
    """Return what a store was asked, by verb; a listing here is one page."""
    calls = store.counts.calls
    return ", ".join(f"{number} {verb.upper()}" for verb, number in sorted(calls.items())) or "none"
