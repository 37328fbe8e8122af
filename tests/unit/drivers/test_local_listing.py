"""Listing a local tree: order of whole keys, lazy, bounded, and unbroken by what is odd in it."""

import logging
import os
import subprocess
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.leftovers import open_below

from holdall.core.keys import ReservedKey
from holdall.drivers import _local_listing, _local_system
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import UnavailableError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture(params=[True, False], ids=["relative", "by path"])
def store(root, request, monkeypatch):
    monkeypatch.setattr(_local_system, "RELATIVE", request.param)
    return LocalStore(root)


def make(root, *keys):
    for key in keys:
        path = root / key
        if key.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(key.encode())


def everything(store, prefix="", **options):
    """Return the keys and the prefixes of a listing, each as they came."""
    pages = list(store.list(prefix, **options))
    assert all(page.objects or page.prefixes for page in pages)
    return [meta.key for page in pages for meta in page.objects], [name for page in pages for name in page.prefixes]


# -- against a model --------------------------------------------------------------------------------------------------


SEGMENT = st.text(st.sampled_from("a-/!0é~. \U0001f392"), min_size=1, max_size=3).map(lambda t: t.replace("/", "b"))
KEY = st.lists(SEGMENT.filter(lambda s: s not in {".", ".."}), min_size=1, max_size=4).map("/".join)
MARK = st.text(st.sampled_from("a-/!0é~.b \U0001f392"), max_size=6)


def consistent(keys):
    """Drop keys that need a directory where another key has a file."""
    kept = set()
    for key in sorted(keys, key=len):
        above = {key[:i] for i, c in enumerate(key) if c == "/"}
        if not above & kept and not any(other.startswith(f"{key}/") for other in kept):
            kept.add(key)
    return kept


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(KEY, max_size=14).map(consistent), prefix=MARK, after=st.none() | MARK | KEY, page=st.integers(1, 5))
def test_it_lists_as_memory_does(tmp_path_factory, monkeypatch, keys, prefix, after, page):
    """With and without delimiter, any prefix, any mark, any page size."""
    monkeypatch.setattr(_local_listing, "PAGE", page)
    root = tmp_path_factory.mktemp("model")
    make(root, *keys)
    model, local = MemoryStore(), LocalStore(root)
    for key in keys:
        model.put(key, key.encode())
    for delimiter in (None, "/"):
        try:
            wanted = everything(model, prefix, delimiter=delimiter, start_after=after)
        except ValueError as error:
            with pytest.raises(type(error)):
                everything(local, prefix, delimiter=delimiter, start_after=after)
            continue
        assert everything(local, prefix, delimiter=delimiter, start_after=after) == wanted
        assert wanted[0] == sorted(wanted[0])
        for found in local.list(prefix, delimiter=delimiter, start_after=after):
            assert len(found.objects) + len(found.prefixes) <= page


@settings(max_examples=60, deadline=None)
@given(keys=st.sets(KEY, min_size=1, max_size=14).map(consistent), page=st.integers(1, 3))
def test_going_on_from_any_key(tmp_path_factory, keys, page):
    """A listing cut anywhere and taken up with start_after is the whole listing."""
    root = tmp_path_factory.mktemp("model")
    make(root, *keys)
    store = LocalStore(root)
    after, found = None, []
    while True:
        rest = everything(store, start_after=after)[0][:page]
        if not rest:
            break
        found += rest
        after = rest[-1]
    assert found == sorted(keys)


# -- directories ------------------------------------------------------------------------------------------------------


def test_empty_directories_stand_in_prefixes(colour, store, root):
    verbs = colour(store)
    make(root, "a/x", "a/empty/", "deep/er/est/", "z/")
    assert everything(verbs) == (["a/x"], ["a/empty/", "deep/er/est/", "z/"])
    assert everything(verbs, "a") == (["a/x"], ["a/empty/"])
    assert everything(verbs, "a/empty/") == ([], ["a/empty/"]), "a copy of it keeps it"
    assert everything(verbs, "a/empty/", delimiter="/") == ([], []), "it is not within itself"
    assert everything(verbs, "deep/er") == ([], ["deep/er/est/"])
    assert everything(verbs, "deep/er/") == ([], ["deep/er/est/"])
    assert everything(verbs, start_after="a/empty/") == (["a/x"], ["deep/er/est/", "z/"])
    assert everything(verbs, "a/empty/", start_after="a/empty/") == ([], [])
    assert everything(verbs, delimiter="/") == ([], ["a/", "deep/", "z/"])
    assert everything(verbs, delimiter="/", start_after="deep/") == ([], ["z/"])


