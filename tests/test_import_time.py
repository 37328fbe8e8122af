"""What an import loads: `import holdall` next to nothing, the lower half no third-party module, and nothing runs."""

import json
import subprocess
import sys

import pytest


def loaded(statement):
    """Return the modules that a fresh interpreter has after a statement, without what it had before."""
    code = f"import sys, json; before = set(sys.modules)\n{statement}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def foreign(names):
    """Return the top-level third-party names among modules."""
    tops = {name.split(".")[0] for name in names}
    return {top for top in tops if top not in sys.stdlib_module_names and top != "holdall" and not top.startswith("_")}


def test_import_holdall_loads_little():
    names = loaded("import holdall")
    assert foreign(names) == set()
    assert [name for name in names if name.startswith("holdall.")] == []
    assert not {"asyncio", "ssl", "http", "urllib.request", "logging", "dataclasses", "threading"} & set(names)


@pytest.mark.parametrize(
    "statement",
    [
        "import holdall; holdall.Store, holdall.GetOptions, holdall.HoldallError",
        "import holdall.testing",
        "import holdall.testing.colour, holdall.testing.ground, holdall.testing.stores, holdall.testing.proxy",
        "import holdall.testing.servers, holdall.testing.aws",
        "import holdall.drivers.memory, holdall.drivers.local",
        "import holdall.wrappers, holdall.engine, holdall.mounts",
        "from holdall.records import Database, Filter, ObjectDatabase, Query, Record, Transaction, migrate, migrate_async",
    ],
)
def test_these_load_no_third_party_module(statement):
    assert foreign(loaded(statement)) == set()


def test_a_local_mount_in_use_loads_what_it_needs(tmp_path):
    """Half of the time would go into asyncio, and much of the rest into transfers, zip files and downloads."""
    names = loaded(
        "from holdall import StorageManager\n"
        f"node = StorageManager({{'here': {{'type': 'local', 'path': {str(tmp_path)!r}}}}}).node('here:a.txt')\n"
        "assert node.write('text') and node.read() == 'text' and node.exists"
    )
    assert foreign(names) == set()
    assert not {"asyncio", "ssl", "http.client", "urllib.request", "zipfile", "subprocess"} & set(names)


def test_nothing_runs_at_import():
    """No thread and no event loop begins because a module was imported."""
    code = (
        "import threading, holdall.store, holdall.drivers.memory, holdall.wrappers, holdall.engine, holdall.testing.stores\n"
        "print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("blocked", "name"),
    [
        ("pytest", "holdall.testing.contract"),
        ("pytest", "holdall.testing.fixtures"),
        ("hypothesis", "holdall.testing.stateful"),
    ],
)
def test_a_missing_extra_is_named(blocked, name):
    code = (
        f"import sys, importlib; sys.modules[{blocked!r}] = None\n"
        "import holdall.testing\n"
        "from holdall.errors import MissingExtraError\n"
        f"try: importlib.import_module({name!r})\n"
        "except MissingExtraError as error: print(error)\n"
        "else: raise SystemExit('imported')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "holdall[testing]"' in done.stdout
