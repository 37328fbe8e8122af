"""The registry: from descriptions to stores, types of others, recipes."""

import copy
import functools
import importlib.util
import inspect
import pickle
import sys
import textwrap
import threading

import pytest

from holdall.core.params import Param
from holdall.core.secrets import Secret
from holdall.core.urls import URLSpec
from holdall.drivers import registry as module
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.drivers.registry import (
    Backend,
    Recipe,
    Registry,
    default_registry,
    open_store,
    parse,
    recipe,
    reference,
    register,
)
from holdall.errors import ConfigError, MissingExtraError, NotSupportedError, PermissionDeniedError
from holdall.store import Store

FACES_ONLY = {("local", "marker")}
"""Parameters that no driver takes: a face honours them, or refuses."""


class Recorded(MemoryStore):
    """A store that remembers what it was made with."""

    def __init__(self, path, *, size=1, password=None, options=None, timeout=None, retries=None, versioned=False):
        super().__init__()
        self.made = {n: v for n, v in locals().items() if n not in {"self", "__class__"} and v is not None}


class Anything(MemoryStore):
    def __init__(self, **anything):
        super().__init__()
        self.made = anything


class Simple:
    """No store, but it can be seen as one."""

    def __init__(self, root="x"):
        self.root = root

    def as_store(self):
        return MemoryStore(name=self.root)


@pytest.fixture
def registry():
    return Registry(parent=default_registry())


# -- the built-in types


@pytest.mark.parametrize("backend", default_registry().backends(), ids=lambda b: b.type)
def test_every_parameter_is_one_of_the_driver(backend):
    if any(importlib.util.find_spec(m) is None for m in backend.requires):
        with pytest.raises(MissingExtraError):
            backend.load()
        return
    accepted = inspect.signature(backend.load()).parameters
    for param in backend.spec.params:
        keyword = param.name if param.keyword is None else param.keyword
        if keyword and (backend.type, param.name) not in FACES_ONLY:
            assert keyword in accepted, f"{backend.type}: {param.name}"
    for name, parameter in accepted.items():
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            assert any(name == (p.name if p.keyword is None else p.keyword) for p in backend.spec.params), name


@pytest.mark.parametrize("backend", default_registry().backends(), ids=lambda b: b.type)
def test_defaults_of_the_reference_are_those_of_the_driver(backend):
    if any(importlib.util.find_spec(m) is None for m in backend.requires):
        return
    accepted = inspect.signature(backend.load()).parameters
    for param in backend.spec.params:
        keyword = param.name if param.keyword is None else param.keyword
        if keyword in accepted and param.default is not None:
            default = accepted[keyword].default
            # FTP's port follows from how it is secured, and that from the type.
            assert default == param.default or backend.type in {"ftp", "ftps"}, param.name


@pytest.mark.parametrize("backend", default_registry().backends(), ids=lambda b: b.type)
def test_names_of_parameters_are_distinct(backend):
    names = [n for p in backend.spec.params for n in p.names]
    assert len(names) == len(set(names))


def test_opening_makes_no_request_and_asks_for_no_lock(tmp_path):
    for spec in (
        "memory://",
        f"file://{tmp_path}",
        {"type": "local", "path": str(tmp_path / "absent")},
        "s3://KEY:SECRET@192.0.2.1:9/b",
        "data:,hi",
    ):
        assert isinstance(open_store(spec), Store)
    assert not (tmp_path / "absent").exists()


def test_local(tmp_path):
    store = open_store({"type": "local", "path": str(tmp_path), "file_mode": "600", "retries": 3, "timeout": "5s"})
    assert isinstance(store, LocalStore)
    store.put("a", b"1")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_function_for_a_path_needs_a_manager():
    bound = default_registry().bind({"type": "local", "path": lambda: "/x"})
    with pytest.raises(ConfigError, match="only a mount of a StorageManager"):
        default_registry().open(bound)


def test_memory_is_private_unless_shared():
    assert open_store("memory://") is not open_store("memory://")
    one, two = open_store("memory://common/a"), open_store({"type": "memory", "share": "common", "path": "a"})
    one.put("k", b"1")
    assert two.get("k").bytes() == b"1"
    assert open_store("memory://common").get("a/k").bytes() == b"1"
    with pytest.raises(ConfigError, match="versioned elsewhere"):
        open_store({"type": "memory", "share": "common", "versioned": True})


