"""The commit protocol in blocking sessions on SQLite: row and bytes commit together and roll back together."""

import copy
import json
import pickle
import subprocess
import sys
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    defer,
    make_transient,
    mapped_column,
    scoped_session,
    sessionmaker,
)

from holdall import storages
from holdall.columns import CleanupError, FileObject, StoredObject, UnsavedFileError, disable, enable, listen
from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, ConfigError, NotFoundError, NotSupportedError, UnavailableError
from holdall.testing import CountingStore, SlowStore

from .conftest import Document, Folder, Strict, keys_of


def document(name="a.txt", content=b"one", **more):
    return Document(file=FileObject("uploads", name, content=content), **more)


def committed(session, *rows):
    session.add_all(rows)
    session.commit()
    return rows[0]


def test_a02_commit_leaves_row_and_bytes(session, store, engine):
    row = committed(session, document())
    with engine.connect() as other:
        raw = json.loads(other.execute(text("SELECT file FROM documents")).scalar())
    meta = store.head("a.txt")
    assert store.get("a.txt").bytes() == b"one"
    assert raw["size"] == 3
    assert raw["etag"] == meta.etag
    assert raw["checksum"].startswith("sha256:7692c3ad3540bb803c020b3a")
    assert raw["last_modified"] == meta.last_modified.timestamp()
    assert row.file.get_content() == b"one"


def test_a03_rollback_before_flush(session, keys):
    session.add(document())
    session.rollback()
    assert keys() == []


@pytest.mark.parametrize("end", ["rollback", "close", "block"])
def test_a03_ends_after_flush(session, keys, end):
    kept = committed(session, document("kept.txt", b"old"))
    row = document()
    if end == "block":

        def fails():
            with session.begin():
                session.add(row)
                session.flush()
                assert keys() == ["a.txt", "kept.txt"]
                raise KeyError("x")

        with pytest.raises(KeyError):
            fails()
    else:
        session.add(row)
        session.flush()
        assert keys() == ["a.txt", "kept.txt"]
        getattr(session, end)()
    assert keys() == ["kept.txt"]
    assert row.file.has_pending_data
    if end == "close":
        make_transient(row)
    session.add(row)
    session.commit()
    assert keys() == ["a.txt", "kept.txt"]
    assert session.get(Document, kept.id if end != "close" else 1).file.get_content() == b"old"


def test_a03_a_consumed_stream_says_so(session, keys):
    row = Document(file=FileObject("uploads", "a.txt", content=iter([b"one"])))
    session.add(row)
    session.flush()
    session.rollback()
    assert keys() == []
    session.add(row)
    with pytest.raises(UnsavedFileError, match="used up"):
        session.commit()


@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("middle", [True, False])
@pytest.mark.parametrize("inner", [True, False])
def test_a04_savepoints(session, keys, outer, middle, inner):
    session.add(document("1"))
    session.flush()
    first = session.begin_nested()
    session.add(document("2"))
    session.flush()
    second = session.begin_nested()
    session.add(document("3"))
    session.flush()
    (second.commit if inner else second.rollback)()
    (first.commit if middle else first.rollback)()
    (session.commit if outer else session.rollback)()
    rows = [row.file.path for row in session.scalars(select(Document).order_by(Document.id))]
    assert keys() == rows
    assert rows == (["1", *(["2"] if middle else []), *(["3"] if middle and inner else [])] if outer else [])


def test_a04_a_drop_in_a_savepoint_that_is_rolled_back(session, keys):
    row = committed(session, document())
    with session.begin_nested() as savepoint:
        row.file = None
        session.flush()
        savepoint.rollback()
    session.commit()
    assert keys() == ["a.txt"]


def test_a06_upload_failure_leaves_nothing(session, store, keys):
    store.fail("put", nth=3)
    rows = [document(f"{i}.txt") for i in range(5)]
    session.add_all(rows)
    with pytest.raises(UnavailableError):
        session.commit()
    assert keys() == []
    with session.no_autoflush:
        assert session.execute(text("SELECT count(*) FROM documents")).scalar() == 0
    session.commit()
    assert len(keys()) == 5


