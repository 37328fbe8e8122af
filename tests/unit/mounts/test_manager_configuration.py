"""Configuration in all its forms; all or nothing; clear errors without secrets."""

from __future__ import annotations

import json
import os
import pickle
import textwrap
import threading
from pathlib import Path

import fsspec
import pytest

from holdall import StorageBackend, StorageManager
from holdall.drivers.memory import MemoryStore
from holdall.errors import ClosedError, ConfigError, HoldallError, NotFoundError, PermissionDeniedError, UnknownMountError
from holdall.mounts import (
    MountPathError,
    StorageConfigError,
    StorageError,
    StorageNotFoundError,
    StoragePermissionError,
)


def _same(storage: StorageManager) -> dict[str, object]:
    """What a configuration came to, to be compared."""
    return {
        mount.name: (mount.bound.type, mount.bound.fields, mount.permissions, mount.base_url)
        for mount in storage._table.mounts()
    }


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "data").mkdir()
    return str(tmp_path / "data")


def test_a02_every_form_gives_the_same_mounts(tmp_path, folder):
    forms: list[object] = [
        [{"name": "disk", "type": "local", "path": folder, "permissions": "readonly"}, {"name": "ram", "type": "memory", "path": "a/b"}],
        [{"name": "disk", "protocol": "local", "base_path": folder, "permissions": "readonly"}, {"name": "ram", "protocol": "memory", "prefix": "/a//b/"}],
        {"disk": {"type": "local", "path": folder, "permissions": "readonly"}, "ram": {"type": "memory", "path": "a/b"}},
        {"mounts": {"disk": {"type": "local", "path": Path(folder), "permissions": "readonly"}, "ram": {"type": "memory", "base_path": "a/b"}}},
        {"mounts": [{"name": "disk", "type": "local", "path": folder, "permissions": "readonly"}, {"name": "ram", "type": "memory", "path": "a/b"}]},
    ]  # fmt: skip
    files = {
        "c.json": json.dumps(forms[0]),
        "d.json": json.dumps(forms[2]),
        "c.yaml": f"- name: disk\n  type: local\n  path: {folder}\n  permissions: readonly\n- name: ram\n  type: memory\n  path: a/b\n",
        "d.yml": f"mounts:\n  disk: {{type: local, path: '{folder}', permissions: readonly}}\n  ram: {{type: memory, path: a/b}}\n",
        "c.toml": f'[mounts.disk]\ntype = "local"\npath = "{folder}"\npermissions = "readonly"\n[mounts.ram]\ntype = "memory"\npath = "a/b"\n',
        "d.toml": f'[[mounts]]\nname = "disk"\ntype = "local"\npath = "{folder}"\npermissions = "readonly"\n[[mounts]]\nname = "ram"\ntype = "memory"\npath = "a/b"\n',
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        forms += [str(tmp_path / name), tmp_path / name, f"file://{tmp_path}/{name}"]
    expected = _same(StorageManager(forms[0]))
    assert set(expected) == {"disk", "ram"}
    for form in forms:
        assert _same(StorageManager(form)) == expected, form


def test_a02_urls_mean_the_same_as_mappings(folder):
    pairs: list[tuple[object, dict[str, object]]] = [
        (f"file://{folder}?create=false", {"type": "local", "path": folder, "create": False}),
        ("memory://shared/a/b", {"type": "memory", "share": "shared", "path": "a/b"}),
        (
            "s3://bucket/pre/fix?region=eu-west-1&endpoint_url=http://localhost:9",
            {
                "type": "s3",
                "bucket": "bucket",
                "path": "pre/fix",
                "region": "eu-west-1",
                "endpoint_url": "http://localhost:9",
            },
        ),
        ({"url": "gs://bucket/x"}, {"type": "gcs", "bucket": "bucket", "path": "x"}),
        ("sftp://me@host:2222/dir", {"type": "sftp", "host": "host", "port": 2222, "username": "me", "path": "/dir"}),
        ("https://host/a/b", {"type": "http", "base_url": "https://host/a/b"}),
    ]
    for url, mapping in pairs:
        by_url, by_mapping = _same(StorageManager({"x": url})), _same(StorageManager({"x": mapping}))

        def given(described: dict[str, object]) -> tuple[object, dict[str, object]]:
            kind, fields, *_ = described["x"]  # type: ignore[misc]
            return kind, {name: value for name, value in fields.items() if value is not None}

        assert given(by_url) == given(by_mapping), url


def test_a03_environment(monkeypatch, folder):
    monkeypatch.setenv("HA_DIR", folder)
    monkeypatch.setenv("HA_TRICK", "${HA_DIR}")
    monkeypatch.delenv("HA_NONE", raising=False)
    storage = StorageManager(
        {
            "a": {"type": "local", "path": "${HA_DIR}"},
            "b": {"type": "memory", "path": "${HA_NONE:in/default}"},
            "c": {"type": "memory", "path": "x${HA_TRICK}y"},
            "d": {"type": "memory", "path": "$${HA_DIR}"},
            "e": {"type": "local", "path": folder, "create": "${HA_NONE:true}"},
            "f": {"type": "s3", "bucket": "b", "options": {"deep": ["${HA_NONE:v}"]}},
        }
    )
    fields = {name: mount[1] for name, mount in _same(storage).items()}  # type: ignore[index]
    assert fields["a"]["path"] == folder
    assert fields["b"]["path"] == "in/default"
    assert fields["c"]["path"] == "x${HA_DIR}y"
    assert fields["d"]["path"] == "${HA_DIR}"
    assert fields["e"]["create"] is True
    with pytest.raises(StorageConfigError, match="HA_NONE"):
        StorageManager({"a": {"type": "memory", "path": "${HA_NONE}"}})
    raw = StorageManager({"a": {"type": "memory", "path": "${HA_NONE}"}}, expand_env=False)
    assert _same(raw)["a"][1]["path"] == "${HA_NONE}"  # type: ignore[index]


def test_a04_all_or_nothing(folder):
    storage = StorageManager({"old": {"type": "memory"}})
    storage.node("old:kept").write("x")
    bad = [
        {"name": "one", "type": "memory"}, {"name": "old", "type": "memory"}, {"name": "two", "type": "local", "path": folder},
        {"name": "wrong", "type": "local"}, {"name": "three", "type": "memory"},
    ]  # fmt: skip
    with pytest.raises(StorageConfigError, match=r"mount 'wrong': missing required field: 'path' \(or 'base_path'\)"):
        storage.configure(bad)
    assert storage.get_mount_names() == ["old"]
    assert storage.node("old:kept").read() == "x"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "local"}, "missing required field: 'path'"),
        ({"type": "s3"}, "missing required field: 'bucket'"),
        ({"type": "gcs"}, "missing required field: 'bucket'"),
        ({"type": "azure"}, "missing required field: 'container'"),
        ({"type": "http"}, "missing required field: 'base_url'"),
        ({"type": "sftp"}, "missing required field: 'host'"),
        ({"type": "ftp"}, "missing required field: 'host'"),
        ({"type": "smb"}, "missing required field: 'host'"),
        ({"type": "webdav"}, "missing required field: 'url'"),
        ({"type": "zip"}, "missing required field: 'file'"),
        ({"type": "git"}, "missing required field: 'path'"),
        ({"type": "github"}, "missing required field: 'org'"),
        ({"type": "fsspec"}, "missing required field: 'fs'"),
        ({}, "missing required field: 'type'"),
        ({"path": "/data"}, "missing required field: 'type'"),
        ({"path": "C:/data"}, "missing required field: 'type'"),
        ({"type": "lokal", "path": "/"}, r"Unknown storage type 'lokal', did you mean 'local'\? \(known: "),
        ({"type": "memory", "pathh": "x"}, r"unknown field 'pathh', did you mean 'path'\?"),
        ({"type": "memory", "permissions": "all"}, "Invalid permissions 'all'"),
        ({"type": "memory", "path": "a", "base_path": "b"}, "two values"),
        ({"type": "local", "path": "relative/dir"}, "absolute"),
        ({"type": "memory", "path": "../up"}, "traversal"),
        ({"url": "nonsense://x"}, "nonsense"),
    ],
)  # fmt: skip
def test_a04_errors_name_mount_and_key(entry, message):
    storage = StorageManager()
    with pytest.raises(StorageConfigError, match=message) as raised:
        storage.configure([{"name": "uploads", **entry}])
    assert "mount 'uploads'" in str(raised.value)
    assert storage.get_mount_names() == []


