"""Databases by description: every fault is named, nothing is opened, no secret is shown."""

import importlib
import json
import pickle
import sys

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.engine.table import default_table
from holdall.errors import ConfigError
from holdall.records import (
    BackendNotFoundError,
    DatabaseFactory,
    ObjectDatabase,
    Record,
    S3Database,
    SQLDatabase,
    s3_database,
)
from holdall.records import factory_backends as backends
from holdall.records.factory import register_backend

SEED = """
databases:
  - name: archive
    class: dataknobs_data.backends.s3.S3Database
    bucket: ${S3_BUCKET}
    prefix: ${S3_PREFIX:data/}
    region: ${AWS_REGION:us-east-1}
    endpoint_url: ${S3_ENDPOINT:}  # Empty for AWS
    max_workers: ${S3_MAX_WORKERS:10}
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in ("S3_BUCKET", "S3_PREFIX", "AWS_REGION", "S3_ENDPOINT", "S3_MAX_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(backends, "_added", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_a01_the_yaml_of_the_older_library_loads_unchanged(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    path.write_text(SEED)
    factory = DatabaseFactory.from_file(path)
    with pytest.raises(ConfigError, match=r"database 'archive': .*S3_BUCKET"):
        factory.create("archive")
    monkeypatch.setenv("S3_BUCKET", "my-bucket")
    made = factory.create("archive")
    assert isinstance(made, S3Database) and made.prefix == "data/" and "my-bucket" in repr(made)
    monkeypatch.setenv("S3_PREFIX", "other/${HOME}")
    monkeypatch.setenv("S3_MAX_WORKERS", "3")
    assert factory.create("archive").prefix == "other/${HOME}/", "a value is not expanded again"
    monkeypatch.setenv("S3_MAX_WORKERS", "many")
    with pytest.raises(ConfigError, match="'max_workers' must be a whole number"):
        factory.create("archive")


@pytest.mark.parametrize("suffix", ["json", "toml"])
def test_other_formats_and_mappings_by_name(tmp_path, suffix):
    entries = {"here": {"backend": "sqlite", "path": "data/x.db"}, "there": {"backend": "file", "path": "files"}}
    path = tmp_path / f"holdall.{suffix}"
    toml = '[databases.here]\nbackend="sqlite"\npath="x.db"\n[databases.there]\nbackend="file"\npath="files"\n'
    path.write_text(json.dumps({"databases": entries}) if suffix == "json" else toml)
    factory = DatabaseFactory.from_file(path)
    assert factory.names() == ["here", "there"]
    with factory.create("there") as database:
        database.create(Record({"id": "a"}))
    assert (tmp_path / "files" / "records" / "a.json").exists()


def test_described_databases():
    factory = DatabaseFactory()
    memory = factory.create(backend="memory", prefix="p/")
    assert isinstance(memory, ObjectDatabase) and memory.prefix == "p/"
    assert isinstance(factory.create(backend="SQLite3", path=":memory:", table="t"), SQLDatabase)
    assert isinstance(factory.create(backend="objects", store=MemoryStore()), ObjectDatabase)
    assert factory.create(**{"class": "holdall.records.ObjectDatabase"}, store="memory://").capabilities.engine == "objects"
    postgres = factory.create(
        backend="pg", host="localhost", database="production", port="5433", password="hunter2", user="me"
    )
    assert "hunter2" not in repr(postgres) and "localhost:5433/production" in repr(postgres)
    assert "sslmode=require" in repr(factory.create(backend="postgres", sslmode="require", table="t"))
    assert "hunter2" not in repr(factory.create(backend="postgres", url="postgresql://me:hunter2@h/d"))
    assert {"file", "memory", "objects", "postgres", "s3", "sqlite"} <= {backend.name for backend in factory.backends()}
    assert all(backend.installed for backend in factory.backends())


def test_a_mount_is_a_store():
    store = MemoryStore()
    default_table()["uploads"] = store
    try:
        factory = DatabaseFactory({"databases": [{"name": "people", "backend": "objects", "store": "uploads:"}]})
        factory.create("people").create(Record({"id": "a"}))
        assert [meta.key for page in store.list() for meta in page.objects] == ["records/a.json"]
    finally:
        del default_table()["uploads"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "say which backend"),
        ({"backend": "memry"}, "no backend 'memry'"),
        ({"backend": 5}, "is a name"),
        ({"backend": "memory", "class": "x.Y"}, "not both"),
        ({"class": "os.system"}, "no registered backend"),
        ({"backend": "postgres", "host": "h", "connect_timeout": 5}, r"unknown field 'connect_timeout' \(known: "),
        ({"backend": "postgres", "host": "h", "connect_timout": 5}, r"unknown field 'connect_timout' \(known: "),
        ({"backend": "s3", "bucket": "b", "retries": 3}, r"unknown field 'retries' \(known: "),
        ({"backend": "s3", "bucket": "b", "retrys": 3}, r"unknown field 'retrys' \(known: "),
        ({"backend": "s3", "bucket": "b", "max_conections": 3}, r"unknown field 'max_conections' \(known: "),
        ({"backend": "postgres", "url": "mysql://h/d"}, "PostgreSQL .*, not by 'mysql'"),
        ({"backend": "sqlite", "path": "x.db", "table": ""}, "table is a name, not ''"),
        ({"backend": "memory", "cache_ttl": "nan"}, "cache_ttl is a number of seconds of at least 0, not nan"),
        ({"backend": "memory", "cache_ttl": "x"}, "'cache_ttl' must be a number of seconds, not 'x'"),
        ({"backend": "memory", "bucket": "b"}, "unknown field 'bucket'"),
        ({"backend": "memory", "timeout": 5}, "unknown field 'timeout'"),
        ({"backend": "memory", "max_worker": 5}, "did you mean 'max_workers'"),
        ({"backend": "sqlite"}, "missing required field: 'path'"),
        ({"backend": "objects"}, "missing required field: 'store'"),
        ({"backend": "postgres", "port": "x", "sslmod": 1, "gin": "maybe"}, "port.*sslmode.*gin"),
        ({"backend": "postgres", "url": "postgresql://h/d", "host": "h"}, "url says it all"),
        ({"backend": "s3"}, "bucket"),
        (
            {"backend": "s3", "bucket": "b", "max_workers": 0, "max_attempts": 0},
            "max_workers is a whole number of at least 1.*max_attempts is",
        ),
        ({"backend": "s3", "bucket": "b", "cache_ttl": True}, "'cache_ttl' must be a number of seconds, not True"),
        ({"backend": "s3", "bucket": "b", "cache_ttl": -1}, "cache_ttl is a number of seconds of at least 0"),
        ({"backend": "s3", "bucket": "b", "access_key_id": "AKIA"}, "half a pair"),
    ],
)
def test_a29_faults(options, said):
    with pytest.raises(ConfigError, match=said):
        DatabaseFactory().create(**options)


@pytest.mark.parametrize(
    "config",
    [
        5,
        [{"name": "a", "backend": "memory"}],
        {"databases": 5},
        {"databases": ["x"]},
        {"databases": [{"backend": "memory"}]},
        {"databases": {"a": 5}},
        {"databases": [{"name": "a", "backend": "memory"}, {"name": "a", "backend": "memory"}]},
    ],
)
def test_malformed_lists(config):
    with pytest.raises(ConfigError):
        DatabaseFactory(config)


@pytest.mark.parametrize(
    "options", [{"backend": "postgres", "host": "h"}, {"backend": "s3", "bucket": "b"}, {"backend": "memory"}]
)
def test_a_hint_names_what_is_taken(options):
    """Whatever stands under "known" is known."""
    with pytest.raises(ConfigError) as told:
        DatabaseFactory().create(**options, nonsense=1)
    names = str(told.value).partition("(known: ")[2].rstrip(")").split(", ")
    assert {"new_id", "indexes"} <= set(names)
    for name in names:
        with pytest.raises(ConfigError) as told:
            DatabaseFactory().create(**{**options, name: "1", "nonsense": 1})
        assert f"unknown field {name!r}" not in str(told.value)


@pytest.mark.parametrize("name", ["nope", ".x.Y", 5])
def test_a_class_that_is_no_path(name):
    with pytest.raises(ConfigError, match=f"^database: a class is 'module.Class', not {name!r}"):
        DatabaseFactory(trusted=True).create(**{"class": name})


@pytest.mark.parametrize("ttl", ["inf", float("inf"), "5", 5])
@pytest.mark.parametrize(
    "entry",
    [
        {"backend": "memory"},
        {"backend": "objects", "store": "memory://"},
        {"backend": "file", "path": "x"},
        {"backend": "s3", "bucket": "b"},
    ],
)
def test_for_how_long_a_listing_is_current(entry, ttl):
    with DatabaseFactory().create(**entry, cache_ttl=ttl) as database:
        assert database._state.options.cache_ttl == float(ttl)


def test_names_that_are_not_there():
    factory = DatabaseFactory({"databases": [{"name": "archive", "backend": "memory"}]})
    with pytest.raises(ConfigError, match=r"no database 'archiv' .*did you mean 'archive'"):
        factory.create("archiv")


def test_a29_secrets_are_masked():
    factory = DatabaseFactory({"databases": [{"name": "pg", "backend": "postgres", "password": "hunter2", "port": "x"}]})
    assert "hunter2" not in repr(factory)
    with pytest.raises(ConfigError) as caught:
        factory.create("pg")
    assert "hunter2" not in str(caught.value)


class Mine(ObjectDatabase):
    """A backend of somebody else."""

    def __init__(self, prefix="records/"):
        super().__init__(MemoryStore(), prefix=prefix)


class NotOne:
    """No database, though it is made of options."""

    def __init__(self, **options):
        pass


def test_a29_backends_of_others(monkeypatch):
    target = f"{__name__}:Mine"
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(Mine=Mine, NotOne=NotOne))
    register_backend("mine", target, aliases=("ours",))
    assert isinstance(DatabaseFactory().create(backend="ours", prefix="x/"), Mine)
    assert isinstance(DatabaseFactory().create(**{"class": f"{__name__}.Mine"}), Mine)
    for taken in ("s3", "MINE", "sqlite3"):
        with pytest.raises(ConfigError, match="there already"):
            register_backend(taken, target)
    with pytest.raises(ConfigError, match="module:Class"):
        register_backend("other", "nonsense")
    with pytest.raises(ConfigError, match="unknown field 'prefx', did you mean 'prefix'"):
        DatabaseFactory().create(backend="mine", prefx="x/")
    register_backend("mine", f"{__name__}:NotOne", replace=True)
    with pytest.raises(ConfigError, match="makes no Database"):
        DatabaseFactory().create(backend="mine")
    register_backend("absent", "no.such.module:Class", extra="absent")
    with pytest.raises(BackendNotFoundError, match=r'pip install "holdall\[absent\]"'):
        DatabaseFactory().create(backend="absent")
    with pytest.raises(ConfigError, match="no registered backend"):
        DatabaseFactory().create(**{"class": "types.SimpleNamespace"})
    with pytest.raises(ConfigError, match="makes no Database"):
        DatabaseFactory(trusted=True).create(**{"class": "types.SimpleNamespace"})


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install packages that bring backends; return how."""

    def install(name, points):
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[holdall.databases]\n{points}")
        (site / f"{name}.py").write_text(PACKAGE)
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        names.append(name)

    names = []
    yield install
    for name in names:
        sys.modules.pop(name, None)