def test_an_empty_root(colour, store):
    verbs = colour(store)
    for prefix in ("", "a", "a/", "a/b/c"):
        assert everything(verbs, prefix) == ([], [])
        assert everything(verbs, prefix, delimiter="/") == ([], [])


def test_a_prefix_below_a_file(colour, store, root):
    verbs = colour(store)
    make(root, "f", "d/x")
    for prefix in ("f/", "f/x", "f/x/y", "d/x/", "a//b", "d//", "no/such/place"):
        assert everything(verbs, prefix) == ([], [])
    assert everything(verbs, "f") == (["f"], [])
    assert everything(verbs, "d/x") == (["d/x"], [])


def test_hidden_things(colour, store, root):
    verbs = colour(store)
    make(
        root,
        ".holdall/meta/x",
        "d/.holdall-1.tmp",
        "d/.holdall/x",
        ".holdall-mine",
        ".holdallx",
        ".hidden",
        "e/.holdall-2.tmp",
    )
    assert everything(verbs) == ([".hidden", ".holdallx"], ["d/", "e/"])
    assert everything(verbs, ".holdall") == ([".holdallx"], [])
    assert everything(verbs, ".holdall/") == ([], [])
    ours, _ = everything(verbs, ReservedKey(".holdall"))
    assert ours == [".holdall-mine", ".holdall/meta/x", ".holdallx"]
    ours, _ = everything(verbs, ReservedKey("d/"))
    assert ours == ["d/.holdall/x"], "temporary files are never shown"


# -- odd things -------------------------------------------------------------------------------------------------------


def test_names_that_cannot_be_keys(colour, store, root, caplog):
    make(root, "a/good", "z")
    os.mkdir(os.fsencode(root) + b"/a/bad\xff")
    with open(os.fsencode(root) + b"/a/b\xff", "wb"):
        pass
    with caplog.at_level(logging.WARNING, logger="holdall.local"):
        assert everything(colour(store)) == (["a/good", "z"], [])
    assert len(caplog.records) == 2
    assert "not listed" in caplog.text


def test_trees_deeper_than_any_key(colour, store, root, caplog):
    make(root, "a", "z")
    here = os.getcwd()
    os.chdir(root)
    try:
        for _ in range(8):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
            with open("f", "wb"):
                pass
    finally:
        os.chdir(here)
    with caplog.at_level(logging.WARNING, logger="holdall.local"):
        keys, _ = everything(colour(store))
    assert [key for key in keys if len(key) < 5] == ["a", "z"]
    assert len(keys) == 7
    assert max(map(len, keys)) <= 1024
    assert "not listed" in caplog.text
    assert [colour(store).head(key).size for key in keys[1:-1]] == [0] * 5
    subprocess.run(["rm", "-rf", str(root)], check=True)


def test_links_in_circles_end(colour, store, root):
    make(root, "a/x", "b/y")
    (root / "a/self").symlink_to(".")
    (root / "a/up").symlink_to("..")
    (root / "a/to-b").symlink_to("../b")
    (root / "b/to-a").symlink_to("../a")
    (root / "circle").symlink_to("circle")
    keys, _ = everything(colour(store))
    assert {"a/x", "b/y", "a/to-b/y", "b/to-a/x"} <= set(keys)
    assert keys == sorted(keys)
    assert len(keys) < 12


def test_linked_directories_sort_as_directories(colour, store, root):
    make(root, "real/x", "d-1", "d.txt", "d0")
    (root / "d").symlink_to("real")
    (root / "f").symlink_to("d0")
    assert everything(colour(store)) == (["d-1", "d.txt", "d/x", "d0", "f", "real/x"], [])
    assert everything(colour(store), delimiter="/") == (["d-1", "d.txt", "d0", "f"], ["d/", "real/"])
    linked = {meta.key: meta for page in store.list() for meta in page.objects}
    assert linked["f"].etag == linked["d0"].etag == store.head("f").etag
    assert linked["f"].size == 2