def test_what_was_given_wrongly_is_not_missing_too():
    for path in ("relative/dir", "${NO_SUCH_VARIABLE}"):
        with pytest.raises(ConfigError, match="mount 'x'") as raised:
            StorageManager({"x": {"type": "local", "path": path}})
        assert "missing required" not in str(raised.value)


def test_files_are_named_in_errors(tmp_path):
    (tmp_path / "c.json").write_text('[{"name": "up", "type": "local"}]')
    with pytest.raises(StorageConfigError, match=r"c\.json.*mount 'up'.*'path'"):
        StorageManager(tmp_path / "c.json")
    (tmp_path / "broken.json").write_text('{"a": ')
    with pytest.raises(StorageConfigError, match=r"broken\.json is not valid JSON"):
        StorageManager(str(tmp_path / "broken.json"))
    (tmp_path / "c.ini").write_text("[a]")
    with pytest.raises(StorageConfigError, match="Unsupported configuration file format"):
        StorageManager(str(tmp_path / "c.ini"))
    with pytest.raises(FileNotFoundError):
        StorageManager(str(tmp_path / "missing.toml"))
    (tmp_path / "text.yaml").write_text("just text")
    with pytest.raises(StorageConfigError, match="a list of mounts or a mapping"):
        StorageManager(str(tmp_path / "text.yaml"))
    (tmp_path / "empty.yaml").write_text("")
    assert len(StorageManager(str(tmp_path / "empty.yaml"))) == 0