PACKAGE = """
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError
from holdall.records import ObjectDatabase

class Cabinet(ObjectDatabase):
    def __init__(self, drawers=1):
        super().__init__(MemoryStore(), prefix=f"drawer-{drawers}/", owned=True)

class Checked(Cabinet):
    @classmethod
    def from_config(cls, config):
        if set(config) != {"drawers"}:
            raise ConfigError("a cabinet has drawers")
        return cls(int(config["drawers"]))
"""


def test_a29_a_package_brings_backends(installed, tmp_path, colour):
    """It is found by its entry points as it is installed; nothing of it is imported before it is asked for."""
    installed("their_cabinets", "Cabinet = their_cabinets:Cabinet\nchecked = their_cabinets:Checked\n"
              "broken = their_cabinets:Absent\ngone = no_such_package:Database\n")  # fmt: skip
    (tmp_path / "config.yaml").write_text(
        "databases:\n  people: {backend: cabinet, drawers: '${DRAWERS:3}'}\n  papers: {class: their_cabinets.Checked, drawers: '4'}\n"
    )
    factory = DatabaseFactory.from_file(tmp_path / "config.yaml")
    assert {"cabinet", "checked"} <= {backend.name for backend in factory.backends()}
    assert "their_cabinets" not in sys.modules
    with factory.create("people") as people, factory.create("papers") as papers:
        assert (type(people).__name__, people.prefix) == ("Cabinet", "drawer-3/")
        assert (type(papers).__name__, papers.prefix) == ("Checked", "drawer-4/")
        assert colour(people).create(Record({"id": "a", "n": 1})) == "a"
        assert colour(people).require("a")["n"] == 1
    with pytest.raises(ConfigError, match="^database: a cabinet has drawers"):
        factory.create(backend="checked", doors=1)
    with pytest.raises(ConfigError, match=r"^database: Cabinet: unknown field 'doors' \(known: drawers\)"):
        factory.create(backend="cabinet", doors=1)
    with pytest.raises(ConfigError, match="^database: .*NOWHERE"):
        factory.create(backend="cabinet", drawers="${NOWHERE}")
    for name, said in (("broken", "Absent"), ("gone", "no_such_package")):
        with pytest.raises(BackendNotFoundError, match=f"backend '{name}' cannot be loaded.*{said}"):
            factory.create(backend=name)
    with pytest.raises(ConfigError, match="there already"):
        register_backend("cabinet", "their_cabinets:Checked")


