"""The programs that people already have for records on S3 run unchanged but for their import lines.

Each block is kept as text and executed, in the order of its page, against moto, LocalStack and Ceph's gateway. What is changed beside
imports: ``localhost:4566`` becomes the address at which the server of the test listens.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from holdall.errors import ConfigError
from holdall.records import DatabaseFactory, DuplicateRecordError, Record, S3Database
from holdall.testing.servers import Postgres, S3Server

SERVERS = ("moto", "localstack", "radosgw")
BUCKETS = ("my-data-bucket", "test-bucket", "my-bucket", "archive-bucket")


class Page:
    """Runs the blocks of a page, one after the other, with the names of those before."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.names: dict[str, Any] = {}

    def run(self, block: str, **names: Any) -> dict[str, Any]:
        text = textwrap.dedent(block).replace("http://localhost:4566", self.server.endpoint)
        self.names.update(names)
        exec(compile(text, "<block>", "exec"), self.names)
        return self.names


@pytest.fixture(params=SERVERS)
def page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> Iterator[Page]:
    """A page on each server, in the environment of an AWS program, with the buckets that the blocks name."""
    server: S3Server = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    client = server.client()
    for bucket in BUCKETS:
        client.create_bucket(Bucket=bucket)
    try:
        yield Page(server)
    finally:
        for bucket in BUCKETS:
            keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", ())]
            for key in keys:
                client.delete_object(Bucket=bucket, Key=key)
            client.delete_bucket(Bucket=bucket)
        client.close()


