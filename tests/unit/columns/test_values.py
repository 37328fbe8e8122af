"""File values without a database: names, JSON, rules, metadata, backends, and the libraries that carry them."""

import asyncio
import io
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import msgspec
import pydantic
import pytest
import sqlalchemy
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, func, select

import holdall
from holdall import storages
from holdall.columns import (
    FileList,
    FileObject,
    FSSpecBackend,
    ObstoreBackend,
    RejectedFileError,
    StorageBackend,
    StoredObject,
    UnsavedFileError,
    safe_name,
    type_map,
)
from holdall.columns.alembic import render_item
from holdall.columns.msgspec import dec_hook, enc_hook
from holdall.columns.names import uuid7
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError, InvalidKeyError, NotFoundError

from .conftest import Strict

NINE = {"filename", "content_type", "size", "last_modified", "checksum", "etag", "version_id", "metadata", "backend"}
PNG = b"\x89PNG" + b"x" * 20


def test_construction_refuses():
    for arguments in (
        {"filename": ""},
        {"filename": "../x"},
        {"filename": "a\0b"},
        {"filename": "a", "size": -1},
        {"filename": "a", "content": b"", "source_path": "x"},
    ):
        with pytest.raises(ValueError):
            FileObject("uploads", **arguments)
    with pytest.raises(TypeError):
        FileObject(3, "a")
    with pytest.raises(TypeError):
        FileObject("uploads", "a", content="text")
    assert FileObject("uploads", "/a/b").path == "a/b"
    assert FileObject("uploads", "a", content=b"").has_pending_data
    with pytest.raises(InvalidKeyError):
        FileObject("uploads", ".holdall/x")


def test_a26_the_json_has_nine_keys(store):
    file = FileObject("uploads", "a.txt", content=b"1", metadata={"n": {"m": 1}}).save()
    assert file.to_dict().keys() == NINE
    again = FileObject(**file.to_dict())
    assert again == file
    assert again.to_dict() == file.to_dict()
    renamed = FileObject("uploads", "a.txt", to_filename="k/1")
    assert (renamed.path, renamed.filename, renamed.original_filename) == ("k/1", "k/1", "a.txt")
    assert renamed.to_dict()["original_filename"] == "a.txt"
    kept = FileObject.from_dict({"filename": "a", "backend": "uploads", "later": 1})
    assert kept.to_dict()["later"] == 1
    assert "pending" in repr(FileObject("nowhere", "a", content=b"1"))


def test_a25_hostile_names(store):
    for name in ("../../etc/passwd", "a\0b", 'x"\r\nSet-Cookie: a', "x" * 300 + ".txt", "\u202egnp.exe", "..", ""):
        safe = safe_name(name)
        file = FileObject("uploads", safe, content=b"1").save()
        assert "/" not in safe
        assert len(safe.encode()) <= 255
        header = file.headers()["Content-Disposition"]
        assert not set(header) & set("\r\n\0")
        assert header.isascii()


def test_a25_rules_of_a_column(session, keys):
    good = Strict(image=FileObject(None, "a.png", content=PNG))
    session.add(good)
    session.commit()
    assert keys() == [good.image.path]
    assert good.image.path.endswith("/a.png")

    def endless():
        for _ in range(1000):
            yield PNG
        raise AssertionError("was not stopped")

    for name, content, kind in (
        ("a.png", endless(), None),
        ("a.png", PNG * 9, None),
        ("a.png", PNG[:6], None),
        ("a.txt", PNG, "image/png"),
        ("a.png", PNG, "text/html"),
    ):
        session.add(Strict(image=FileObject(None, name, content=content, content_type=kind)))
        with pytest.raises(RejectedFileError):
            session.commit()
        session.rollback()
    session.add(Strict(image=FileObject(None, "lie.png", content=b"<html>")))
    with pytest.raises(ValueError, match="no PNG"):
        session.commit()
    session.rollback()
    assert keys() == [good.image.path]