def test_a29_a_name_that_packages_claim_twice(installed):
    """It is nobody's until it is settled; other names are as they were."""
    installed("their_cabinets", "cabinet = their_cabinets:Cabinet\nmemory = their_cabinets:Cabinet\n")
    installed("our_cabinets", "cabinet = our_cabinets:Cabinet\n")
    for name, said in (("cabinet", "our_cabinets:Cabinet and their_cabinets:Cabinet"), ("Memory", "open_memory and their")):
        with pytest.raises(ConfigError, match=f"backend '{name}' is claimed by .*{said}.*replace=True"):
            DatabaseFactory().create(backend=name)
    assert DatabaseFactory().create(backend="sqlite", path=":memory:").count() == 0
    register_backend("cabinet", "our_cabinets:Cabinet", replace=True)
    assert type(DatabaseFactory().create(backend="cabinet")).__module__ == "our_cabinets"


def test_a_backend_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendNotFoundError, match=r'pip install "holdall\[postgres\]"'):
        DatabaseFactory().create(backend="pg", host="h")


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        (ObjectDatabase, {"store": "memory://", "prefx": "x"}, "'prefx', did you mean 'prefix'"),
        (ObjectDatabase, {"cache_tll": 5}, "'cache_tll', did you mean 'cache_ttl'.*missing required field: 'store'"),
        (SQLDatabase, {"url": "sqlite://", "tabel": "x"}, "'tabel', did you mean 'table'.*known: create_table,.*, url"),
        (SQLDatabase, {"target": "sqlite://"}, "unknown field 'target'.*missing required field: 'url'"),
        (S3Database, {"bucket": "b", "cache_tll": 5}, "'cache_tll', did you mean 'cache_ttl'"),
    ],
)
def test_a29_options_that_a_class_does_not_take(made, options, said):
    with pytest.raises(ConfigError, match=rf"^{made.__name__}: .*{said}"):
        made.from_config(options)