def test_a06_failing_statement_undoes(session, keys):
    committed(session, Document(id=1))
    session.add(document("a.txt", b"1", id=1))
    with pytest.raises(Exception, match="UNIQUE"):
        session.flush()
    assert keys() == []
    session.rollback()


def test_a07_failure_of_a_delete_after_commit(session, store, keys, caplog):
    row = committed(session, document())
    heard = []
    listen("cleanup_failed", heard.append)
    store.fail("delete")
    row.file = None
    session.commit()
    assert [(error.key, error.kind) for error in heard] == [("a.txt", "unavailable")]
    assert "a.txt" in caplog.text
    assert keys() == ["a.txt"]


def test_a07_opted_in_it_raises(session, store):
    row = committed(session, document())
    session.info["holdall.raise_cleanup"] = True
    store.fail("delete")
    row.file = None
    with pytest.raises(CleanupError) as caught:
        session.commit()
    assert caught.value.committed
    assert [error.key for error in caught.value.failures] == ["a.txt"]
    assert session.scalar(select(Document)).file is None
    session.add(document("b.txt"))
    session.commit()


def test_a12_old_bytes_until_commit_and_after_rollback(session, store, keys, engine):
    row = committed(session, document())
    with Session(engine) as other:
        seen = other.get(Document, row.id).file
        other.rollback()
    for end in (session.rollback, session.commit):
        row.file = FileObject("uploads", "a.txt", content=b"two")
        session.flush()
        assert seen.get_content() == b"one"
        assert row.file.get_content() == b"two"
        end()
        assert len(keys()) == 1
    assert store.get("a.txt").bytes() == b"two"
    assert session.get(Document, row.id).file.get_content() == b"two"


def test_a12_a_suspended_swap_is_read_through(session, store, keys):
    row = committed(session, document())
    store.fail("put", nth=3)
    row.file = FileObject("uploads", "a.txt", content=b"two")
    session.commit()
    assert store.get("a.txt").bytes() == b"one"
    assert row.file.get_content() == b"two"
    assert b"".join(row.file.stream()) == b"two"
    with row.file.open() as file:
        assert file.read() == b"two"
    row.file = FileObject("uploads", "a.txt", content=b"three")
    session.commit()
    assert keys() == ["a.txt"]
    assert session.get(Document, row.id).file.get_content() == b"three"


@pytest.mark.parametrize("suspended", [True, False])
def test_a16_a_file_moves_before_its_swap(session, store, keys, suspended):
    row, other = Document(file=FileObject(None, "a.txt", content=b"one")), Document()
    committed(session, row, other)
    row.file = FileObject(None, "a.txt", content=b"two")
    if suspended:
        store.fail("put", nth=3)
        session.commit()
        store.heal()
    else:
        session.flush()
    other.file, row.file = row.file, None
    session.commit()
    assert other.file.get_content() == b"two"
    session.expire_all()
    assert other.file.get_content() == b"two"
    other.files, other.file = [other.file], None
    session.commit()
    assert other.files[0].get_content() == b"two"
    session.delete(other)
    session.commit()
    assert keys() == []


def test_a14_two_rows_one_name(session, store, keys):
    first, second = document("a.txt", b"1"), document("a.txt", b"2")
    session.add(first)
    session.commit()
    session.add(second)
    session.commit()
    assert (first.file.get_content(), second.file.get_content()) == (b"1", b"2")
    assert second.file.filename == "a.txt"
    assert second.file.path != "a.txt"
    session.delete(first)
    session.commit()
    assert keys() == [second.file.path]
    assert second.file.get_content() == b"2"