@pytest.mark.parametrize("kind", ["memory", "local", "obstore", "fsspec"])
def test_a24_every_source_in_both_colours(tmp_path, kind):
    backend = {
        "memory": MemoryStore,
        "local": lambda: LocalStore(tmp_path / "root", create=True),
        "obstore": lambda: ObstoreBackend(key="x", fs="memory://").store,
        "fsspec": lambda: FSSpecBackend(key="x", fs="memory", prefix=f"test-{uuid7()}").store,
    }[kind]()
    path = tmp_path / "source"
    path.write_bytes(b"content")

    async def chunks():
        yield b"con"
        yield b"tent"

    def sources():
        return [
            b"content",
            bytearray(b"content"),
            memoryview(b"content"),
            path,
            io.BytesIO(b"content"),
            iter([b"con", b"tent"]),
        ]

    for source in sources():
        assert FileObject(backend, "a.txt", content=source).save().get_content() == b"content"
    assert FileObject(backend, "p.txt", source_path=path).save().size == 7
    assert FileObject(backend, "e.txt", content=b"").save().get_content() == b""

    async def main():
        for source in [*sources(), chunks()]:
            file = await FileObject(backend, "a.txt", content=source, metadata={"k": "v"}).save_async()
            assert await file.get_content_async() == b"content"
            assert b"".join([chunk async for chunk in file.stream_async(chunk_size=2)]) == b"content"
            assert await file.exists_async()
            assert file.last_modified == backend.head("a.txt").last_modified.timestamp()  # the store's own
        copy = await file.copy_async()
        async with copy.localize_async() as local:
            assert Path(local).read_bytes() == b"content"
        async with await copy.open_async() as opened:
            assert await opened.read() == b"content"
        await copy.download_to_async(tmp_path / "out")
        await copy.delete_async()
        assert not await copy.exists_async()

    asyncio.run(main())
    assert (tmp_path / "out").read_bytes() == b"content"
    if backend.capabilities.attributes:
        assert backend.head("a.txt").content_type == "text/plain"
        assert backend.head("a.txt").metadata == {"k": "v"}


def test_reading(store, tmp_path):
    file = FileObject("uploads", "a.txt", content=b"hello").save()
    assert file.get_content(options={"range": (1, 3)}) == b"el"
    with pytest.raises(TypeError):
        file.get_content(options={"rnage": 1})
    with file.open("r", encoding="ascii") as text:
        assert text.read() == "hello"
    with pytest.raises(NotImplementedError):
        file.open("wb")
    with file.localize() as path:
        assert os.path.basename(path) == "a.txt"
    copy = file.copy("b.txt")
    assert (copy.get_content(), copy.filename, copy.checksum) == (b"hello", "b.txt", file.checksum)
    file.delete()
    file.delete()
    with pytest.raises(NotFoundError):
        file.refresh()
    with pytest.raises(TypeError):
        file.save()


def test_backends():
    with pytest.raises(ConfigError, match="bucket/x"):
        FSSpecBackend(key="b", fs="gs", prefix="/bucket/x")
    with pytest.raises(ConfigError, match="key="):
        storages.register_backend("memory://")
    with pytest.raises(TypeError):
        storages.register_backend(object())
    with pytest.raises(ConfigError, match="known|available|not found"):
        FileObject("never registered", "a").store.head("a")
    storages.register_backend("memory://", key="by-url")
    storages.set_default_backend("holdall.columns.ObstoreBackend")
    try:
        storages.register_backend("memory://", key="by-class")
        assert isinstance(storages.get_backend("by-class"), ObstoreBackend)
        assert FileObject("by-class", "a", content=b"1").save().backend.key == "by-class"
        with pytest.raises(ConfigError):
            storages.register_backend(storages.get_backend("by-class"), key="other")
    finally:
        storages.set_default_backend(None)
        storages.unregister_backend("by-url")
        storages.unregister_backend("by-class")
        storages.unregister_backend("by-class")


class Recording(StorageBackend):
    """A backend of one colour, as programs have them."""

    def __init__(self, key):
        super().__init__(key)
        self.files = {}

    async def get_content_async(self, path, options=None):
        return self.files[path]

    async def save_object_async(self, file_object, data, *, use_multipart, chunk_size, max_concurrency):
        assert threading.current_thread() is not threading.main_thread() or asyncio.get_running_loop()
        self.files[file_object.path] = data

    async def delete_object_async(self, path):
        del self.files[path]

    async def sign_async(self, path, *, expires_in=None, for_upload=False):
        return f"https://example/{path}?{expires_in}&{for_upload}"