@pytest.mark.parametrize("made", [ObjectDatabase, SQLDatabase])
@pytest.mark.parametrize("indexes", [[5], "age", 5, [("city", 5)], [()], [""]])
def test_what_an_index_is(made, indexes):
    target = MemoryStore() if made is ObjectDatabase else "sqlite://"
    with pytest.raises(ConfigError, match=r"^(an index is a path|indexes are a list)"):
        made(target, indexes=indexes)
    assert made(target, indexes=iter(["age", ["city", "address.zip"]])).batch_create([Record({"id": "a"})]) == ["a"]


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        *((ObjectDatabase, {"max_workers": odd}, "max_workers is a whole number") for odd in (0, True, "5", 1.5)),
        *((ObjectDatabase, {"cache_ttl": odd}, "cache_ttl is a number") for odd in (-1, True, "5", float("nan"))),
        *((ObjectDatabase, {"tags": odd}, "tags is 'fit'") for odd in ("some", 5, [5])),
        *((ObjectDatabase, {"prefix": odd}, "prefix is text") for odd in (5, None)),
        *((SQLDatabase, {"table": odd}, "table is a name") for odd in ("", 5, None)),
        *((SQLDatabase, {"pool_size": odd}, "pool_size is a whole number") for odd in (0, True, "5")),
        *((kind, {"new_id": "uuid"}, "new_id is a function") for kind in (ObjectDatabase, SQLDatabase)),
    ],
)
def test_options_are_what_they_are_said_to_be(made, options, said):
    with pytest.raises(ValueError, match=said):
        made(MemoryStore() if made is ObjectDatabase else "sqlite://", **options)