@pytest.mark.parametrize("source", [5, 1.5, True, object(), {1, 2}, b"x"])
def test_wrong_python_types(source):
    with pytest.raises(TypeError):
        StorageManager(source)


@pytest.mark.parametrize(
    "source",
    [
        ["x"],
        [None],
        [{"type": "memory"}],
        {"a": 5},
        {5: {"type": "memory"}},
        [{"name": "", "type": "memory"}],
        {"a:b": "memory://"},
        [{"name": "a", "type": "memory"}] * 2,
    ],
)
def test_wrong_shapes(source):
    with pytest.raises(StorageConfigError):
        StorageManager(source)


def test_yaml_makes_no_objects(tmp_path):
    (tmp_path / "evil.yaml").write_text("a: !!python/object/apply:os.system ['touch evil']")
    with pytest.raises(StorageConfigError):
        StorageManager(tmp_path / "evil.yaml")
    assert not Path("evil").exists()


def test_relative_paths_in_a_file_are_relative_to_it(tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "data").mkdir()
    (tmp_path / "conf" / "c.toml").write_text('[mounts.here]\ntype = "local"\npath = "data"\n')
    monkeypatch.chdir(tmp_path)
    storage = StorageManager("conf/c.toml")
    storage.node("here:a.txt").write("x")
    assert (tmp_path / "conf" / "data" / "a.txt").read_text() == "x"


def test_configuration_from_another_storage(tmp_path):
    from holdall.drivers.registry import default_registry

    shared = default_registry().open("memory://conf-of-this-test")
    shared.put("app.toml", b'[mounts.ram]\ntype = "memory"\n')
    assert StorageManager("memory://conf-of-this-test/app.toml").get_mount_names() == ["ram"]
    with pytest.raises(NotFoundError):
        StorageManager("memory://conf-of-this-test/none.toml")
    with pytest.raises(StorageConfigError, match="Unsupported configuration file format"):
        StorageManager("memory://conf-of-this-test/app.txt")