def test_a01_the_page_on_s3(page: Page, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: PLR0915  # a page is long
    """All blocks that talk to S3 alone; in one test, because the names of their buckets are fixed."""
    client = page.server.client()

    def tags_of(key: str) -> dict[str, str]:
        answer = client.get_object_tagging(Bucket="my-bucket", Key=key)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    # basic configuration
    names = page.run("""
        from holdall.records import S3Database

        db = S3Database.from_config({
            "bucket": "my-data-bucket",
            "prefix": "records/",
            "region": "us-east-1"
        })
    """)
    assert isinstance(names["db"], S3Database)
    assert names["db"].count() == 0

    # LocalStack
    names = page.run(
        """
        # For local development with LocalStack
        db = S3Database.from_config({
            "bucket": "test-bucket",
            "prefix": "records/",
            "region": "us-east-1",
            "endpoint_url": "http://localhost:4566",
            "access_key_id": "test",
            "secret_access_key": "test"
        })
        """
        if page.server.name != "radosgw"  # the only one that looks at secrets
        else f"""
        db = S3Database.from_config({{
            "bucket": "test-bucket",
            "prefix": "records/",
            "region": "us-east-1",
            "endpoint_url": "http://localhost:4566",
            "access_key_id": "{page.server.access_key}",
            "secret_access_key": "{page.server.secret_key}"
        }})
        """
    )
    assert names["db"].count() == 0

    # basic CRUD
    names = page.run("""
        from holdall.records import Record, Query
        from holdall.records import S3Database

        # Initialize
        db = S3Database.from_config({
            "bucket": "my-bucket",
            "prefix": "app/records/"
        })

        # Create
        record = Record({
            "id": "user-123",
            "name": "Alice",
            "email": "alice@example.com",
            "created_at": "2024-01-01T00:00:00Z"
        })
        record_id = db.create(record)

        # Read
        retrieved = db.read(record_id)
        print(f"Name: {retrieved.get_value('name')}")

        # Update
        record.fields["email"] = "alice.smith@example.com"
        db.update(record_id, record)
    """)
    assert "Name: Alice" in capsys.readouterr().out
    assert names["record_id"] == "user-123"
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="my-bucket")["Contents"]]
    assert keys == ["app/records/user-123.json"]
    assert names["db"].require("user-123")["email"] == "alice.smith@example.com"
    page.run("""
        # Delete
        db.delete(record_id)
    """)
    assert names["db"].read("user-123") is None

    # batches
    names = page.run("""
        # Batch operations are much more efficient
        records = [
            Record({"id": f"user-{i}", "name": f"User {i}"})
            for i in range(100)
        ]

        # Parallel upload (10 workers by default)
        record_ids = db.batch_create(records)

        # Parallel read
        retrieved = db.batch_read(record_ids[:50])

        # Parallel delete
        results = db.batch_delete(record_ids[50:])
    """)
    assert names["record_ids"] == [f"user-{i}" for i in range(100)]
    assert [record["name"] for record in names["retrieved"]] == [f"User {i}" for i in range(50)]
    assert names["results"] == [True] * 50
    assert names["db"].count() == 50

    # metadata and tags
    names = page.run("""
        # S3 backend stores metadata as object tags
        record = Record({
            "name": "Important Document",
            "content": "..."
        })

        # Metadata is preserved
        record.metadata["created_by"] = "admin"
        record.metadata["version"] = "1.0"
        record.metadata["department"] = "Engineering"

        record_id = db.create(record)

        # Tags are visible in S3 console
        # Tags: id=xxx, created_at=xxx, created_by=admin, version=1.0, department=Engineering
    """)
    stored = names["db"].require(names["record_id"])
    assert tags_of(f"app/records/{stored.id}.json") == {
        "id": stored.id,
        "created_at": stored.metadata["created_at"],
        "created_by": "admin",
        "version": "1.0",
        "department": "Engineering",
    }
    assert stored.metadata["version"] == "1.0"

    # searching
    people = [
        {
            "id": f"e{i}",
            "department": "Engineering" if i % 2 else "Sales",
            "active": i % 3 > 0,
            "created_at": f"2024-01-{i:02}",
        }
        for i in range(1, 31)
    ]
    names["db"].batch_create([names["Record"](person) for person in people])
    names = page.run("""
        # Note: S3 doesn't support native queries
        # All objects are downloaded and filtered locally
        query = Query()\\
            .filter("department", "=", "Engineering")\\
            .filter("active", "=", True)\\
            .sort("created_at", "DESC")\\
            .limit(10)

        results = db.search(query)
        # This downloads ALL objects, then filters locally
        # Consider using Elasticsearch for complex queries
    """)
    expected = sorted((p for p in people if p["department"] == "Engineering" and p["active"]), key=lambda p: p["created_at"])
    assert [record["id"] for record in names["results"]] == [p["id"] for p in expected[::-1][:10]]

    # performance: single operations, then a batch
    names = page.run("""
        records = [Record({"id": f"perf-{i}"}) for i in range(20)]

        # Bad: Individual operations
        for record in records:
            db.create(record)  # One API call each
    """)
    assert names["db"].exists("perf-19")
    with pytest.raises(Exception, match="20 of 20") as caught:
        page.run("""
            # Good: Batch operations
            db.batch_create(records)  # Parallel API calls
        """)
    assert all(isinstance(outcome.error, DuplicateRecordError) for outcome in caught.value.outcomes)
    names["db"].batch_delete([f"perf-{i}" for i in range(20)])
    assert page.run("record_ids = db.batch_create(records)")["record_ids"][0] == "perf-0"

    # prefix organization
    names = page.run("""
        # Bad: everything in one place
        db_by_date = S3Database.from_config({
            "bucket": "my-data-bucket",
            "prefix": "data/2024/01/"  # Date-based organization
        })
        db_by_date.create(Record({"id": "a"}))
        db_above = S3Database.from_config({"bucket": "my-data-bucket", "prefix": "data/"})

        # Enables efficient listing of specific time periods
    """)
    assert (names["db_by_date"].count(), names["db_above"].count()) == (1, 0)

    # index caching
    page.run("""
        # The S3 backend caches object listings
        db.count()  # First call: lists all objects
        db.count()  # Subsequent calls: uses cache

        # Cache expires after 60 seconds by default
        # Configurable via cache_ttl parameter
    """)

    # multipart upload
    names = page.run("""
        # Large objects automatically use multipart upload
        large_record = Record({
            "id": "large-file",
            "data": "x" * (10 * 1024 * 1024)  # 10MB
        })

        # Automatically uses multipart upload for objects > 5MB
        db.create(large_record)
    """)
    head = client.head_object(Bucket="my-bucket", Key="app/records/large-file.json")
    assert head["ContentLength"] > 10 * 1024 * 1024
    assert names["db"].require("large-file")["data"] == "x" * (10 * 1024 * 1024)
    names["db"].delete("large-file")

    # storage classes
    names = page.run("""
        # Configure storage class for cost optimization
        db = S3Database.from_config({
            "bucket": "archive-bucket",
            "prefix": "archive/",
            "storage_class": "GLACIER"  # For infrequent access
        })
    """)
    if page.server.name != "radosgw":  # which knows the storage classes of its own configuration only
        names["db"].create(names["Record"]({"id": "old"}))
        [entry] = client.list_objects_v2(Bucket="archive-bucket")["Contents"]
        assert entry["StorageClass"] == "GLACIER"

    # lifecycle policies
    names = page.run("""
        # Set up lifecycle policies in AWS Console or via boto3
        # Example: Move to Glacier after 30 days
        lifecycle_config = {
            'Rules': [{
                'ID': 'ArchiveOldData',
                'Status': 'Enabled',
                'Transitions': [{
                    'Days': 30,
                    'StorageClass': 'GLACIER'
                }]
            }]
        }
    """)
    assert names["lifecycle_config"]["Rules"]

    # SQL
    names = page.run("""
        db = S3Database.from_config({"bucket": "my-bucket", "prefix": "app/records/"})

        # Future enhancement: Use S3 Select for efficient queries
        query = "SELECT * FROM S3Object WHERE department = 'Engineering'"
        results = db.select_query(query)  # Coming soon
    """)
    assert sorted(row["id"] for row in names["results"]) == sorted(
        p["id"] for p in people if p["department"] == "Engineering"
    )

    # testing with LocalStack
    page.run(
        """
        import os
        from holdall.records import S3Database

        # Set environment for LocalStack
        os.environ["AWS_ACCESS_KEY_ID"] = "test"
        os.environ["AWS_SECRET_ACCESS_KEY"] = "test"
        """
    )
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", page.server.secret_key)  # which only Ceph's gateway looks at
    names = page.run("""
        # Create test database
        test_db = S3Database.from_config({
            "bucket": "test-bucket",
            "prefix": "test/",
            "region": "us-east-1",
            "endpoint_url": "http://localhost:4566"
        })

        # Run tests
        record = Record({"test": "data"})
        record_id = test_db.create(record)
        assert test_db.read(record_id) is not None
        test_db.delete(record_id)
    """)
    assert names["test_db"].count() == 0
    client.close()
    for name in ("db", "test_db", "db_by_date", "db_above"):
        names[name].close()