def test_a14_error_and_replace(session, store, keys):
    store.put("a.txt", b"somebody's")
    session.add(Strict(once=FileObject(None, "a.txt", content=b"1")))
    with pytest.raises(AlreadyExistsError) as caught:
        session.commit()
    assert caught.value.key == "a.txt"
    session.rollback()
    first, second = (Strict(shared=FileObject(None, "s.txt", content=content)) for content in (b"1", b"2"))
    session.add(first)
    session.commit()
    session.add(second)
    session.commit()
    assert keys() == ["a.txt", "s.txt"]
    assert store.get("s.txt").bytes() == b"2"
    session.delete(first)
    session.commit()
    assert store.get("s.txt").bytes() == b"2"


def test_an_explicit_key_is_literal(session, store, keys):
    store.put("logo.png", b"of nobody")
    row = committed(session, Document(file=FileObject(None, "x.png", to_filename="logo.png", content=b"new")))
    assert store.get("logo.png").bytes() == b"new"
    assert (row.file.filename, row.file.original_filename) == ("logo.png", "x.png")
    session.add(Document(file=FileObject(None, "y.png", to_filename="logo.png", content=b"other")))
    with pytest.raises(AlreadyExistsError):
        session.commit()
    session.rollback()
    assert keys() == ["logo.png"]
    assert store.get("logo.png").bytes() == b"new"


def test_a15_replace_while_expired_or_deferred_and_set_then_delete(session, keys):
    row = committed(session, document())
    session.expire(row)
    row.file = FileObject(None, "b.txt", content=b"2")
    session.commit()
    assert keys() == ["b.txt"]
    session.expunge_all()
    row = session.scalar(select(Document).options(defer(Document.file)))
    row.file = FileObject(None, "c.txt", content=b"3")
    session.commit()
    assert keys() == ["c.txt"]
    row.file = FileObject(None, "d.txt", content=b"4")
    session.flush()
    session.delete(row)
    session.commit()
    assert keys() == []


def test_a15_a_concurrent_change_is_seen(engine, store, keys):
    session = Session(engine, expire_on_commit=False)
    row = committed(session, document())
    assert row.file.path == "a.txt"
    with engine.begin() as other:
        other.execute(text("UPDATE documents SET file = json_set(file, '$.filename', 'z.txt')"))
    store.put("z.txt", b"z")
    row.file = None
    session.commit()
    session.close()
    assert keys() == ["a.txt"]


def test_a16_moves_swaps_and_shares(session, store, keys):
    first, second = document("1", b"1"), document("2", b"2")
    committed(session, first, second)
    first.file, second.file = second.file, first.file
    session.commit()
    assert (first.file.path, second.file.path) == ("2", "1")
    second.file = first.file
    first.file = None
    session.commit()
    assert keys() == ["2"]
    first.file = second.file
    session.commit()
    assert first.file.path != second.file.path
    assert first.file.get_content() == second.file.get_content() == b"2"
    session.delete(second)
    session.commit()
    assert keys() == [first.file.path]


def test_a16_one_pending_object_in_two_rows(session, keys):
    file = FileObject("uploads", "a.txt", content=b"1")
    first, second = Document(file=file), Document(file=file)
    committed(session, first, second)
    assert len(keys()) == 2
    session.delete(first)
    session.commit()
    assert second.file.get_content() == b"1"


def test_a16_borrowed_files_stay(session, store, keys):
    store.put("default.png", b"d")
    first, second = (Document(file=FileObject("uploads", "default.png")) for _ in range(2))
    committed(session, first, second)
    assert first.file.borrowed
    assert first.file.size == 1
    session.delete(first)
    second.file = None
    session.commit()
    assert keys() == ["default.png"]
    session.add(Document(file=FileObject("uploads", "nothing.png")))
    with pytest.raises(NotFoundError):
        session.flush()


def test_direct_uploads_are_taken_over(session, store, keys):
    store.put("direct.bin", b"12345")
    row = committed(session, Document(file=FileObject("uploads", "direct.bin").refresh(own=True)))
    assert not row.file.borrowed
    session.delete(row)
    session.commit()
    assert keys() == []