def test_nobody_closes_a_shared_memory_for_the_others():
    one, two = open_store("memory://others"), open_store("memory://others")
    one.close()
    two.put("k", b"1")
    with one:
        pass
    assert two.get("k").bytes() == b"1"


def test_shared_memory_goes_with_the_last_that_uses_it():
    open_store("memory://brief").put("k", b"1")
    assert [page.objects for page in open_store("memory://brief").list() if page.objects] == []


def test_threads_get_one_shared_memory():
    got, start = [], threading.Barrier(8)

    def work():
        start.wait(5)
        got.append(open_store("memory://threads"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len({id(store) for store in got}) == 1
    assert len(got) == 8


# -- what is common


def test_permissions():
    for spec in (
        {"type": "memory", "permissions": "readonly"},
        {"type": "memory", "read_only": True},
        "memory://?read_only=true",
    ):
        store = open_store(spec)
        assert not store.capabilities.write
        with pytest.raises(PermissionDeniedError):
            store.put("a", b"")
    careful = open_store("memory://?permissions=readwrite")
    careful.put("a", b"")
    with pytest.raises(PermissionDeniedError):
        careful.delete("a")
    assert isinstance(open_store("memory://?permissions=delete"), MemoryStore)
    with pytest.raises(ConfigError, match="contradict"):
        open_store({"type": "memory", "read_only": True, "permissions": "readwrite"})
    with pytest.raises(ConfigError, match="'permissions' must be one of readonly, readwrite, delete"):
        open_store("memory://?permissions=all")


def test_limits():
    assert "concurrency=3" in repr(open_store("memory://?concurrency=3&max_connections=5"))


def test_versioned():
    assert open_store("memory://?versioned=true").capabilities.versions
    assert not open_store("memory://?versioned=false").capabilities.versions
    assert open_store({"type": "base64", "versioned": False})
    with pytest.raises(ConfigError, match="does not support versioning"):
        open_store({"type": "base64", "versioned": True})


@pytest.mark.parametrize("name", ["base_url", "layout", "deadline"])
def test_what_only_a_face_can_honour_is_refused(name):
    value = {"base_url": "http://x", "layout": "flat", "deadline": 5}[name]
    with pytest.raises(ConfigError, match=name):
        open_store({"type": "memory", name: value})
    bound = default_registry().bind({"type": "memory", name: value, "name": "m"})
    assert bound.common[name] == value
    assert default_registry().open(bound)


def test_settings_go_to_the_driver(registry):
    registry.register("rec", Recorded)
    store = registry.open(
        {"type": "rec", "path": "p", "timeout": "5s", "attempts": 3, "options": {"a": "${A}"}, "versioned": True},
        env={"A": "b"},
    )
    assert store.made == {"path": "p", "size": 1, "timeout": 5.0, "retries": 2, "options": {"a": "b"}, "versioned": True}
    assert registry.open({"type": "rec", "path": "p", "attempts": 3, "retries": 2}).made["retries"] == 2
    for bad in ({"attempts": 0}, {"attempts": 3, "retries": 5}):
        with pytest.raises(ConfigError, match="'attempts'"):
            registry.open({"type": "rec", "path": "p", **bad})
    with pytest.raises(ConfigError, match="has no setting 'connect_timeout'"):
        registry.open({"type": "rec", "path": "p", "connect_timeout": 5})


def test_nothing_is_dropped_in_silence():
    with pytest.raises(ConfigError, match="has no setting 'options'"):
        open_store({"type": "memory", "options": {"a": 1}})
    assert open_store({"type": "memory", "options": {}})
    with pytest.raises(ConfigError, match="storage type 'local' has no 'marker'"):
        open_store({"type": "local", "path": "/", "marker": ".here"})


# -- descriptions


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "s4"}, r"Unknown storage type 's4', did you mean 's3'\? \(known: azure, base64, fsspec,"),
        ({"type": "teleporter"}, r"Unknown storage type 'teleporter' \(known:"),
        ({"type": 3}, "'type' is a name, not int"),
        ({"type": "s3", "protocol": "gcs"}, "'type' and 'protocol' are one key"),
        ({}, "missing required field: 'type' \\(or 'protocol'\\), or 'url'"),
        ({"name": "up", "type": "s3"}, "^mount 'up': missing required field: 'bucket'"),
        ({"name": "up", "url": "memory://?name=down"}, "mount 'up': 'name' has one value in the URL and another beside it"),
        ({"url": "memory://", "share": "x"}, "unknown field 'share'"),
        ("nope", "does not begin with scheme://"),
    ],
)
def test_descriptions_with_faults(spec, message):
    with pytest.raises(ConfigError, match=message):
        open_store(spec)


