"""Imports beside an event loop: it has its turns meanwhile."""

import asyncio
import importlib
import importlib.machinery
import subprocess
import sys
import threading

import pytest

from holdall import _imports, _turns
from holdall._concurrency import run_async
from holdall._imports import imported, importing


def beside_a_loop(function):
    async def body():
        return await run_async(function)

    return asyncio.run(body())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules of 2 ms that were not imported yet, and two that cannot be."""
    place = tmp_path / "holdall_large"
    place.mkdir()
    (place / "__init__.py").write_text("from holdall_large import a, b, c")
    for name in "abc":
        (place / f"{name}.py").write_text(f"import time\ntime.sleep(0.002)\nvalue = {name!r}")
    (place / "wrong.py").write_text("1 / 0")
    (place / f"broken{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"no library")
    monkeypatch.syspath_prepend(tmp_path)
    yield "holdall_large"
    for name in [name for name in sys.modules if name.startswith("holdall_large")]:
        del sys.modules[name]


@pytest.fixture
def ways(monkeypatch):
    """How often a thread gave way."""
    found = []
    monkeypatch.setattr(_imports, "give_way", lambda: found.append(1))
    return found


def test_a_thread_beside_a_loop_gives_way_within_an_import(package, ways):
    def work():
        module = imported(package)
        assert sys.getprofile() is None
        return module

    assert beside_a_loop(work).c.value == "c"
    assert len(ways) >= 3


def test_who_only_blocks_imports_as_ever(package, ways):
    with importing():
        assert sys.getprofile() is None
        assert imported(package).a.value == "a"
    assert ways == []


def test_a_profiler_of_the_programs_is_left_alone(package, ways):
    def theirs(*_):
        pass

    def work():
        sys.setprofile(theirs)
        try:
            imported(package)
            return sys.getprofile()
        finally:
            sys.setprofile(None)

    assert beside_a_loop(work) is theirs
    assert ways == []


def test_what_is_there_is_returned(package, ways):
    module = imported(package)
    assert beside_a_loop(lambda: imported(package)) is module
    assert ways == []


def test_a_failed_import_is_pythons_own(package):
    def work():
        with pytest.raises(ZeroDivisionError):
            imported(f"{package}.wrong")
        with pytest.raises(ImportError, match="holdall_nowhere"):
            imported("holdall_nowhere")
        with pytest.raises(ImportError, match="broken"):
            imported(f"{package}.broken")
        return sys.getprofile()

    assert beside_a_loop(work) is None


def test_a_profiler_that_is_set_meanwhile_stays(package, tmp_path):
    (tmp_path / package / "tracing.py").write_text("import sys\nsys.setprofile(lambda *_: None)")

    def work():
        imported(f"{package}.tracing")
        found = sys.getprofile()
        sys.setprofile(None)
        return found

    assert beside_a_loop(work) is not None


LIBRARY = """
import asyncio, ctypes, sys
from holdall import _imports, _turns
from holdall._concurrency import run_async
loaded = []
class Library:
    def __init__(self, name): self.library = plain(name)
    def dlopen(self, path, flags):
        loaded.append(path.value.decode())
        return self.library.dlopen(path, flags)
plain, ctypes.CDLL = ctypes.CDLL, Library
async def body():
    return await run_async(lambda: _imports.imported("pyarrow"))
assert asyncio.run(body()).array([1]).to_pylist() == [1]
print(*loaded)
"""


def test_large_libraries_are_loaded_before_python_does():
    """In a process of its own, as each is loaded once; libraries of others may use Python when they are loaded."""
    done = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.split()
    assert any("/pyarrow/lib." in path for path in loaded)
    assert all(any(f"/{name}/" in path for name in _imports._LARGE) for path in loaded)


def test_where_nothing_can_be_called_it_is_imported_as_ever(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)  # as in a Python without libffi
    assert beside_a_loop(lambda: imported(package)).b.value == "b"


def test_a_loop_that_waits_for_the_import_itself_is_not_kept_long(tmp_path, monkeypatch):
    """It needs the lock of a module that a thread beside it imports, and so has no turn to give: the thread waits for few."""
    (tmp_path / "holdall_slow.py").write_text(
        "import time\nfor _ in range(100):\n    until = time.perf_counter() + 0.0015\n    while time.perf_counter() < until:\n        len('')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    waits, plain = [], _turns._wait
    monkeypatch.setattr(_turns, "_wait", lambda loop: (waits.append(1), plain(loop))[1])
    begun = threading.Event()

    def work():
        begun.set()
        imported("holdall_slow")

    async def body():
        working = run_async(work)
        while not begun.is_set() or "holdall_slow" not in sys.modules:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)
        before = len(waits)
        importlib.import_module("holdall_slow")
        found = len(waits) - before
        await working
        return found

    try:
        assert asyncio.run(body()) <= 30  # of some hundred milliseconds
    finally:
        sys.modules.pop("holdall_slow", None)