@pytest.mark.parametrize(
    ("act", "left"),
    [
        (lambda f: f.append(FileObject(None, "4", content=b"4")), ["1", "2", "3", "4"]),
        (lambda f: f.extend(FileObject(None, n, content=b"x") for n in "45"), ["1", "2", "3", "4", "5"]),
        (lambda f: f.insert(0, FileObject(None, "0", content=b"0")), ["0", "1", "2", "3"]),
        (lambda f: f.pop(), ["1", "2"]),
        (lambda f: f.remove(f[0]), ["2", "3"]),
        (lambda f: f.clear(), []),
        (lambda f: f.sort(key=lambda file: file.path, reverse=True), ["3", "2", "1"]),
        (lambda f: f.reverse(), ["3", "2", "1"]),
        (lambda f: f.__setitem__(0, FileObject(None, "9", content=b"9")), ["9", "2", "3"]),
        (lambda f: f.__setitem__(slice(0, 2), []), ["3"]),
        (lambda f: f.__delitem__(1), ["1", "3"]),
        (lambda f: f.__iadd__([FileObject(None, "4", content=b"4")]), ["1", "2", "3", "4"]),
    ],
)
def test_a17_lists(session, keys, act, left):
    row = committed(session, Document(files=[FileObject(None, n, content=n.encode()) for n in "123"]))
    before = keys()
    act(row.files)
    session.flush()
    assert set(before) <= set(keys())
    session.commit()
    assert [file.path for file in row.files] == left
    assert keys() == sorted(left)


def test_a18_metadata_in_place(session, store):
    row = committed(session, Document(file=FileObject(None, "a", content=b"1", metadata={"a": {"b": [1]}})))
    row.file.metadata["a"]["b"].append(2)
    session.commit()
    assert row.file.metadata == {"a": {"b": [1, 2]}}
    row.file.update_metadata({"c": 3})
    session.commit()
    assert session.scalar(text("SELECT file FROM documents")).count('"c": 3') == 1
    store.fail("*", times=100)
    row.title = "other"
    session.commit()
    store.heal()
    assert row.file.get_content() == b"1"


def test_saving_an_attached_file_marks_the_row(session):
    row = committed(session, document())
    row.file.save(b"longer")
    assert session.dirty
    session.commit()
    assert session.get(Document, row.id).file.size == 6


def test_a19_deletes_and_orphans(session, keys):
    folder = committed(session, Folder(documents=[document("1"), document("2"), document("3")]))
    folder.documents.pop()
    session.commit()
    assert keys() == ["1", "2"]
    session.delete(folder)
    session.rollback()
    assert keys() == ["1", "2"]
    session.delete(session.get(Folder, 1))
    session.commit()
    assert keys() == []


def test_a19_bulk(session, keys):
    files = [FileObject(None, f"{i}.txt", content=b"1") for i in range(3)]
    session.execute(insert(Document), [{"id": i, "file": file} for i, file in enumerate(files)])
    session.commit()
    assert keys() == ["0.txt", "1.txt", "2.txt"]
    session.execute(insert(Document).values(id=9, file=FileObject(None, "9.txt", content=b"9")))
    session.execute(update(Document).where(Document.id == 0).values(file=FileObject(None, "new.txt", content=b"n")))
    session.commit()
    assert keys() == ["1.txt", "2.txt", "9.txt", "new.txt"]
    session.execute(update(Document).where(Document.id == 1).values(file=None))
    session.execute(update(Document).where(Document.id == 2).values(title="unrelated"))
    session.commit()
    assert keys() == ["2.txt", "9.txt", "new.txt"]
    session.execute(update(Document), [{"id": 2, "file": FileObject(None, "p.txt", content=b"p")}])
    session.commit()
    assert keys() == ["9.txt", "new.txt", "p.txt"]
    session.execute(delete(Document).where(Document.id > 5))
    session.rollback()
    assert keys() == ["9.txt", "new.txt", "p.txt"]
    session.execute(delete(Document))
    session.commit()
    assert keys() == []