@pytest.mark.parametrize("spec", [None, 3, ["memory://"], b"memory://"])
def test_descriptions_of_the_wrong_kind(spec):
    with pytest.raises(TypeError):
        open_store(spec)


def test_type_and_protocol_may_agree():
    assert open_store({"type": "memory", "protocol": "memory"})


def test_url_and_keys_beside_it():
    bound = default_registry().bind({"name": "up", "url": Secret("s3://K:S@h:1/b/p"), "permissions": "readonly"})
    assert bound.type == "s3"
    assert bound.fields["bucket"] == "b"
    assert bound.common == {"name": "up", "permissions": "readonly"}
    assert default_registry().bind(parse("s3://b")).fields == {"bucket": "b"}


def test_bound_shows_no_secret():
    bound = default_registry().bind(
        {"type": "s3", "bucket": "b", "key": "AKIAIOSFODNN7EXAMPLE", "secret": "hunter2", "timeout": 3, "profile": None}
    )
    assert repr(bound) == "Bound('s3', bucket='b', key='AKIA***', secret=***, timeout=3.0)"
    gcs = default_registry().bind({"type": "gcs", "bucket": "b", "token": {"private_key": "hunter2"}})
    assert "hunter2" not in repr(gcs)


def test_all_faults_of_a_mapping_come_in_one():
    with pytest.raises(ConfigError) as caught:
        open_store({"type": "sftp", "prot": 22, "port": "x", "passphrase": "hunter2"})
    text = str(caught.value)
    for fault in ("unknown field 'prot'", "'port' must be", "'host'", "'username'", "'passphrase' goes with"):
        assert fault in text
    assert "hunter2" not in text


# -- types of others


def test_a_class_is_read_by_its_signature(registry):
    registry.register("rec", Recorded, schemes=["rec"], aliases=["recorder"])
    store = registry.open({"type": "recorder", "base_path": "p", "size": 5, "password": "hunter2"})
    assert store.made == {"path": "p", "size": 5, "password": "hunter2", "versioned": False}
    with pytest.raises(ConfigError, match="missing required field: 'path'"):
        registry.open({"type": "rec"})
    with pytest.raises(ConfigError, match="unknown field 'sise', did you mean 'size'"):
        registry.open({"type": "rec", "path": "p", "sise": 1})
    assert registry.open("rec:///a/b?size=3").made == {"path": "/a/b".lstrip("/"), "size": "3", "versioned": False}
    with pytest.raises(ConfigError, match="has no 'host'"):
        registry.open("rec://host/a")
    assert registry.bind("rec:///a?password=hunter2").fields["password"] == Secret("hunter2")


def test_a_class_may_take_anything(registry):
    registry.register("any", Anything)
    assert registry.open({"type": "any", "name": "m", "colour": "red", "db_password": "x"}).made == {
        "colour": "red",
        "db_password": "x",
    }
    assert registry.bind({"type": "any", "db_password": "x"}).literal_secrets() == ("db_password",)


def test_a_factory_and_what_can_be_seen_as_a_store(registry):
    registry.register("simple", Simple)
    assert repr(registry.open({"type": "simple", "root": "r"})) == "MemoryStore('r')"
    registry.register("wrong", dict)
    with pytest.raises(TypeError, match="gave a dict, which is no Store"):
        registry.open({"type": "wrong"})
    registry.register("made", functools.partial(MemoryStore, name="x"))
    assert isinstance(registry.open({"type": "made"}), MemoryStore)