def test_backends_of_a_program(session):
    backend = Recording("own")
    with storages.override("own", backend):
        file = FileObject("own", "a.txt", content=b"hello").save()
        assert backend.files == {"a.txt": b"hello"}
        assert file.get_content(range=(1, 3)) == b"el"
        assert file.sign(expires_in=5) == "https://example/a.txt?5&False"
        assert asyncio.run(file.get_content_async()) == b"hello"
        file.delete()
        assert not file.exists()
        session.add(Strict(kept=FileObject("own", "b.txt", content=b"1")))
        session.commit()
        assert len(backend.files) == 1


def test_a28_pydantic(store):
    class Out(pydantic.BaseModel):
        file: FileObject
        maybe: FileObject | None = None
        files: FileList = FileList()

    file = FileObject("uploads", "a.txt", content=b"1").save()
    out = Out(file=file, files=FileList([file]))
    assert Out.model_validate_json(out.model_dump_json()) == out
    assert Out.model_validate(out.model_dump()).file.to_dict() == file.to_dict()
    assert Out.model_validate({"file": {"filename": "a", "backend": "uploads", "size": None}}).file.path == "a"
    assert "filename" in str(Out.model_json_schema())
    with pytest.raises(pydantic.ValidationError):
        Out.model_validate({"file": {"backend": "uploads"}})


def test_a28_msgspec(store):
    class Out(msgspec.Struct):
        file: FileObject
        files: FileList
        maybe: FileObject | None = None

    file = FileObject("uploads", "a.txt", content=b"1").save()
    data = msgspec.json.encode(Out(file, FileList([file])), enc_hook=enc_hook)
    again = msgspec.json.decode(data, type=Out, dec_hook=dec_hook)
    assert (again.file, again.files) == (file, [file])


def test_a27_alembic_finds_nothing_the_second_time(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/m.sqlite")
    metadata = MetaData()
    Table(
        "t", metadata, Column("id", Integer, primary_key=True), Column("file", StoredObject("nowhere", max_size=3)),
        Column("files", StoredObject("nowhere", multiple=True)),
    )  # fmt: skip
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_item": render_item})
        found = produce_migrations(context, metadata)
        code = render_python_code(found.upgrade_ops, render_item=render_item)
        assert "holdall.columns.StoredObject(backend='nowhere', multiple=True)" in code
        assert "max_size" not in code
        names = {"op": Operations(context), "sa": sqlalchemy, "holdall": holdall}
        exec(f"def upgrade():\n    {code}", names)
        names["upgrade"]()  # no backend "nowhere" is registered
        assert produce_migrations(context, metadata).upgrade_ops.is_empty()
    engine.dispose()


def test_a27_queries(session):
    files = [FileObject(None, "a", content=b"12345678901"), FileObject(None, "b", content=b"1")]
    session.add_all([*(Strict(kept=file) for file in files), Strict()])
    session.commit()
    assert session.scalar(select(func.count()).where(Strict.kept.is_(None))) == 1
    assert session.scalars(select(Strict.kept).where(Strict.kept["size"].as_integer() > 10)).one().filename == "a"


def test_type_map_and_options():
    assert repr(type_map(backend="x")[FileList]) == "StoredObject(backend='x', multiple=True)"
    assert hash(StoredObject("x", content_types=["a/b"]).content_types)
    for options in ({"naming": "x"}, {"on_conflict": "x"}, {"on_delete": "x"}, {"checksum": "md5"}, {"concurrency": 0}):
        with pytest.raises(ValueError):
            StoredObject("x", **options)
    with pytest.raises(UnsavedFileError):
        StoredObject("x").process_bind_param(FileObject(None, "a", content=b"1"), None)


def test_the_package_imports_without_its_libraries():
    program = "import sys, holdall.columns; print([m for m in ('sqlalchemy', 'fsspec', 'obstore') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_a_backend_that_cannot_be_opened_names_its_options_and_no_value():
    secret = "hush"  # its own name in the call below: a traceback quotes source lines
    with pytest.raises(ConfigError, match="with secret_acess_key: Unknown") as caught:
        ObstoreBackend("x", fs="s3://b/p", secret_acess_key=secret)
    assert secret not in "".join(traceback.format_exception(caught.value))