def test_a19_bulk_rolls_back(session, keys):
    session.execute(insert(Document), [{"file": FileObject(None, "a", content=b"1")}])
    session.rollback()
    assert keys() == []
    committed(session, Document(), Document())
    with pytest.raises(NotSupportedError):
        session.execute(update(Document).values(file=FileObject(None, "a", content=b"1")))
    assert keys() == []


def test_a19_bypassing_raises(session, engine, keys):
    pending = FileObject("uploads", "a", content=b"1")
    with engine.begin() as connection, pytest.raises(UnsavedFileError):
        connection.execute(insert(Document.__table__).values(file=pending))
    with pytest.raises(UnsavedFileError):
        session.bulk_save_objects([Document(file=pending)])
    session.rollback()
    assert keys() == []


def test_a20_merge_refresh_expunge_pickle(session, engine, keys):
    row = committed(session, document())
    detached = Document(id=row.id, file=FileObject(None, "m.txt", content=b"m"))
    merged = session.merge(detached)
    session.commit()
    assert keys() == ["m.txt"]
    merged.file = FileObject(None, "r.txt", content=b"r")
    session.refresh(merged)
    session.commit()
    assert keys() == ["m.txt"]
    other = document("e.txt")
    session.add(other)
    session.expunge(other)
    session.commit()
    assert keys() == ["m.txt"]
    for copied in (pickle.loads(pickle.dumps(merged.file)), copy.deepcopy(merged.file)):
        assert copied == merged.file
        assert copied.to_dict() == merged.file.to_dict()
        merged.file = copied
        session.commit()
        assert not merged.file.borrowed
    pending = pickle.loads(pickle.dumps(FileObject("uploads", "p.txt", content=bytearray(b"p"))))
    merged.file = copy.deepcopy(pending)
    session.commit()
    assert keys() == ["p.txt"]
    with pytest.raises(TypeError):
        pickle.dumps(FileObject("uploads", "s", content=iter([b""])))


@pytest.mark.parametrize("kind", ["plain", "maker", "scoped", "routing"])
def test_a21_sessions_made_differently(engine, store, keys, kind):
    class Routing(Session):
        def get_bind(self, *arguments, **named):
            return engine

    made = {
        "plain": lambda: Session(engine),
        "maker": sessionmaker(engine),
        "scoped": scoped_session(sessionmaker(engine)),
        "routing": Routing,
    }[kind]
    session = made()
    session.add(document())
    session.commit()
    assert keys() == ["a.txt"]
    session.add(document("b.txt"))
    session.flush()
    session.rollback()
    assert keys() == ["a.txt"]
    session.close()


EARLIER = """
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker
engine = create_engine("sqlite://")
session = sessionmaker(engine)()  # made before anything of holdall is imported

from sqlalchemy.orm import Mapped, mapped_column
from holdall import storages
from holdall.columns import FileObject, StoredObject
from holdall.columns.models import UUIDAuditBase
from holdall.drivers.memory import MemoryStore

class Row(UUIDAuditBase):
    __tablename__ = "rows"
    file: "Mapped[FileObject | None]" = mapped_column(StoredObject(backend="x"))

storages.register_backend(MemoryStore(), key="x")
UUIDAuditBase.metadata.create_all(engine)
session.add(Row(file=FileObject(None, "a", content=b"1")))
session.commit()
session.add(Row(file=FileObject(None, "b", content=b"1")))
session.flush()
session.rollback()
print([meta.key for page in storages.get_backend("x").store.list() for meta in page.objects])
"""


def test_a21_a_session_made_earlier():
    assert subprocess.check_output([sys.executable, "-c", EARLIER], text=True, timeout=60).strip() == "['a']"


class Far(SlowStore):
    """A store that several calls at once can wait for."""

    @property
    def capabilities(self):
        return super().capabilities.narrowed(temporary=False)


def test_a30_uploads_of_a_commit_go_at_once(session, engine):
    store = CountingStore(Far(MemoryStore(), latency=0.01))
    with storages.override("uploads", store):
        session.add_all([Strict(kept=FileObject(None, f"{i}", content=b"1")) for i in range(100)])
        session.commit()
        assert store.counts.calls == {"put": 100}
        assert 4 < store.counts.at_once <= 16