def test_a_url_of_sqlite_has_no_options_of_a_database(tmp_path):
    with pytest.raises(ConfigError, match="no parameter 'indexes', 'table'; options of a database stand beside it"):
        SQLDatabase(f"sqlite:///{tmp_path}/x.db?table=people&timeout=5&indexes=a")
    for query in ("?timeout=5", ""):
        with SQLDatabase(f"sqlite:///{tmp_path}/x.db{query}", table="people") as database:
            assert database.count() == 0
    with SQLDatabase(f"sqlite:///file:{tmp_path}/x.db?mode=ro&uri=true", table="people") as database:
        assert database.count() == 0


def test_extremes_that_are_none(tmp_path):
    """As many workers as there are records, an index that is never looked at again, or lies beside the program."""
    options = {"max_workers": 100_000, "cache_ttl": float("inf"), "mirror": "people.sqlite"}
    with ObjectDatabase(MemoryStore(), **options) as database:
        ids = database.batch_create(Record({"n": n}) for n in range(30))
        assert sorted(record["n"] for record in database.search()) == list(range(30))
        assert len(ids) == database.count() == 30
    assert (tmp_path / "people.sqlite").exists()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"backend": "memory", "max_workers": 0}, "max_workers is a whole number of at least 1"),
        ({"backend": "memory", "cache_ttl": -1}, "cache_ttl is a number of seconds of at least 0"),
        ({"backend": "memory", "mirror": 5}, "'mirror' must be text"),
        ({"backend": "memory", "prefix": "a\ud800"}, "prefix is text that UTF-8 can hold"),
        ({"backend": "s3", "bucket": "b", "prefix": "a\ud800"}, "prefix is text that UTF-8 can hold"),
        ({"backend": "s3", "bucket": "b", "mirror": 5}, "mirror is 'auto', 'memory', 'off' or the path"),
        ({"backend": "s3", "bucket": "b", "endpoint_url": "http://h:99999"}, "endpoint_url must be an address"),
        ({"backend": "s3", "bucket": "b", "endpoint_url": "http://u:hush@h"}, "endpoint_url cannot hold credentials"),
        ({"backend": "s3", "bucket": "b", "kms_key_id": "k"}, "kms_key_id goes with sse"),
        ({"backend": "s3", "bucket": "b", "session_token": "hush"}, "session_token goes with"),
        ({"backend": "objects", "store": 5}, "store is a Store, a URL or a mount, not int"),
        ({"backend": "sqlite", "path": "x.db", "pool_size": 0}, "pool_size is a whole number of at least 1"),
        ({"backend": "postgres", "url": "postgresql://u:hush@h:x/d"}, "this is no URL of a database"),
        ({"backend": "${NO_SUCH_VARIABLE}"}, "NO_SUCH_VARIABLE"),
        ({"class": "${NO_SUCH_VARIABLE}"}, "NO_SUCH_VARIABLE"),
    ],
)
def test_a29_a_fault_is_a_config_error_that_names_the_entry(entry, said):
    with pytest.raises(ConfigError) as told:
        DatabaseFactory({"databases": {"archive": entry}}).create("archive")
    assert str(told.value).startswith("database 'archive': ")
    assert said in str(told.value)
    assert "hush" not in str(told.value)
    str(told.value).encode()