def test_names(folder):
    storage = StorageManager({"b": "memory://", "a": "memory://"})
    assert storage.get_mount_names() == list(storage) == ["b", "a"]
    assert storage.has_mount("a")
    assert "a" in storage
    assert "c" not in storage
    assert len(storage) == 2
    storage.configure({"b": "memory://x"})
    assert storage.get_mount_names() == ["b", "a"]
    storage.delete_mount("b")
    assert storage.get_mount_names() == ["a"]
    with pytest.raises(UnknownMountError, match=r"Mount point 'b' not found \(available: 'a'\)"):
        storage.delete_mount("b")
    with pytest.raises(StorageNotFoundError):
        storage.node("b:x")


def test_add_mount_in_all_forms(folder):
    storage = StorageManager()
    store = MemoryStore()
    storage.add_mount({"name": "one", "type": "memory"})
    storage.add_mount("two", "memory://")
    storage.add_mount("three", {"type": "memory"}, permissions="readonly")
    storage.add_mount("four", store)
    storage.add_mount("five", store, permissions="readwrite")
    storage.add_mount("six", "four:sub")
    storage.add_mount("seven", type="local", path=folder)
    assert len(storage) == 7
    storage.node("six:a").write("x")
    assert store.get("sub/a").bytes() == b"x"
    with pytest.raises(PermissionDeniedError, match="does not have delete permission"):
        storage.node("five:sub/a").delete()
    with pytest.raises(PermissionDeniedError, match="read-only"):
        storage.node("three:a").write("x")
    for bad in (("x",), ("x", 5), (5, "memory://"), ({"name": "x"}, "memory://")):
        with pytest.raises((TypeError, ConfigError)):
            storage.add_mount(*bad)
    with pytest.raises(TypeError, match="twice"):
        storage.add_mount("x", {"type": "memory"}, type="local")
    storage.close()
    assert store.get("sub/a").bytes() == b"x"  # what the caller made stays open


def test_fsspec_filesystems_can_be_mounted():
    storage = StorageManager()
    storage.add_mount("fs", fsspec.filesystem("memory"), path="holdall-mounts-test")
    storage.node("fs:a/b.txt").write("hello")
    assert fsspec.filesystem("memory").cat("/holdall-mounts-test/a/b.txt") == b"hello"
    assert [n.path for n in storage.node("fs").rglob("*.txt")] == ["a/b.txt"]
    storage.node("fs").delete(root=True)


def test_local_directories_must_be_there_unless_they_are_made(tmp_path):
    with pytest.raises(MountPathError, match="does not exist") as raised:
        StorageManager({"x": {"type": "local", "path": str(tmp_path / "none")}})
    assert isinstance(raised.value, FileNotFoundError)
    assert isinstance(raised.value, StorageConfigError)
    (tmp_path / "file").write_text("")
    with pytest.raises(MountPathError, match="not a directory"):
        StorageManager({"x": {"type": "local", "path": str(tmp_path / "file")}})
    storage = StorageManager({"x": {"type": "local", "path": str(tmp_path / "made"), "create": True}})
    assert not (tmp_path / "made").exists()
    storage.node("x:a").write("1")
    assert (tmp_path / "made" / "a").read_text() == "1"