def test_a21_opting_out_is_loud(engine, store, keys):
    quiet = engine.execution_options(holdall_columns=False)
    for made in (lambda: Session(quiet), lambda: Session(engine, info={"holdall.columns": False})):
        with made() as session:
            session.add(document())
            with pytest.raises(UnsavedFileError):
                session.commit()
    disable()
    try:
        with Session(engine) as session:
            session.add(document())
            with pytest.raises(UnsavedFileError):
                session.commit()
    finally:
        enable()
    assert keys() == []


def test_a22_joined_to_an_outer_transaction(engine, store, keys):
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            row = committed(session, document())
            row.file = None
            session.commit()
            session.add(document("b.txt"))
            session.commit()
        assert keys() == ["a.txt", "b.txt"]
        outer.rollback()
    assert keys() == []
    with engine.connect() as connection:
        with connection.begin(), Session(connection, join_transaction_mode="create_savepoint") as session:
            row = committed(session, document())
            row.file = FileObject(None, "c.txt", content=b"c")
            session.commit()
        assert keys() == ["a.txt", "c.txt"]
    assert keys() == ["c.txt"]


def test_save_joins_a_session(session, keys):
    file = FileObject("uploads", "s.txt", content=b"1").save(session=session, column=Document.file)
    assert keys() == ["s.txt"]
    session.rollback()
    assert keys() == []
    assert file.has_pending_data
    file.save(session=session, column=Document.file)
    row = committed(session, Document(file=file))
    assert keys() == ["s.txt"]
    assert not row.file.borrowed
    with pytest.raises(TypeError, match="column="):
        FileObject("uploads", "s.txt", content=b"1").save(session=session)


def test_unknown_and_missing_backends(session):
    session.add(Document(file=FileObject("nowhere", "a", content=b"1")))
    with pytest.raises(ConfigError, match="nowhere"):
        session.flush()
    session.rollback()
    session.add(Document(file=FileObject(MemoryStore(), "a", content=b"1")))
    with pytest.raises(ConfigError):
        session.flush()


def test_wrong_types(session):
    with pytest.raises(TypeError):
        Document(file=[FileObject(None, "a")])
    with pytest.raises(TypeError):
        Document(files="a")
    assert len(Document(files=FileObject(None, "a")).files) == 1


def test_a05_swapping_within_lists_of_two_rows(session, store):
    first = Document(files=[FileObject(None, "1", content=b"1"), FileObject(None, "2", content=b"2")])
    second = Document(files=[FileObject(None, "3", content=b"3")])
    committed(session, first, second)
    first.files[0], second.files[0] = second.files[0], first.files[0]
    session.commit()
    assert [file.path for file in first.files] == ["3", "2"]
    assert [file.path for file in second.files] == ["1"]
    assert keys_of(store) == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["only_in_another_database", "documents"])
def test_a_model_of_another_database_is_not_asked(session, store, name):
    """Nor is one whose table is called as one of ours is, with other columns and keys of another type."""

    class Elsewhere(DeclarativeBase):
        pass

    class Other(Elsewhere):
        __tablename__ = name
        id: Mapped[UUID] = mapped_column(primary_key=True)
        another: Mapped[str]
        file: Mapped[FileObject | None] = mapped_column(StoredObject(backend="uploads"))

    try:
        Elsewhere.registry.configure()
        store.put("literal.png", b"of nobody")
        committed(session, Document(file=FileObject(None, "x.png", to_filename="literal.png", content=b"new")))
        assert store.get("literal.png").bytes() == b"new"
        session.add(Document(file=FileObject(None, "y.png", to_filename="literal.png", content=b"other")))
        with pytest.raises(AlreadyExistsError):
            session.commit()
        assert store.get("literal.png").bytes() == b"new"
    finally:
        Elsewhere.registry.dispose()
