"""`DynamicPrefixStore`: a place told anew for each operation."""

import asyncio
import contextvars
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    ConfigError,
    InvalidKeyError,
    IsDirectoryError,
    NotFoundError,
    NotSupportedError,
)
from holdall.testing import colour_named
from holdall.wrappers.dynamic import DynamicPrefixStore


@pytest.fixture(params=["blocking", "async"])
def colour(request):
    with colour_named(request.param) as colour:
        yield colour


class Turn:
    """Answers another prefix each time, and counts."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return f"turn{self.calls}"


OPERATIONS = {
    "get": lambda s: s.get("k"),
    "get_ranges": lambda s: s.get_ranges("k", [(0, 1)]),
    "put": lambda s: s.put("k", b"1"),
    "head": lambda s: s.head("k"),
    "list": lambda s: list(s.list()),
    "delete": lambda s: s.delete("k"),
    "delete of many": lambda s: s.delete(iter(["k", "l", "m"])),
    "copy": lambda s: s.copy("k", "l"),
    "rename": lambda s: s.rename("k", "l"),
    "tags": lambda s: s.tags("k"),
    "parts": lambda s: s.parts("k"),
    "uploads": lambda s: s.uploads(),
}


@pytest.mark.parametrize("verb", OPERATIONS)
def test_once_per_operation(colour, verb):
    inner, turn = MemoryStore(), Turn()
    inner.put("turn1/k", b"1")
    store = colour(DynamicPrefixStore(inner, turn))
    assert turn.calls == 0
    OPERATIONS[verb](store)
    assert turn.calls == 1


def test_one_copy_does_not_straddle_two_answers(colour):
    inner, turn = MemoryStore(), Turn()
    inner.put("turn1/src", b"first")
    inner.put("turn2/src", b"second")
    store = colour(DynamicPrefixStore(inner, turn))
    store.copy("src", "dst")
    store.rename("src", "dst")
    assert inner.get("turn1/dst").bytes() == b"first"
    assert inner.get("turn2/dst").bytes() == b"second"


def test_parts_are_one_operation(colour):
    inner, turn = MemoryStore(), Turn()
    inner.put("turn1/src", b"first")
    with colour(DynamicPrefixStore(inner, turn)).parts("k") as writer:
        writer.copy_part(1, "src", (0, 5))
        assert writer.complete().key == "k"
    assert inner.get("turn1/k").bytes() == b"first"
    assert turn.calls == 1


def test_a_listing_belongs_to_the_moment_it_was_asked_for(colour):
    inner = MemoryStore()
    inner.put("me/mine", b"1")
    inner.put("you/yours", b"2")
    user = ["me"]
    pages = colour(DynamicPrefixStore(inner, lambda: user[0])).list()
    user[0] = "you"
    assert [meta.key for page in pages for meta in page.objects] == ["mine"]


# -- switched ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked():
    return []


@pytest.fixture
def switched(asked):
    def place(segment):
        asked.append(segment)
        return f"tenants/{segment.upper()}"

    return DynamicPrefixStore(MemoryStore(), place)


def test_the_first_segment_chooses(switched, asked, colour):
    store = colour(switched)
    assert store.put("acme/a/b.txt", b"1").key == "acme/a/b.txt"
    assert switched.inner.get("tenants/ACME/a/b.txt").bytes() == b"1"
    assert store.get("acme/a/b.txt").meta.key == "acme/a/b.txt"
    assert store.head("acme/a/b.txt").key == "acme/a/b.txt"
    assert asked == ["acme"] * 3
    assert [meta.key for page in store.list("acme/") for meta in page.objects] == ["acme/a/b.txt"]
    assert [list(page.prefixes) for page in store.list("acme/", delimiter="/")] == [["acme/a/"]]
    with pytest.raises(NotFoundError, match="'acme/none'") as caught:
        store.head("acme/none")
    assert caught.value.key == "acme/none"
    assert switched.locate("acme/x") == (switched.inner, "tenants/ACME/x")
    assert switched.switched


def test_between_two_segments(switched, asked, colour):
    store = colour(switched)
    store.put("one/k", b"1")
    asked.clear()
    store.copy("one/k", "two/k")
    assert sorted(asked) == ["one", "two"]
    store.rename("two/k", "three/k")
    assert sorted(meta.key for page in switched.inner.list() for meta in page.objects) == [
        "tenants/ONE/k",
        "tenants/THREE/k",
    ]
    with pytest.raises(NotFoundError) as caught:
        store.copy("one/none", "two/k")
    assert caught.value.key == "one/none"


def test_delete_of_many_asks_once_for_each_segment(switched, asked, colour):
    store = colour(switched)
    keys = [f"{tenant}/{i}" for i in range(1500) for tenant in ("one", "two")]
    for key in keys[:10]:
        store.put(key, b"1")
    asked.clear()
    results = store.delete(iter(keys))
    assert [result.key for result in results] == keys
    assert [result.existed for result in results[:12]] == [True] * 10 + [False] * 2
    assert asked == ["one", "two"]
    assert list(switched.inner.list()) == []


def test_the_root_cannot_be_listed(switched, asked, colour):
    store = colour(switched)
    for prefix in ("", "acm"):
        with pytest.raises(NotSupportedError, match="root"):
            list(store.list(prefix))
        with pytest.raises(NotSupportedError):
            store.uploads(prefix)
    for prefix in ("../", "/x/"):
        with pytest.raises(InvalidKeyError):
            list(store.list(prefix))
    assert asked == []


def test_a_segment_alone_is_a_place(switched, asked, colour):
    store = colour(switched)
    with pytest.raises(NotFoundError):
        store.get("acme")
    with pytest.raises(IsDirectoryError):
        store.put("acme", b"1")
    for bad in ("../x", "acme/../../x", "/acme/x", ""):
        with pytest.raises(InvalidKeyError):
            store.get(bad)
    assert asked == []


def test_marks_of_a_switched_listing(switched, colour):
    store = colour(switched)
    for key in ("b/1", "b/2"):
        store.put(key, b"")
    found = {
        mark: [meta.key for page in store.list("b/", start_after=mark) for meta in page.objects]
        for mark in ("a", "a/9", "b", "b/", "b/1", "b/2", "b0", "c")
    }
    both = ["b/1", "b/2"]
    assert found == {"a": both, "a/9": both, "b": both, "b/": both, "b/1": ["b/2"], "b/2": [], "b0": [], "c": []}


# -- what functions may be and answer ---------------------------------------------------------------------------------


class Callable1:
    async def __call__(self, segment):
        return segment


async def tenant(segment):
    await asyncio.sleep(0)
    return segment


async def fixed():
    return "fixed"


def test_coroutine_functions_serve_the_async_colour():
    for function, key, below in ((fixed, "k", "fixed/k"), (tenant, "t/k", "t/k"), (Callable1(), "t/k", "t/k")):
        inner = MemoryStore()
        store = DynamicPrefixStore(inner, function)

        async def use(store=store, key=key):
            await store.put_async(key, b"1")
            await store.copy_async(key, key + "2")
            prefix = key.rpartition("/")[0]
            return [meta.key async for page in store.list_async(prefix and prefix + "/") for meta in page.objects]

        assert asyncio.run(use()) == [key, key + "2"]
        assert inner.head(below)
        with pytest.raises(NotSupportedError, match="async verbs only"):
            store.get(key)
        assert store.locate(key) == (store, key)
        assert store.local_path(key) is None
        assert store.url(key) is None


def test_a_plain_function_may_answer_an_awaitable():
    inner = MemoryStore()
    store = DynamicPrefixStore(inner, lambda: asyncio.sleep(0, "fixed"))

    async def use():
        await store.put_async("k", b"1")
        return [meta.key async for page in store.list_async() for meta in page.objects]

    assert asyncio.run(use()) == ["k"]
    with pytest.raises(NotSupportedError, match="async verbs only"):
        store.get("k")


def test_arguments():
    inner = MemoryStore()
    assert not DynamicPrefixStore(inner, lambda user="me": user).switched
    assert not DynamicPrefixStore(inner, lambda *rest: "x").switched
    assert DynamicPrefixStore(inner, functools.partial(lambda a, b: b, "x")).switched
    for bad in (lambda a, b: "x", lambda *, needed: "x"):
        with pytest.raises(ConfigError):
            DynamicPrefixStore(inner, bad)


@pytest.mark.parametrize("answer", ["", "/abs", "../up", "a/../../b", "a\0", ".", ".holdall/x", None, 7, b"bytes"])
def test_answers_that_escape(colour, answer):
    inner = MemoryStore()
    with pytest.raises(InvalidKeyError, match="Path escapes base directory"):
        colour(DynamicPrefixStore(inner, lambda: answer)).put("k", b"1")
    assert list(inner.list()) == []


def test_answers_below_a_root(tmp_path, colour):
    inner = LocalStore(tmp_path)
    answer = [tmp_path / "me"]
    store = colour(DynamicPrefixStore(inner, lambda: answer[0], root=tmp_path))
    store.put("k", b"1")
    assert (tmp_path / "me" / "k").read_bytes() == b"1"
    answer[0] = f"{tmp_path}//me/./deeper/"
    store.put("k", b"2")
    assert (tmp_path / "me" / "deeper" / "k").read_bytes() == b"2"
    for bad in ("me", "", str(tmp_path), f"{tmp_path}/../other", f"{tmp_path}/me/../..", "/etc", f"{tmp_path}2/x", "../x"):
        answer[0] = bad
        with pytest.raises(InvalidKeyError, match="Path escapes base directory"):
            store.get("k")
    with pytest.raises(ConfigError):
        DynamicPrefixStore(inner, lambda: "x", root="relative")


def test_links_out_of_a_store_that_is_answered_are_refused(tmp_path, colour):
    """A store per answer has a root of its own: a link from one tenant to another leads nowhere."""
    for tenant_name in ("one", "two"):
        (tmp_path / tenant_name).mkdir()
    (tmp_path / "two" / "secret").write_bytes(b"secret")
    (tmp_path / "one" / "link").symlink_to(tmp_path / "two")
    store = colour(DynamicPrefixStore(LocalStore(tmp_path), lambda name: LocalStore(tmp_path / name)))
    assert store.get("two/secret").bytes() == b"secret"
    with pytest.raises((NotFoundError, PermissionError, InvalidKeyError)):
        store.get("one/link/secret").bytes()


def test_between_stores_that_are_answered(colour):
    stores = {"one": MemoryStore(), "two": MemoryStore()}
    store = colour(DynamicPrefixStore(MemoryStore(), lambda name: stores[name]))
    store.put("one/k", b"1")
    store.copy("one/k", "two/k")
    assert stores["two"].get("k").bytes() == b"1"
    with pytest.raises(NotSupportedError, match="different stores"):
        store.rename("one/k", "two/k2")
    with store.parts("two/p") as writer:
        writer.copy_part(1, "one/k", (0, 1))
        writer.complete()
    assert stores["two"].get("p").bytes() == b"1"
    results = store.delete(["one/k", "two/k", "two/p", "one/none"])
    assert [(r.key, r.existed) for r in results] == [
        ("one/k", True),
        ("two/k", True),
        ("two/p", True),
        ("one/none", False),
    ]


def test_what_the_function_raises_comes_out(colour):
    class OddError(Exception):
        pass

    def odd():
        raise OddError

    with pytest.raises(OddError):
        colour(DynamicPrefixStore(MemoryStore(), odd)).get("k")


def test_identity_is_its_own():
    inner = MemoryStore()
    one, two = DynamicPrefixStore(inner, lambda: "x"), DynamicPrefixStore(inner, lambda: "x")
    assert one.identity == one.identity
    assert len({inner.identity, one.identity, two.identity}) == 3
    assert repr(DynamicPrefixStore(inner, tenant)) == "DynamicPrefixStore(MemoryStore(), tenant)"


# -- each tenant its own, at the same time -----------------------------------------------------------------------------

user = contextvars.ContextVar("user")


def test_tenants_in_tasks():
    inner = MemoryStore()
    store = DynamicPrefixStore(inner, user.get)

    async def one(name):
        user.set(name)
        for i in range(20):
            await store.put_async(f"k{i}", name.encode())
            await asyncio.sleep(0)
            assert await (await store.get_async(f"k{i}")).bytes_async() == name.encode()
        return [meta.key async for page in store.list_async() for meta in page.objects]

    async def all_of_them():
        return await asyncio.gather(*(asyncio.create_task(one(f"user{i}")) for i in range(10)))

    assert [len(keys) for keys in asyncio.run(all_of_them())] == [20] * 10


def test_tenants_in_threads():
    inner, here = MemoryStore(), threading.local()
    store = DynamicPrefixStore(inner, lambda: here.name)

    def one(name):
        here.name = name
        for i in range(50):
            store.put(f"k{i}", name.encode())
            assert store.get(f"k{i}").bytes() == name.encode()
        return sum(len(page.objects) for page in store.list())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, [f"user{i}" for i in range(8)])) == [50] * 8