def test_a29_all_faults_of_a_mapping_come_in_one():
    faulty = {
        "bucket": "a/b", "prefx": 1, "cache_ttl": -1, "tags": "zzz", "endpoint_url": "nonsense", "sse": "x", "max_workers": 0,
        "max_attempts": 0, "mirror": 5, "indexes": "age", "new_id": 5, "on_corrupt": "x", "timeout": "x",
        "secret_access_key": "hush",
    }  # fmt: skip
    with pytest.raises(ConfigError) as told:
        S3Database.from_config(faulty)
    for name in faulty:
        assert name in str(told.value), name
    assert "hush" not in str(told.value)
    with pytest.raises(ConfigError) as told:
        DatabaseFactory().create(backend="memory", prefx=1, cache_ttl=-1, max_workers=0, tags=5, indexes=5, new_id=5)
    for name in ("prefx", "cache_ttl", "max_workers", "tags", "indexes", "new_id"):
        assert name in str(told.value), name
    with pytest.raises(ConfigError) as told:
        DatabaseFactory().create(backend="pg", url="mysql://u:hush@h/d", host="h", table="", pool_size=0, gn=True)
    for said in ("url says it all", "not by 'mysql'", "table is a name", "pool_size", "'gn', did you mean 'gin'"):
        assert said in str(told.value), said
    assert "hush" not in str(told.value)
    with pytest.raises(ConfigError) as told:
        ObjectDatabase(5, max_workers=0, cache_ttl=float("nan"), mirror="")
    for name in ("store", "max_workers", "cache_ttl", "mirror"):
        assert name in str(told.value), name
    with pytest.raises(ConfigError, match="unknown field '1'"):
        S3Database.from_config({"bucket": "b", 1: 2})


@pytest.fixture
def handed(monkeypatch):
    """What databases on S3 hand to their stores."""
    seen, make = [], s3_database.S3Store
    monkeypatch.setattr(s3_database, "S3Store", lambda *names, **given: [seen.append(given), make(*names, **given)][1])
    return seen


def test_each_part_of_credentials_may_stand_in_a_file(tmp_path, handed):
    names = ("access_key_id", "secret_access_key", "session_token")
    for name in names:
        (tmp_path / name).write_text(f"{name}-hush\n")
    given = {f"{name}_file": str(tmp_path / name) for name in names}
    db = S3Database.from_config({"bucket": "b", "region": "us-east-1", **given})
    assert [handed[0][name] for name in names] == [f"{name}-hush" for name in names]
    assert "hush" not in repr(db)
    assert isinstance(pickle.loads(pickle.dumps(db)), S3Database), "no secret travels: each process reads its files"
    assert b"hush" not in pickle.dumps(db)


@pytest.mark.parametrize("how", ["", "${EMPTY}"])
def test_an_empty_text_says_nothing(monkeypatch, handed, how):
    monkeypatch.setenv("EMPTY", "")
    names = ("region", "profile", "endpoint_url")
    S3Database.from_config({"bucket": "b", **dict.fromkeys(names, how)})
    S3Database.from_config({"bucket": "b", "region": "r", "endpoint_url": "http://h:1"})
    assert [handed[0][name] for name in names] == [None, None, None]
    assert [handed[1][name] for name in names] == ["r", None, "http://h:1"]
