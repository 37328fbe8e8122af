"""Imports beside an event loop: it has its turns meanwhile."""

import asyncio
import importlib.machinery
import subprocess
import sys

import pytest

from holdall import _imports
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


LIBRARY = """
import asyncio
from holdall import _imports
from holdall._concurrency import run_async
loaded, plain = [], _imports._libraries
def libraries(frame):
    loaded.extend(plain(frame))
    return plain(frame)
_imports._libraries = libraries
async def body():
    return await run_async(lambda: _imports.imported({name!r}))
assert asyncio.run(body()).__name__ == {name!r}
print(loaded)
"""


@pytest.mark.parametrize(("name", "library"), [("obstore", "_obstore"), ("ctypes.util", "")])
def test_shared_libraries_are_loaded_before_python_does(name, library):
    """In a process of its own: an extension is loaded once. What loads them needs one itself."""
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY.format(name=name)], capture_output=True, text=True, check=True, timeout=60
    )
    assert library in done.stdout