@pytest.mark.parametrize("victim", ["a", "c/deep", "c", "m", "z"])
def test_what_vanishes_meanwhile(store, root, monkeypatch, victim):
    """Files and directories that are removed after the walk has read their names."""
    make(root, "a", "b/1", "c/deep/1", "c/2", "m/1", "z")
    before = everything(store)[0]
    read = _local_listing._Walk._read

    def removing(self, level):
        empty = read(self, level)
        if level.key == "":
            subprocess.run(["rm", "-rf", str(root / victim)], check=True)
        return empty

    monkeypatch.setattr(_local_listing._Walk, "_read", removing)
    assert everything(store)[0] == [key for key in before if key != victim and not key.startswith(f"{victim}/")]


def test_what_becomes_something_else_meanwhile(store, root, monkeypatch):
    make(root, "a", "b/1", "c/1", "z")
    read = _local_listing._Walk._read

    def changing(self, level):
        empty = read(self, level)
        if level.key == "":
            os.unlink(root / "a")
            os.mkdir(root / "a")
            subprocess.run(["rm", "-r", str(root / "b")], check=True)
            (root / "b").write_bytes(b"file now")
            subprocess.run(["rm", "-r", str(root / "c")], check=True)
            (root / "c").symlink_to("/etc")
        return empty

    monkeypatch.setattr(_local_listing._Walk, "_read", changing)
    assert everything(store) == (["z"], [])


def test_a_failing_directory_breaks_the_listing(store, root, monkeypatch):
    """To leave it out would be a lie: a sync would delete its copy."""
    make(root, "a", "b/1", "z")
    scandir = os.scandir
    seen = []

    def failing(path):
        seen.append(path)
        if len(seen) == 2:
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(UnavailableError) as caught:
        everything(store)
    assert caught.value.key == "b/"


def test_no_descriptor_is_left(colour, store, root):
    make(root, *(f"a/b/c/{i}/x" for i in range(30)))
    verbs = colour(store)
    everything(verbs)
    before = open_below(root)
    for _ in range(5):
        pages = iter(verbs.list())
        next(pages)
        pages.close()
        everything(verbs)
    assert open_below(root) == before
    listing = store.list()
    next(listing)
    del listing
    assert open_below(root) == before


def test_errors_come_before_the_first_page(store):
    for bad in ("../", "/x", "a\0"):
        with pytest.raises(ValueError, match=r"key|Parent"):
            store.list(bad)
    with pytest.raises(ValueError, match="delimiter"):
        store.list(delimiter="-")
    with pytest.raises(TypeError):
        store.list(7)


# -- size -------------------------------------------------------------------------------------------------------------


def test_the_first_page_does_not_wait_for_the_tree(store, root, monkeypatch):
    """Lazy: a page touches the directories up to its end, no others."""
    make(root, *(f"{i:03}/{j}" for i in range(40) for j in range(5)))
    monkeypatch.setattr(_local_listing, "PAGE", 10)
    scandir = os.scandir
    read = []
    monkeypatch.setattr(os, "scandir", lambda path: read.append(path) or scandir(path))
    pages = store.list()
    assert read == []
    assert [meta.key for meta in next(pages).objects] == [f"{i:03}/{j}" for i in range(2) for j in range(5)]
    assert len(read) <= 4
    read.clear()
    assert next(store.list(start_after="038/4")).objects[0].key == "039/0"
    assert len(read) == 3, "the root, 038/ for what comes after its 4, and 039/: the others are skipped unread"
    read.clear()
    assert len(next(store.list("020/")).objects) == 5
    assert len(read) == 1


def test_memory_of_a_large_directory_is_bounded(root):
    """50,000 files take the memory of their names, not of their descriptions."""
    for i in range(50_000):
        os.close(os.open(root / f"{i:05}-with-a-name-of-forty-characters-----", os.O_CREAT | os.O_WRONLY))
    store = LocalStore(root)
    tracemalloc.start()
    try:
        count = sum(len(page.objects) for page in store.list())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 50_000
    assert peak < 50_000 * 150 + 2_000_000, f"{peak:,} bytes"
