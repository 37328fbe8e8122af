"""What is particular to engine B: processes, loops, forks, lost connections, errors, one statement per operation."""

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from holdall.errors import (
    ConfigError,
    ForkedProcessError,
    IntegrityError,
    InvalidKeyError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from holdall.records import BatchError, CorruptRecordError, Filter, Query, QueryError, Record, SQLDatabase
from holdall.testing.colour import colour_named

CREATE = """
import sys
from holdall.records import BatchError, Record, SQLDatabase
from holdall.testing.colour import colour_named
with SQLDatabase(sys.argv[1]) as database, colour_named(sys.argv[3]) as colour:
    db = colour(database)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        written = len(db.batch_create(Record({"id": f"r{i}", "by": sys.argv[2]}) for i in range(500)))
    except BatchError as error:
        written = len(error.written)
        assert {outcome.status for outcome in error.failed} == {"exists"}
    for _ in range(25):
        db.modify("counter", lambda record: record.set_value("n", record["n"] + 1), attempts=1000)
    print(written)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/x.db"
    return request.getfixturevalue("postgres").url(request.getfixturevalue("postgres_database"))


@pytest.fixture
def said():
    """The statements that any engine sends."""
    texts = []

    def note(_connection, _cursor, statement, *_):
        texts.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield texts
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


def test_a09_a10_processes_share_a_table(url, colour):
    """Of two processes one creates each id, the table included; no step of a counter is lost."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, url, str(by), colour.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for by in range(2)
    ]
    with SQLDatabase(url) as db:
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
        db.create(Record({"id": "counter", "n": 0}))
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        written = [int(child.communicate(timeout=100)[0]) for child in children]
        assert [child.returncode for child in children] == [0, 0]
        assert sum(written) == 500 and db.count() == 501 and db.require("counter")["n"] == 50
        for by in range(2):
            assert db.count(Filter("by", "=", str(by))) == written[by]


def test_statements_are_counted(url, colour, said):
    """A point operation is one statement, a batch one per thousand; a page and a count are decided by the database."""
    with SQLDatabase(url) as database:
        db = colour(database)
        db.connect()

        def statements(act):
            said.clear()
            act()
            said[:] = [text for text in said if not text.startswith("BEGIN")]
            return len(said)

        assert statements(lambda: db.create(Record({"id": "a", "n": 1}))) == 1
        assert statements(lambda: db.read("a")) == 1
        version = db.get_version("a")
        assert statements(lambda: db.get_version("a")) == 1
        assert statements(lambda: db.exists("a")) == 1
        assert statements(lambda: db.update("a", Record({"n": 2}), expected_version=version)) == 1
        assert statements(lambda: db.upsert("a", Record({"n": 2}), expected_version=db.get_version("a"))) == 2
        assert statements(lambda: db.modify("a", lambda record: record.set_value("n", 2))) == 2
        assert statements(lambda: db.upsert("a", Record({"n": 3}))) == 1
        assert statements(lambda: db.batch_create(Record({"id": f"r{i}", "name": f"n{i}"}) for i in range(2500))) == 3
        assert statements(lambda: db.batch_read([f"r{i}" for i in range(2000)])) == 2
        assert statements(lambda: db.count(Filter("name", "=", "n5"))) == 1
        assert statements(lambda: db.search(Query().filter("name", "!=", "n5").limit(3))) == 1
        assert "LIMIT 4" in said[0]
        assert statements(lambda: db.batch_delete([f"r{i}" for i in range(2500)])) == 3
        assert statements(lambda: db.delete("a")) == 1


def test_a_stream_is_one_snapshot_and_writes_go_on(url, colour):
    with SQLDatabase(url) as database:
        db = colour(database)
        db.batch_create(Record({"id": f"r{i:04}", "n": i}) for i in range(3000))
        seen = []
        for record in db.stream(batch_size=100):
            if record.id == "r0000":
                db.batch_delete([f"r{i:04}" for i in range(1000, 3000)])
            seen.append(record.id)
        assert len(seen) == 3000 and db.count() == 1000
        assert [record["n"] for record in db.stream(Query().sort("n", "DESC").limit(2))] == [999, 998]