def test_a05_secrets_are_not_shown(caplog):
    secret = "hunter2-very-secret"
    entries = {
        "s": {"type": "s3", "bucket": "b", "key": "AKIAIOSFODNN7EXAMPLE", "secret": secret, "token": secret},
        "g": {"type": "gcs", "bucket": "b", "token": secret},
        "az": {"type": "azure", "container": "c", "account_name": "n", "account_key": secret},
        "sf": {"type": "sftp", "host": "h", "username": "u", "password": secret},
        "ft": f"ftp://u:{secret}@host/dir",
        "w": {"type": "webdav", "url": "https://h/", "username": "u", "password": secret},
        "sm": {"type": "smb", "host": "h", "share": "s", "username": "u", "password": secret},
        "u": f"s3://AKIAIOSFODNN7EXAMPLE:{secret}@bucket/x",
        "h": {"type": "http", "base_url": "https://h/", "username": "u", "password": secret},
        "hu": f"https://u:{secret}@h/",
        "wu": f"webdavs://u:{secret}@h/dir",
        "fs": {"type": "ftps", "host": "h", "username": "u", "password": secret},
        "fu": f"ftps://u:{secret}@h/dir",
        "su": f"sftp://u:{secret}@h/dir",
        "smu": f"smb://u:{secret}@h/s/dir",
        "azs": {"type": "azure", "container": "c", "account_name": "n", "sas_token": f"sv=1&sig={secret}"},
        "azc": {"type": "azure", "container": "c", "connection_string": f"AccountName=n;AccountKey={secret};"},
        "gh": {"type": "github", "org": "o", "repo": "r", "username": "u", "token": secret},
        "f": {"type": "fsspec", "fs": "s3", "path": "b", "options": {"key": "k", "secret": secret}},
        "z": {"type": "zip", "file": "s3://b/x.zip", "target_protocol": "s3", "target_options": {"secret": secret}},
        "t": {"type": "tiers", "locations": [f"s3://AKIAIOSFODNN7EXAMPLE:{secret}@bucket/x", "memory://"]},
        "ta": {"type": "tar", "file": "s3://b/x.tar", "target_protocol": "s3", "target_options": {"secret": secret}},
        "o": {"type": "s3", "bucket": "b", "options": {"secret": secret, "nested": {"password": secret}}},
    }
    storage = StorageManager(entries)
    texts = [repr(storage), *(repr(mount) for mount in storage._table.mounts())]
    from holdall.mounts.mount import shown

    texts += [repr(shown(mount)) for mount in storage._table.mounts()]
    for name, entry in entries.items():
        texts += [repr(storage.node(f"{name}:a")), str(storage.node(f"{name}:a"))]
        try:
            texts.append(repr(storage._table.mount(name).store))
        except HoldallError as error:
            texts.append(repr(error))
        broken = {**entry, "nonsense": 1} if isinstance(entry, dict) else f"{entry}?nonsense=1"
        with pytest.raises(StorageConfigError) as raised:
            StorageManager({name: broken})
        texts.append(repr(raised.value))
    texts.append(caplog.text)
    assert not [text for text in texts if secret in text]
    with pytest.raises(StorageConfigError, match=r"\$\{"):
        pickle.dumps(storage)


def test_a05_pickling_carries_the_configuration_as_written(monkeypatch, folder, tmp_path):
    monkeypatch.setenv("HA_DIR", folder)
    storage = StorageManager({"disk": {"type": "local", "path": "${HA_DIR}"}, "part": "disk:sub"})
    storage.node("part:a").write("x")
    node = pickle.loads(pickle.dumps(storage.node("part:a")))
    assert node.read() == "x"
    assert node.fullpath == "part:a"
    data = pickle.dumps(storage)
    assert folder.encode() not in data
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("HA_DIR", str(tmp_path / "other"))
    assert not pickle.loads(data).node("part:a").exists


def test_closing():
    with StorageManager({"a": "memory://"}) as storage:
        node = storage.node("a:x")
        node.write("1")
    storage.close()
    for act in (
        node.read,
        lambda: node.exists,
        lambda: storage.node("a:x"),
        lambda: storage.configure({"b": "memory://"}),
    ):
        with pytest.raises(ClosedError):
            act()


def test_an_operation_keeps_the_mount_it_started_with():
    storage = StorageManager({"a": "memory://"})
    for i in range(2500):
        storage.node(f"a:{i:04}").write("")
    entries = storage.node("a").iterdir()
    next(entries)
    storage.configure({"a": "memory://"})
    assert sum(1 for _ in entries) == 2499
    assert storage.node("a").children() == []


def test_threads_may_configure_at_once():
    storage = StorageManager()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(50):
                storage.configure({f"m{number}-{i}": "memory://"})
                storage.node(f"m{number}-{i}:x").write("1")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(storage) == 400


