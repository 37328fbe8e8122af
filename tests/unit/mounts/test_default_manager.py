"""``holdall.storages``: one table of names for the whole process."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import holdall
from holdall.drivers.memory import MemoryStore
from holdall.engine.resolve import resolve
from holdall.engine.table import default_table, set_default
from holdall.errors import ConfigError


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """A new default table, and no configuration of the machine's user."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDALL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    before = set_default(None)
    yield
    set_default(before)


def test_it_is_filled_from_the_configuration(monkeypatch, tmp_path):
    (tmp_path / "mine.toml").write_text('[mounts.ram]\ntype = "memory"\n[mounts.part]\npath = "ram:part"\n')
    monkeypatch.setenv("HOLDALL_CONFIG", str(tmp_path / "mine.toml"))
    assert holdall.storages.get_mount_names() == ["ram", "part"]
    holdall.storages.node("part:a").write("x")
    assert holdall.storages.node("ram:part/a").read() == "x"


def test_its_mounts_are_those_of_every_face():
    assert len(holdall.storages) == 0
    holdall.storages.configure({"ram": "memory://"})
    assert list(default_table()) == ["ram"]
    holdall.storages.node("ram:a").write("x")
    found = resolve("ram:a")
    assert found.store.get(found.key).bytes() == b"x"
    node = holdall.storages.node("ram:a")
    again = resolve(node)
    assert (again.store, again.key) == (node.store, "a")
    with default_table().override("ram", MemoryStore()):
        assert not node.exists
    assert node.exists


def test_a_broken_configuration_is_told_at_first_use(monkeypatch, tmp_path):
    monkeypatch.setenv("HOLDALL_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="HOLDALL_CONFIG"):
        holdall.storages.node("x:a")


def test_pickled_it_becomes_a_manager_of_its_own():
    holdall.storages.configure({"ram": {"type": "memory", "share": "pickled-default"}})
    holdall.storages.node("ram:a").write("x")
    node = pickle.loads(pickle.dumps(holdall.storages.node("ram:a")))
    assert node.read() == "x"
    assert node._manager is not holdall.storages


def test_importing_is_quick_and_loads_nothing_else():
    code = (
        "import sys, holdall; s = holdall.StorageManager({'d': {'type': 'local', 'path': '/'}}); s.node('d:none').exists;"
        "bad = {'obstore', 'fsspec', 'msgspec', 'boto3', 'yaml', 'rich', 'typer', 'sqlalchemy'} & set(sys.modules); print(sorted(bad))"
    )
    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert out == "[]\n"