def test_parameters_may_be_given(registry):
    registry.register("p", "holdall.drivers.memory:MemoryStore", params=[Param(name="label", keyword="name")])
    assert repr(registry.open({"type": "p", "label": "x"})) == "MemoryStore('x')"


def test_names_are_taken_once(registry):
    registry.register("rec", Recorded, schemes=["rec"])
    with pytest.raises(ConfigError, match="'rec' is taken"):
        registry.register("rec", Recorded)
    with pytest.raises(ConfigError, match="'rec' is taken"):
        registry.register("other", Recorded, schemes=["rec"])
    registry.register("rec", Anything, replace=True)
    assert isinstance(registry.open({"type": "rec"}), Anything)
    with pytest.raises(ConfigError, match="unknown scheme 'rec'"):
        registry.open("rec:///a")
    for name in ("", "a b", "a:b", 3):
        with pytest.raises(ConfigError, match="has letters"):
            registry.register(name, Recorded)


def test_a_child_hides_its_parent_and_keeps_its_own(registry):
    registry.register("memory", Anything)
    assert isinstance(registry.open({"type": "memory", "x": 1}), Anything)
    assert isinstance(open_store({"type": "memory"}), MemoryStore)
    registry.register("mine", Anything)
    assert "mine" in registry.types()
    assert "mine" not in default_registry().types()
    assert "mine" in repr(registry)
    assert "local" in registry.types()
    with pytest.raises(ConfigError):
        open_store({"type": "mine"})
    assert isinstance(open_store({"type": "mine"}, registry=registry), Anything)
    assert registry.backends()[-1].type == "mine"


def test_threads_that_register_lose_nothing(registry):
    def work(n):
        for i in range(50):
            registry.register(f"t{n}-{i}", Anything, schemes=[f"s{n}-{i}"])
            registry.types()
            registry.schemes()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(t.startswith("t") and "-" in t for t in registry.types()) == 300
    assert sum(s.startswith("s") and "-" in s for s in registry.schemes()) == 300


def test_registering_for_the_whole_process(monkeypatch):
    monkeypatch.setattr(module, "_default", Registry(default_registry().backends()))
    register("everywhere", Anything)
    assert isinstance(open_store({"type": "everywhere"}), Anything)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("holdall.nowhere:Store", "there is no module 'holdall.nowhere'"),
        ("nowhere_at_all.x:Store", "there is no module 'nowhere_at_all.x'"),
        ("holdall.drivers.memory:Nothing", "no attribute 'Nothing'"),
        ("holdall.drivers.memory", "a class is written 'module:Class'"),
    ],
)
def test_targets_that_are_not_there(registry, target, message):
    registry.register("t", target, params=[])
    with pytest.raises(ConfigError, match=message):
        registry.open({"type": "t"})