def test_several_loops_and_threads(url):
    db = SQLDatabase(url)

    async def body(number):
        ids = await asyncio.gather(*(db.create_async(Record({"id": f"{number}-{i}"})) for i in range(8)))
        return len(ids) == 8 and len(await db.search_async()) >= 8

    assert asyncio.run(body(0)) and asyncio.run(body(1))
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append(asyncio.run(body(n)))) for n in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True, True] and db.count() == 32
    db.close()


def test_a_cancelled_call_leaves_the_pool_well(url):
    async def body():
        async with SQLDatabase(url, pool_size=1) as db:
            await db.batch_create_async(Record({"id": f"r{i:04}"}) for i in range(2000))
            for _ in range(20):
                task = asyncio.ensure_future(db.search_async(Filter("id", "like", "%")))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                stream = db.stream_async(batch_size=10)
                assert (await anext(stream)).id == "r0000"
                await stream.aclose()
            assert await db.count_async() == 2000

    asyncio.run(body())


def _child(database, name, answers):
    with colour_named(name) as colour:
        db = colour(database)
        db.create(Record({"id": "child"}))
        answers.put(db.count())
        db.close()


def _child_after_its_parent(database, name, told, heard, answers):
    with colour_named(name) as colour:
        db = colour(database)
        db.create(Record({"id": "first"}))
        told.put("written")
        assert heard.get() == "closed"
        db.create(Record({"id": "second"}))
        answers.put(db.count())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a33_what_a_child_writes_after_its_parent_has_closed_stays(url, colour):
    """SQLite would take the parent's locks for the child's, and remove the log that the child writes to."""
    context = multiprocessing.get_context("fork")
    told, heard, answers = (context.SimpleQueue() for _ in range(3))
    with SQLDatabase(url) as database:
        colour(database).create(Record({"id": "parent"}))
        child = context.Process(target=_child_after_its_parent, args=(database, colour.name, told, heard, answers))
        child.start()
        assert told.get() == "written"
    heard.put("closed")
    child.join(60)
    assert child.exitcode == 0 and answers.get() == 3
    with SQLDatabase(url) as database:
        assert sorted(database.ids()) == ["first", "parent", "second"]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a33_fork_within_a_transaction(url, colour):
    """The child cannot have what its parent is at: it works with connections of its own, or says so."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    with SQLDatabase(url) as database:
        colour(database).batch_create(Record({"id": f"r{n:04}"}) for n in range(5))
        records = database.stream(batch_size=1)
        next(records)
        child = context.Process(target=_child_says, args=(database, colour.name, answers))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert answers.get() == ("ForkedProcessError" if url.startswith("sqlite") else 5)
        assert len(list(records)) == 4 and colour(database).count() == 5


def _child_says(database, name, answers):
    with colour_named(name) as colour:
        try:
            answers.put(colour(database).count())
        except ForkedProcessError as error:
            answers.put(type(error).__name__)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a33_fork_after_use(url, colour):
    with SQLDatabase(url) as database:
        db = colour(database)
        db.create(Record({"id": "parent"}))
        context = multiprocessing.get_context("fork")
        answers = context.SimpleQueue()
        child = context.Process(target=_child, args=(database, colour.name, answers))
        child.start()
        child.join(60)
        assert child.exitcode == 0 and answers.get() == 2
        assert db.count() == 2, "the parent's connection lives"


def test_pickles(url):
    with SQLDatabase(url, table="t") as db:
        db.create(Record({"id": "a"}))
        with pickle.loads(pickle.dumps(db)) as again:
            assert again.require("a").id == "a" and again.table.name == "t"
    engine = sa.create_engine("sqlite://")
    for target, why in [
        ("sqlite://", "memory"),
        (engine, "engine is yours"),
        ("postgresql://me:hunter2@localhost/d", "a password"),
        ("postgresql://localhost/d?user=me&password=hunter2", "a password"),
        ("postgresql://localhost/d?sslpassword=hunter2", "a password"),
    ]:
        with pytest.raises(ConfigError, match=why) as caught:
            pickle.dumps(SQLDatabase(target))
        assert "hunter2" not in str(caught.value)


def test_a_password_in_any_form_of_a_url_is_shown_nowhere(colour):
    for target in ("postgresql://me:hunter2@127.0.0.1:1/d", "postgresql://127.0.0.1:1/d?user=me&password=hunter2"):
        with SQLDatabase(target) as database:
            with pytest.raises(UnavailableError) as caught:
                colour(database).count()
            for text in (repr(database), str(database), str(caught.value), repr(caught.value)):
                assert "hunter2" not in text and "127.0.0.1" in text


def test_where_a_database_is(tmp_path):
    old, new = (SQLDatabase(f"postgresql:///app?host=/run/{name}").place for name in ("old", "new"))
    assert old != new and SQLDatabase("postgresql:///app?host=a&port=5432").place == SQLDatabase("postgresql://a/app").place
    one, two = (SQLDatabase("postgresql://a/app", schema=name) for name in ("tenant1", "tenant2"))
    assert repr(one) != repr(two) and one.place != two.place


def test_a_table_of_any_name(url, colour):
    for name in ("100%", "a%%b %s", 'we"ird ?', "select", "a.b"):
        with SQLDatabase(url, table=name, indexes=["%s", "a'b"], gin=True) as database:
            db = colour(database)
            db.upsert(Record({"%s": 1, "a'b": 2}, id="x"))
            assert [record.id for record in db.search(Filter("%s", "=", 1))] == ["x"]
            assert db.count() == 1 and db.select_query("SELECT id FROM records") == [{"id": "x"}]
    with SQLDatabase(url, table="100%") as database:
        assert colour(database).read("x") is not None


def test_a12_a_connection_that_died_is_replaced(postgres, postgres_database):
    with SQLDatabase(postgres.url(postgres_database)) as db:
        db.create(Record({"id": "a", "n": 1}))
        end = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{postgres_database}'"
        postgres.execute(end)
        assert db.require("a")["n"] == 1
        postgres.execute(end)
        assert db.create(Record({"id": "b"})) == "b"
        postgres.execute(end)
        assert db.update("a", Record({"n": 2}), expected_version=None)
        postgres.execute(end)
        with pytest.raises(UnavailableError) as caught:
            db.delete("a")
        assert caught.value.outcome == "unknown"
        assert db.delete("a") is True

        async def body():
            assert (await db.require_async("b")).id == "b"
            await asyncio.to_thread(postgres.execute, end)
            assert (await db.require_async("b")).id == "b"
            await db.close_async()

        asyncio.run(body())


def test_a22_errors_have_the_class_of_their_cause(postgres, postgres_database, tmp_path, colour):
    with SQLDatabase("postgresql://me:hunter2@127.0.0.1:1/d") as db:
        with pytest.raises(UnavailableError) as caught:
            colour(db).read("a")
        assert "hunter2" not in f"{caught.value!r} {caught.value} {db!r}"
    with SQLDatabase(postgres.url("nodatabase")) as db, pytest.raises(NotFoundError):
        colour(db).count()
    postgres.execute("CREATE ROLE nobody_much LOGIN", postgres_database)
    address = postgres.url(postgres_database).replace("postgres@", "nobody_much@")
    with SQLDatabase(postgres.url(postgres_database)) as db:
        colour(db).create(Record({"id": "a"}))
    with SQLDatabase(address) as db:
        with pytest.raises(PermissionDeniedError):
            colour(db).read("a")
        with pytest.raises(BatchError) as failed:
            colour(db).batch_create(Record({"id": f"r{i}"}) for i in range(1500))
        assert [failed.value.outcomes[at].status for at in (0, 1499)] == ["failed", "not_tried"]
    postgres.execute("DROP OWNED BY nobody_much; DROP ROLE nobody_much", postgres_database)
    with (
        SQLDatabase(postgres.url(postgres_database), table="absent", create_table=False) as db,
        pytest.raises(NotFoundError),
    ):
        colour(db).count()
    (tmp_path / "noise").write_bytes(os.urandom(5000))
    with SQLDatabase(f"sqlite:///{tmp_path}/noise") as db, pytest.raises(IntegrityError):
        colour(db).count()
    with SQLDatabase(f"sqlite:///{tmp_path}/no/such/x.db") as db, pytest.raises(NotFoundError):
        colour(db).count()


@pytest.mark.parametrize(("said", "last"), [("not authorized", "not_tried"), ("no", "written")])
def test_a_long_batch_delete_that_fails_tells_what_was_deleted_before(tmp_path, colour, said, last):
    """The second of three statements fails: one that is refused ends the batch, a row that must stay does not."""
    ids = [f"{n:04}" for n in range(2500)]
    with SQLDatabase(f"sqlite:///{tmp_path}/x.db") as db:
        colour(db).batch_create(Record({"id": id}) for id in ids)
        with sa.create_engine(f"sqlite:///{tmp_path}/x.db").begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER stays BEFORE DELETE ON records WHEN old.id = '1500'"
                f" BEGIN SELECT raise(ABORT, '{said}'); END"
            )
        with pytest.raises(BatchError, match=said) as caught:
            colour(db).batch_delete(ids)
        statuses = [outcome.status for outcome in caught.value.outcomes]
        assert statuses == ["written"] * 1000 + ["failed"] * 1000 + [last] * 500
        assert [outcome.id for outcome in caught.value.outcomes] == ids
        assert colour(db).count() == 1500 - 500 * (last == "written")


@pytest.mark.parametrize("bad", ["nonsense", "mysql://h/d", "postgresql+psycopg2://h/d", 5])
def test_other_databases_are_refused(bad):
    with pytest.raises(ConfigError):
        SQLDatabase(bad)


@pytest.mark.parametrize("fields", ["[1]", f'{{"n": 1{"0" * 5000}}}', '{"n": {"$uuid": 5}}'], ids=["list", "huge", "tag"])
def test_a21_unreadable_rows_are_not_missing(url, fields, colour):
    with SQLDatabase(url) as database:
        db = colour(database)
        db.batch_create([Record({"id": "a"}), Record({"id": "b"}), Record({"id": "c"})])
        with db._link._open().begin() as connection:
            connection.exec_driver_sql(f"UPDATE records SET fields = '{fields}' WHERE id = 'b'")
        asks = [db.search, lambda: list(db.stream())]
        if "n" in fields:
            asks.append(lambda: db.select_query("SELECT n FROM records"))
        for act in (lambda: db.read("b"), *asks):
            with pytest.raises(CorruptRecordError):
                act()
        report = db.check()
        assert (report.records, [problem.id for problem in report.corrupt], report.ok) == (2, ["b"], False)
        assert db.count() == 3 and db.upsert("b", Record({"n": 1})) == "b" and db.check().ok


def test_one_bad_row_of_a_batch(url, colour):
    """What the database itself refuses fails alone."""
    with SQLDatabase(url) as database:
        db = colour(database)
        with pytest.raises(BatchError) as caught:
            db.batch_create([Record({"id": "a"}), Record({"id": "x" * 3000}), Record({"id": "b"}), Record({"id": "n\0"})])
        assert [outcome.status for outcome in caught.value.outcomes] == ["written", "failed", "written", "failed"]
        assert list(db.ids()) == ["a", "b"] and db.read("n\0") is None
        with pytest.raises(InvalidKeyError):
            db.delete("x" * 3000)
        with db._link._open().begin() as connection:
            connection.exec_driver_sql("CREATE UNIQUE INDEX odd ON records (created_at)")
        given = [Record({"id": f"r{i}"}, {"created_at": f"2020-01-0{i % 3 + 1}T00:00:00+00:00"}) for i in range(4)]
        with pytest.raises(BatchError) as caught:
            db.batch_create(given)
        assert [outcome.status for outcome in caught.value.outcomes] == ["written", "written", "written", "failed"]


def test_alembic_may_own_the_table(url, colour):
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with SQLDatabase(engine, table="mine", create_table=False, indexes=["n"]) as database:
        db = colour(database)
        db.table.create(engine)
        db.create(Record({"id": "a", "n": 1}))
        assert "json_extract" in str(db.explain(Filter("n", "=", 1))) or not db._link.lite
        assert db.count(Filter("n", "=", 1)) == 1 and "mine" in repr(db)
        with pytest.raises(QueryError):
            db.select_query("SELECT * FROM other")
    engine.dispose()