def test_a01_the_configuration_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unchanged, its variables set and unset."""
    path = tmp_path / "config.yaml"
    path.write_text(
        textwrap.dedent("""
        # config.yaml
        databases:
          - name: archive
            class: dataknobs_data.backends.s3.S3Database
            bucket: ${S3_BUCKET}
            prefix: ${S3_PREFIX:data/}
            region: ${AWS_REGION:us-east-1}
            endpoint_url: ${S3_ENDPOINT:}  # Empty for AWS
            max_workers: ${S3_MAX_WORKERS:10}
        """)
    )
    for name in ("S3_BUCKET", "S3_PREFIX", "AWS_REGION", "S3_ENDPOINT", "S3_MAX_WORKERS", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="S3_BUCKET"):
        DatabaseFactory.from_file(path).create("archive")
    monkeypatch.setenv("S3_BUCKET", "my-bucket")
    archive = DatabaseFactory.from_file(path).create("archive")
    assert isinstance(archive, S3Database)
    assert (archive.prefix, archive.store.identity.place) == ("data/", "my-bucket")
    monkeypatch.setenv("S3_PREFIX", "other")
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:9")
    archive = DatabaseFactory.from_file(path).create("archive")
    assert isinstance(archive, S3Database)
    assert archive.prefix == "other/"
    assert "127.0.0.1:9" in repr(archive)


@pytest.mark.timeout(600)  # starts two servers
def test_a01_migration_from_postgresql(
    page: Page, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old records go from PostgreSQL to S3, and are deleted at their source."""
    monkeypatch.setenv("PGPORT", str(postgres.port))
    monkeypatch.setenv("PGUSER", postgres.user)
    postgres.execute("CREATE DATABASE production")
    try:
        names = page.run("""
            from holdall.records import Query
            from holdall.records import DatabaseFactory

            factory = DatabaseFactory()

            # Source database (e.g., PostgreSQL)
            source = factory.create(
                backend="postgres",
                host="localhost",
                database="production"
            )

            # Destination S3 archive
            archive = factory.create(
                backend="s3",
                bucket="archive-bucket",
                prefix="postgres-backup/"
            )
        """)
        now = datetime.now()  # noqa: DTZ005  # as the block does
        names["source"].batch_create(
            [
                Record({"id": f"r{days:04}", "created_at": (now - timedelta(days=days)).isoformat(), "n": days})
                for days in range(300, 430, 10)
            ]
        )
        names = page.run("""
            # Migrate old records
            from datetime import datetime, timedelta
            cutoff = datetime.now() - timedelta(days=365)

            old_records = source.search(
                Query().filter("created_at", "<", cutoff.isoformat())
            )

            # Batch upload to S3
            archive.batch_create(old_records)

            # Delete from source
            for record in old_records:
                source.delete(record.metadata["id"])

            print(f"Archived {len(old_records)} records to S3")
        """)
        old = [f"r{days:04}" for days in range(370, 430, 10)]
        assert "Archived 6 records to S3" in capsys.readouterr().out
        assert [record.id for record in names["archive"].search()] == old
        assert [record.id for record in names["source"].search()] == [f"r{days:04}" for days in range(300, 370, 10)]
        names["source"].close()
        names["archive"].close()
    finally:
        postgres.execute("DROP DATABASE production WITH (FORCE)")