def test_a_missing_package_says_what_to_install(registry, tmp_path, monkeypatch):
    (tmp_path / "needs_much.py").write_text("import holdall_absent_package\n")
    (tmp_path / "needs_extra.py").write_text(
        "from holdall.errors import MissingExtraError\nraise MissingExtraError('pip install my-own')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.register("a", "needs_much:X", params=[], extra="sftp")
    with pytest.raises(MissingExtraError, match=r'needs holdall_absent_package: pip install "holdall\[sftp\]"'):
        registry.open({"type": "a"})
    registry.register("b", "needs_much:X", params=[])
    with pytest.raises(MissingExtraError, match="pip install holdall_absent_package"):
        registry.open({"type": "b"})
    registry.register("c", "needs_extra:X", params=[])
    with pytest.raises(MissingExtraError, match="pip install my-own"):
        registry.open({"type": "c"})
    spec = URLSpec(type="d")
    registry.add(Backend(spec=spec, target=MemoryStore, requires=("holdall_absent_package",), extra="smb"))
    with pytest.raises(MissingExtraError, match=r"holdall\[smb\]") as caught:
        registry.open({"type": "d"})
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("error", [ImportError("no x", name="x"), MissingExtraError("pip install x")])
def test_a_package_that_is_missed_late(registry, error):
    def late():
        raise error

    registry.register("late", late)
    with pytest.raises(MissingExtraError, match="pip install"):
        registry.open({"type": "late"})


# -- entry points


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that is installed and brings storage types."""
    info = tmp_path / "holdall_extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: holdall-extra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[holdall.backends]\nteapot = holdall_extra:Teapot\nkettle = holdall_extra:KETTLE\nbroken = holdall_extra:absent\n"
    )
    (tmp_path / "holdall_extra.py").write_text(
        textwrap.dedent(
            """
            from holdall.core.params import Param
            from holdall.core.urls import URLSpec
            from holdall.drivers.memory import MemoryStore
            from holdall.drivers.registry import Backend

            class Teapot(MemoryStore):
                def __init__(self, *, tea="green"):
                    super().__init__(name=tea)

            KETTLE = Backend(
                spec=URLSpec(type="kettle", schemes={"kettle": None}, params=(Param(name="tea"),)), target=Teapot
            )
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    monkeypatch.setattr(module, "_default", Registry(default_registry().backends(), entry_points=True))
    yield
    sys.modules.pop("holdall_extra", None)


@pytest.mark.usefixtures("package")
def test_types_of_packages():
    assert {"teapot", "kettle", "broken"} <= set(default_registry().types())
    assert "holdall_extra" not in sys.modules
    assert open_store({"type": "teapot", "tea": "black"}).name == "black"
    assert open_store({"type": "kettle", "tea": "white"}).name == "white"
    with pytest.raises(ConfigError, match="the entry point 'holdall_extra:absent' cannot be loaded"):
        open_store({"type": "broken"})


@pytest.mark.usefixtures("package")
def test_schemes_of_packages():
    # A broken package is passed over; a manager's registry finds them through its parent.
    assert Registry(parent=default_registry()).open("kettle://?tea=red").name == "red"
    assert open_store("kettle://?tea=blue").name == "blue"
    with pytest.raises(ConfigError, match="unknown scheme 'nope'"):
        open_store("nope://x")


@pytest.mark.usefixtures("package")
def test_types_of_packages_through_a_parent():
    assert Registry(parent=default_registry()).open({"type": "teapot"}).name == "green"


def test_building_leaves_what_is_common_to_the_caller():
    bound = default_registry().bind("memory://?read_only=yes")
    assert default_registry().build(bound).capabilities.write


# -- recipes


def test_a_store_knows_how_it_was_made(tmp_path):
    spec = {"type": "local", "path": "${HOLDALL_ROOT}"}
    store = open_store(spec, env={"HOLDALL_ROOT": str(tmp_path)})
    assert recipe(store).source == spec
    assert recipe(MemoryStore()) is None


def test_pickling_carries_the_description_unexpanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDALL_ROOT", str(tmp_path))
    monkeypatch.setenv("HOLDALL_SECRET", "hunter2")
    store = open_store("file://${HOLDALL_ROOT}?read_only=yes")
    data = pickle.dumps(store)
    assert str(tmp_path).encode() not in data
    again = pickle.loads(data)
    assert repr(again) == repr(store)
    assert not again.capabilities.write
    s3 = open_store({"type": "s3", "bucket": "b", "key": "K", "secret": "${HOLDALL_SECRET}"})
    data = pickle.dumps(s3)
    assert b"hunter2" not in data
    assert pickle.loads(data).identity == s3.identity


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "s3", "bucket": "b", "key": "K", "secret": "hunter2"},
        "s3://K:hunter2@h:1/b",
        {"name": "x", "url": "s3://K:hunter2@h:1/b"},
        {"type": "s3", "bucket": "b", "key": "K", "secret": "${NOT_SET:hunter2}"},
    ],
)
def test_literal_secrets_refuse_pickle(spec):
    store = open_store(spec)
    for thing in (store, recipe(store)):
        with pytest.raises(ConfigError, match=r"cannot be pickled: .*\$\{NAME\}") as caught:
            pickle.dumps(thing)
        assert "hunter2" not in str(caught.value)
    assert "hunter2" not in f"{store!r} {recipe(store)!r}"


