"""Columns on S3 (moto): what arrives, how many requests it takes, one s3fs instance in many loops, a server that is down."""

import asyncio
import io
import logging

import pytest
import s3fs
from sqlalchemy import create_engine, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdall import storages
from holdall.columns import (
    FileList,
    FileObject,
    FSSpecBackend,
    ObstoreBackend,
    StoredObject,
    audit,
    relocate,
    relocate_async,
)
from holdall.drivers.local import LocalStore
from holdall.drivers.s3 import S3Store
from holdall.errors import AlreadyExistsError, ConfigError, NotSupportedError, UnavailableError
from holdall.testing import FaultProxy

SECRET = "hush-hush-hush"


class Base(DeclarativeBase):
    """Models of their own backend."""


class Sheet(Base):
    __tablename__ = "sheets"

    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="sheets", label="sheets"))
    files: Mapped[FileList | None] = mapped_column(StoredObject(backend="sheets", multiple=True, label="sheets"))


COLUMNS = [Sheet.file, Sheet.files]


@pytest.fixture
def engine(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/sheets.sqlite")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def proxy(moto_bucket):
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(moto_bucket, proxy):
    """The bucket through a proxy that counts."""
    with (
        S3Store(
            moto_bucket.name,
            endpoint_url=proxy.url,
            access_key_id="test",
            secret_access_key=SECRET,
            region="us-east-1",
            retries=0,
        ) as store,
        storages.override("sheets", store),
    ):
        store.probe()
        yield store


def opened_s3fs(url):
    return s3fs.S3FileSystem(
        endpoint_url=url, key="test", secret=SECRET, client_kwargs={"region_name": "us-east-1"}, skip_instance_cache=True
    )


def requests(proxy, act):
    """Return the methods of the requests that an act takes."""
    before = len(proxy.traffic.requests)
    act()
    return [method for method, _ in proxy.traffic.requests[before:]]


@pytest.mark.parametrize("kind", ["own", "obstore", "s3fs"])
def test_a24_every_source_arrives_with_type_and_metadata(moto_bucket, kind, tmp_path):
    server, name = moto_bucket.server, moto_bucket.name
    backend = {
        "own": lambda: S3Store(
            name, endpoint_url=server.endpoint, access_key_id="a", secret_access_key="b", region="us-east-1"
        ),
        "obstore": lambda: ObstoreBackend("sheets", f"s3://{name}", **server.options, client_options={"allow_http": True}),
        "s3fs": lambda: FSSpecBackend("sheets", opened_s3fs(server.endpoint), prefix=name),
    }[kind]()
    path = tmp_path / "source"
    path.write_bytes(b"content")

    async def chunks():
        for piece in (b"con", b"tent"):
            yield piece

    sources = {
        "bytes": lambda: {"content": b"content"},
        "memoryview": lambda: {"content": memoryview(b"content")},
        "file": lambda: {"content": io.BytesIO(b"content")},
        "path": lambda: {"source_path": path},
        "iterator": lambda: {"content": iter([b"con", b"tent"])},
        "async": lambda: {"content": chunks()},
    }

    def made(what):
        return FileObject(
            "sheets", f"{what}.bin", content_type="text/x-own", metadata={"owner": "me", "deep": {"a": 1}}, **sources[what]()
        )

    async def main():
        for what in sources:
            if what != "async":
                assert made(what).save().size == 7
                check(what)
                moto_bucket.client.delete_object(Bucket=name, Key=f"{what}.bin")
            file = await made(what).save_async()
            check(what)
            assert await file.get_content_async() == b"content"

    def check(what):
        found = moto_bucket.client.get_object(Bucket=name, Key=f"{what}.bin")
        assert found["Body"].read() == b"content"
        assert (found["ContentType"], found["Metadata"]["owner"]) == ("text/x-own", "me")
        assert "deep" not in found["Metadata"]

    with storages.override("sheets", backend):
        asyncio.run(main())
        assert FileObject("sheets", "empty", content=b"").save().size == 0


def test_a29_one_s3fs_instance_in_both_colours_and_many_loops(moto_bucket):
    with storages.override(
        "sheets", FSSpecBackend("sheets", opened_s3fs(moto_bucket.server.endpoint), prefix=moto_bucket.name)
    ):
        assert FileObject("sheets", "a", content=b"blocking").save().get_content() == b"blocking"

        async def main(turn):
            file = await FileObject("sheets", f"{turn}", content=b"%d" % turn).save_async()
            assert await file.get_content_async() == b"%d" % turn
            many = [FileObject("sheets", f"{turn}/{i}", content=b"%d" % i) for i in range(100 if turn == 1 else 3)]
            await asyncio.gather(*(file.save_async() for file in many))
            assert await asyncio.gather(*(file.get_content_async() for file in many)) == [
                b"%d" % i for i in range(len(many))
            ]

        for turn in range(3):
            asyncio.run(main(turn))
            assert FileObject("sheets", f"{turn}").get_content() == b"%d" % turn


def test_a29_a_site_refuses_writes_before_any_request(nginx_site):
    with FaultProxy(nginx_site.url) as proxy:
        backend = FSSpecBackend(
            "site", fs="http", prefix=nginx_site.url.replace(nginx_site.url.split("/")[2], proxy.url.split("/")[2])
        )
        nginx_site.ground.write("a.txt", b"hello")
        with storages.override("site", backend):
            file = FileObject("site", "a.txt")

            async def refused():
                for act in (file.save_async(b"x"), file.delete_async(), file.sign_async()):
                    with pytest.raises(NotSupportedError):
                        await act

            def acts():
                for act in (lambda: file.save(b"x"), file.delete, file.sign):
                    with pytest.raises(NotSupportedError):
                        act()
                asyncio.run(refused())

            assert requests(proxy, acts) == []
            assert file.get_content() == b"hello"


def test_a30_requests(engine, store, proxy):
    with Session(engine, expire_on_commit=False) as session:
        row = Sheet(file=FileObject(None, "a.txt", content=b"hello"))

        def save():
            session.add(row)
            session.commit()

        assert requests(proxy, save) == ["PUT"]
    with Session(engine) as session:
        assert requests(proxy, lambda: session.scalars(select(Sheet)).one().file.size) == []
        file = session.scalars(select(Sheet)).one().file
        assert requests(proxy, file.get_content) == ["GET"]
        assert requests(proxy, lambda: FileObject("sheets", "b", content=b"1").save()) == ["PUT"]


def test_a30_a_thousand_files_go_by_one_request(engine, store, proxy):
    document = {
        "content_type": "text/plain",
        "size": 1,
        "last_modified": 1.0,
        "checksum": None,
        "etag": "x",
        "version_id": None,
    }
    files = [
        FileObject.from_dict({"filename": f"{i}", **document, "metadata": {}, "backend": "sheets"}) for i in range(1000)
    ]
    with engine.begin() as connection:
        connection.execute(insert(Sheet.__table__), [{"file": file} for file in files])
    with Session(engine) as session:
        for row in session.scalars(select(Sheet)):
            session.delete(row)
        assert requests(proxy, session.commit) == ["POST"]


def test_a30_a_server_that_is_down_is_not_a_missing_file(engine, store, proxy, caplog):
    caplog.set_level(logging.DEBUG)
    with Session(engine) as session:
        row = Sheet(file=FileObject(None, "a.txt", content=b"hello"))
        session.add(row)
        session.commit()
        file = session.scalars(select(Sheet)).one().file
        proxy.down()
        errors = []
        for act in (file.get_content, file.exists, file.refresh, file.delete, lambda: file.save(b"x")):
            with pytest.raises(UnavailableError) as caught:
                act()
            errors.append(caught.value)

        async def awaited():
            for act in (file.get_content_async, file.exists_async):
                with pytest.raises(UnavailableError):
                    await act()

        asyncio.run(awaited())
        session.add(Sheet(file=FileObject(None, "b.txt", content=b"1")))
        with pytest.raises(UnavailableError):
            session.commit()
        session.rollback()
        proxy.up()
        assert session.scalars(select(Sheet)).one().file.get_content() == b"hello"
    told = "".join(f"{error} {error!r} {error.__cause__!r} {vars(error)}" for error in errors)
    assert SECRET not in told + caplog.text + repr(store) + repr(file) + repr(storages)


def test_a_column_moves_from_local_files_to_s3(engine, store, tmp_path, moto_bucket):
    near = LocalStore(tmp_path / "near", create=True)
    names = ("a.txt", "b.txt", "c.txt")
    with storages.override("sheets", near):
        with Session(engine) as session:
            rows = [Sheet(file=FileObject(None, name, content=name.encode(), metadata={"owner": "me"})) for name in names]
            session.add_all([*rows, Sheet(files=[FileObject(None, "l", content=b"l"), FileObject(None, "m", content=b"m")])])
            session.commit()
            rows[1].file = FileObject(None, "b.txt", content=b"replaced")
            session.commit()
        with engine.connect() as connection:
            raw = connection.exec_driver_sql("SELECT * FROM sheets ORDER BY id").all()
        near.delete("c.txt")  # lost before: it is told, and the others are copied all the same
        report = relocate(engine, "sheets", to=store, columns=COLUMNS, read_back=True)
        assert (report.copied, report.present, [error.key for error in report.failures]) == (4, 0, ["c.txt"])
        near.put("c.txt", b"other")  # not what the row says
        report = relocate(engine, "sheets", to=store, columns=COLUMNS)
        assert (report.copied, report.present, [error.kind for error in report.failures]) == (0, 4, ["integrity"])
        near.put("c.txt", b"c.txt")
        with Session(engine) as session:  # the application goes on meanwhile
            session.get(Sheet, 1).file = FileObject(None, "a.txt", content=b"A.TXT")
            session.commit()
        store.put("l", b"L")  # somebody else's
        seen = []
        report = asyncio.run(copied_again(engine.url.database, store, seen))
        assert (report.copied, report.present, len(seen)) == (2, 2, 5)
        assert [type(error) for error in report.failures] == [AlreadyExistsError]
        store.delete("l")
        assert relocate(engine, "sheets", to=store, columns=COLUMNS).copied == 1
        with pytest.raises(ConfigError):
            relocate(engine, "sheets", to=near, columns=COLUMNS)
        with engine.connect() as connection:
            after = connection.exec_driver_sql("SELECT * FROM sheets ORDER BY id").all()
        assert after[1:] == raw[1:]
    head = moto_bucket.client.head_object(Bucket=moto_bucket.name, Key="c.txt")
    assert (head["ContentType"], head["Metadata"]["owner"], head["Metadata"]["holdall-label"]) == (
        "text/plain",
        "me",
        "sheets",
    )
    with Session(engine) as session:  # "sheets" is S3 now; models and rows are what they were
        contents = {
            file.path: file.get_content()
            for row in session.scalars(select(Sheet))
            for file in [row.file, *(row.files or [])]
            if file
        }
        assert contents == {"a.txt": b"A.TXT", "b.txt": b"replaced", "c.txt": b"c.txt", "l": b"l", "m": b"m"}
        assert list(audit(engine, columns=COLUMNS)) == []
        session.delete(session.get(Sheet, 2))
        session.commit()
    assert not FileObject("sheets", "b.txt").exists()


async def copied_again(database, store, seen):
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    try:
        async with AsyncSession(engine) as session:
            return await relocate_async(session, "sheets", to=store, columns=COLUMNS, progress=seen.append)
    finally:
        await engine.dispose()