def test_second_names_are_the_same_classes():
    assert StorageError is HoldallError
    assert StorageNotFoundError is NotFoundError
    assert StoragePermissionError is PermissionDeniedError
    assert StorageConfigError is ConfigError


def test_a_mount_may_have_one_letter():
    storage = StorageManager({"m": "memory://"})
    storage.node("m:a/b").write("x")
    assert storage.node("m", "a", "b").read() == "x"


def test_custom_types_belong_to_their_manager():
    storage, other = StorageManager(), StorageManager()
    storage.register_backend_type("mine", MemoryStore)
    storage.configure([{"name": "x", "type": "mine", "versioned": True}])
    storage.node("x:a").write("1")
    assert storage.node("x:a").version_count == 1
    with pytest.raises(StorageConfigError, match="Unknown storage type 'mine'"):
        other.configure([{"name": "x", "type": "mine"}])
    storage.register_backend_type("dotted", "holdall.drivers.memory:MemoryStore")
    storage.configure({"y": {"type": "dotted"}})
    storage.node("y:a").write("2")


def test_what_is_no_type_of_mount_is_refused_at_once():
    class Mine(StorageBackend):
        def read_bytes(self, path: str) -> bytes:
            raise FileNotFoundError(path)

        def write_bytes(self, path: str, data: bytes) -> None:
            raise PermissionError(path)

    for backend in (5, None, Mine()):
        with pytest.raises(TypeError, match="module:Class"):
            StorageManager().register_backend_type("mine", backend)


def test_configuration_makes_no_network_call():
    os.environ.pop("AWS_ENDPOINT_URL", None)
    StorageManager({"s": {"type": "s3", "bucket": "b", "endpoint_url": "http://127.0.0.1:1"}, "f": "sftp://u@127.0.0.1:1/x"})


def test_a_whole_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HA_BASE", str(tmp_path))
    (tmp_path / "up").mkdir()
    (tmp_path / "h.toml").write_text(
        textwrap.dedent("""
        [mounts.uploads]
        type = "local"
        path = "${HA_BASE}/up"

        [mounts.images]
        path = "uploads:images"
        permissions = "readwrite"

        [tiers.unrelated]
        locations = []
        """)
    )
    storage = StorageManager(tmp_path / "h.toml")
    storage.node("images:a.png").write_bytes(b"png")
    assert (tmp_path / "up" / "images" / "a.png").read_bytes() == b"png"
    assert storage.node("images:a.png").resolved_path == str(tmp_path / "up" / "images" / "a.png")


def test_a03_the_type_comes_from_the_environment_too(monkeypatch):
    monkeypatch.delenv("KIND", raising=False)
    storage = StorageManager({"a": {"type": "${KIND:memory}"}, "b": {"protocol": "${KIND:memory}"}})
    for name in ("a", "b"):
        storage.node(name, "x").write("1")
        assert storage.node(name, "x").read() == "1"
    with pytest.raises(StorageConfigError, match=r"mount 'a': environment variable KIND is not set.*\(in 'type'\)"):
        StorageManager({"a": {"type": "${KIND}"}})
    monkeypatch.setenv("KIND", "loca")
    with pytest.raises(StorageConfigError, match="mount 'a': Unknown storage type 'loca', did you mean 'local'"):
        StorageManager({"a": {"type": "${KIND}"}})
    with pytest.raises(StorageConfigError, match=r"Unknown storage type '\$\{KIND\}'"):
        StorageManager({"a": {"type": "${KIND}"}}, expand_env=False)


def test_a_relative_mount_that_climbs_is_named(tmp_path):
    (tmp_path / "c.toml").write_text("[mounts.a]\ntype = 'memory'\n[mounts.b]\npath = 'a:../x'\n")
    with pytest.raises(StorageConfigError, match=r"c.toml: mount 'b': Parent directory traversal: '../x'"):
        StorageManager(tmp_path / "c.toml")