def test_secrets_in_files_pickle(tmp_path):
    (tmp_path / "s").write_text("hunter2")
    store = open_store({"type": "s3", "bucket": "b", "key": "K", "secret_file": str(tmp_path / "s")})
    data = pickle.dumps(store)
    assert b"hunter2" not in data
    assert pickle.loads(data).identity == store.identity


def test_a_store_made_by_hand_is_not_pickled_by_accident():
    with pytest.raises(TypeError, match="open it from a URL or a mapping"):
        pickle.dumps(MemoryStore())
    with pytest.raises(TypeError):
        copy.copy(MemoryStore())


def test_changed_fields_are_part_of_the_recipe(tmp_path):
    bound = default_registry().bind({"type": "local", "path": str(tmp_path / "a")}).with_fields(path=str(tmp_path))
    store = pickle.loads(pickle.dumps(default_registry().open(bound)))
    assert store.root == str(tmp_path)


def test_relative_paths_are_part_of_the_recipe(tmp_path):
    store = open_store({"type": "local", "path": "sub"}, base=str(tmp_path))
    assert pickle.loads(pickle.dumps(store)).root == str(tmp_path / "sub")


def test_a_registry_travels_with_its_stores(registry):
    registry.register("any", Anything)
    store = registry.open({"type": "any", "x": 1})
    assert pickle.loads(pickle.dumps(store)).made == {"x": 1}
    assert pickle.loads(pickle.dumps(default_registry())) is default_registry()
    assert "any" in pickle.loads(pickle.dumps(registry)).types()


def test_recipes_open():
    assert isinstance(Recipe("memory://").open(), MemoryStore)
    assert repr(Recipe("x", ("secret",))) == "Recipe(secret)"
    assert repr(Recipe("x")) == "Recipe(no literal secret)"


# -- the reference


def test_the_reference_names_every_parameter(registry):
    registry.register("any", Anything)
    text = reference(registry)
    for backend in default_registry().backends():
        assert f"## `{backend.type}`" in text
        for param in backend.spec.params:
            assert f"`{param.name}`" in text
    assert 'pip install "holdall[sftp]"' in text
    assert "`s3://` (port 443)" in text
    assert "## `any`" in text


def test_the_reference_in_the_manual_is_this_one():
    root = importlib.util.find_spec("holdall").origin.partition("/src/")[0]
    with open(f"{root}/docs/reference/storage-types.md", encoding="utf-8") as file:
        assert reference() in file.read()


def test_nothing_heavy_is_imported_by_opening_a_local_store():
    code = (
        "import sys; from holdall.drivers.registry import open_store; open_store('memory://'); open_store('file:///');"
        "bad = {'obstore', 'fsspec', 'yaml', 'boto3', 'msgspec'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_it_refuses_before_any_request():
    store = open_store("data:,hi")
    with pytest.raises(NotSupportedError):
        store.put("x", b"")


def test_secrets_within_options(registry, monkeypatch):
    registry.register("rec", Recorded)
    monkeypatch.setenv("HOLDALL_PW", "hunter2")
    store = registry.open({"type": "rec", "path": "p", "options": {"password": "${HOLDALL_PW}", "depth": 3}})
    assert store.made["options"] == {"password": "hunter2", "depth": 3}
    assert pickle.loads(pickle.dumps(store)).made["options"] == {"password": "hunter2", "depth": 3}
    bound = registry.bind({"type": "rec", "path": "p", "options": {"nested": [{"password": "hunter2"}]}})
    assert bound.literal_secrets() == ("options",)
    assert "hunter2" not in repr(bound)
    with pytest.raises(ConfigError, match="'options'"):
        pickle.dumps(registry.open(bound))
    gcs = default_registry().bind({"type": "gcs", "bucket": "b", "token": {"private_key": "hunter2"}})
    assert gcs.literal_secrets() == ("token",)
    assert default_registry().bind({"type": "gcs", "bucket": "b", "token": "/key.json"}).literal_secrets() == ()
    assert default_registry().bind({"type": "gcs", "bucket": "b", "token": '{"private_key": "x"}'}).literal_secrets() == (
        "token",
    )
