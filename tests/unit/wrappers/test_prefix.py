"""`PrefixStore`: both directions of keys, in results and in errors; nothing leads out."""

import asyncio
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.keys import ReservedKey, check_key
from holdall.core.options import PutOptions
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    AlreadyExistsError,
    InvalidKeyError,
    NotFoundError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from holdall.results import GetResult
from holdall.testing import colour_named
from holdall.wrappers._place import Place
from holdall.wrappers.forwarding import ForwardingStore
from holdall.wrappers.prefix import PrefixStore


@pytest.fixture(params=["blocking", "async"])
def colour(request):
    with colour_named(request.param) as colour:
        yield colour


@pytest.fixture
def inner():
    store = MemoryStore()
    for key in ("a/x", "a/d/y", "ab", "b/z", "a/.holdall/ours"):
        store.put(ReservedKey(key), key.encode())
    return store


def test_a_prefix_gets_its_slash():
    store = MemoryStore()
    assert [PrefixStore(store, given).prefix for given in ("a", "a/", "a/b", "")] == ["a/", "a/", "a/b/", ""]


@pytest.mark.parametrize("bad", ["/a", "../a", "a/../b", "a\0", ".", ".holdall", "x" * 1100])
def test_bad_prefixes(bad):
    with pytest.raises(InvalidKeyError):
        PrefixStore(MemoryStore(), bad)


def test_prefixes_of_prefixes_are_one(inner):
    store = PrefixStore(PrefixStore(PrefixStore(inner, "a"), ""), "d")
    assert repr(store) == "PrefixStore('a/d/', MemoryStore())"
    assert store.inner is inner
    assert store.get("y").bytes() == b"a/d/y"
    assert store.identity == inner.identity.below("a/d/")
    assert PrefixStore(ForwardingStore(PrefixStore(inner, "a")), "d").get("y").bytes() == b"a/d/y"


def test_only_what_is_below_is_there(inner, colour):
    store = colour(PrefixStore(inner, "a"))
    pages = list(store.list())
    assert [meta.key for page in pages for meta in page.objects] == ["d/y", "x"]
    for key in ("ab", "b/z", "a/x"):
        with pytest.raises(NotFoundError):
            store.head(key)
    for key in ("../ab", "d/../../b/z", "/ab"):
        with pytest.raises(InvalidKeyError) as caught:
            store.get(key)
        assert caught.value.key == key
    with pytest.raises(InvalidKeyError):
        list(store.list("../"))


def test_what_is_ours_stays_hidden_and_reachable_as_such(inner, colour):
    store = colour(PrefixStore(inner, "a"))
    with pytest.raises(InvalidKeyError):
        store.get(".holdall/ours")
    assert store.get(ReservedKey(".holdall/ours")).bytes() == b"a/.holdall/ours"
    found = [meta.key for page in store.list(ReservedKey(".holdall/")) for meta in page.objects]
    assert found == [".holdall/ours"]
    ours = colour(PrefixStore(inner, ReservedKey("a/.holdall")))
    assert ours.get("ours").bytes() == b"a/.holdall/ours"
    ours.put("new", b"1")
    assert sorted(meta.key for page in ours.list() for meta in page.objects) == ["new", "ours"]


def test_its_own_marker_is_hidden(colour):
    inner = MemoryStore()
    for key in ("a/", "a/d/", "a/d/x"):
        inner.put(key, b"")
    store = colour(PrefixStore(inner, "a"))
    assert [meta.key for page in store.list() for meta in page.objects] == ["d/", "d/x"]
    assert [list(page.prefixes) for page in store.list(delimiter="/")] == [["d/"]]
    inner.delete(["a/d/", "a/d/x"])
    assert list(store.list()) == []


def test_an_empty_real_directory_at_the_prefix(tmp_path, colour):
    (tmp_path / "a" / "empty").mkdir(parents=True)
    store = colour(PrefixStore(LocalStore(tmp_path), "a"))
    assert [list(page.prefixes) for page in store.list()] == [["empty/"]]
    store.delete("empty/")
    assert list(store.list()) == []


def test_the_longest_key_is_shorter_below(colour):
    store = colour(PrefixStore(MemoryStore(), "ü" * 10))
    longest = store.capabilities.max_key_bytes
    assert longest == 1024 - 21
    store.put("x" * longest, b"1")
    with pytest.raises(InvalidKeyError) as caught:
        store.put("x" * (longest + 1), b"1")
    assert caught.value.key == "x" * (longest + 1)


# -- errors -----------------------------------------------------------------------------------------------------------


def test_errors_speak_of_the_outer_key(inner, colour):
    store = colour(PrefixStore(inner, "a"))
    shown = "PrefixStore('a/', MemoryStore())"
    for call, kind, key in (
        (lambda: store.head("no"), NotFoundError, "no"),
        (lambda: store.get("no"), NotFoundError, "no"),
        (lambda: store.copy("no", "x"), NotFoundError, "no"),
        (lambda: store.rename("no", "x"), NotFoundError, "no"),
        (lambda: store.put("x", b"1", PutOptions(mode="create")), AlreadyExistsError, "x"),
        (lambda: store.get_ranges("x", [(50, 51)]), RangeNotSatisfiableError, "x"),
        (lambda: store.put("d/", b"bytes"), InvalidKeyError, "d/"),
    ):
        with pytest.raises(kind) as caught:
            call()
        error = caught.value
        assert type(error) is kind
        assert error.key == key
        assert error.store in {shown, None}
        assert repr(key) in error.message or kind is RangeNotSatisfiableError
        assert "a/" not in error.message


def test_errors_keep_class_cause_and_traceback(tmp_path, colour):
    (tmp_path / "a" / "d").mkdir(parents=True)
    (tmp_path / "a" / "d" / "x").write_bytes(b"1")
    store = colour(PrefixStore(LocalStore(tmp_path), "a"))
    with pytest.raises(OSError, match="'d/'") as caught:
        store.delete("d/")
    with pytest.raises(type(caught.value)) as plain:
        LocalStore(tmp_path).delete("a/d/")
    assert caught.value.key == "d/"
    assert type(caught.value) is type(plain.value)
    assert type(caught.value.__cause__) is type(plain.value.__cause__)
    assert any("holdall/drivers" in frame.filename for frame in traceback.extract_tb(caught.value.__traceback__))


def test_results_of_a_delete_carry_outer_keys(inner, colour):
    class Refusing(ForwardingStore):
        def delete(self, keys, *, if_match=None):
            return self.fail(super().delete(keys, if_match=if_match))

        async def delete_async(self, keys, *, if_match=None):
            return self.fail(await super().delete_async(keys, if_match=if_match))

        def fail(self, results):
            error = UnavailableError(f"no answer for {results[0].key!r}", key=results[0].key, store=self)
            return [type(results[0])(key=results[0].key, error=error), *results[1:]]

    store = colour(PrefixStore(Refusing(inner), "a"))
    first, second = store.delete(key for key in ("x", "d/y"))
    assert (first.key, second.key, second.existed) == ("x", "d/y", True)
    assert (first.error.key, first.error.message) == ("x", "no answer for 'x'")


def test_a_bad_key_in_a_lazy_delete_is_named_as_given(inner, colour):
    with pytest.raises(InvalidKeyError) as caught:
        colour(PrefixStore(inner, "a")).delete(key for key in ("x", "a/../b"))
    assert caught.value.key == "a/../b"
    assert inner.head("a/x")


def test_a_body_that_breaks_speaks_of_the_outer_key(inner, colour):
    class Breaking(ForwardingStore):
        def get(self, key, options=None):
            meta = super().head(key)
            return GetResult(meta, self.body(key))

        async def get_async(self, key, options=None):
            meta = super().head(key)
            return GetResult(meta, self.body_async(key))

        def body(self, key):
            yield b"a"
            raise UnavailableError(f"{key!r} broke off", key=key, store=self)

        async def body_async(self, key):
            for chunk in self.body(key):
                yield chunk

    with pytest.raises(UnavailableError, match="'x' broke off") as caught:
        colour(PrefixStore(Breaking(inner), "a")).get("x").bytes()
    assert caught.value.key == "x"
    assert caught.value.store.startswith("PrefixStore")


def test_copy_from_another_store(inner, colour):
    other = MemoryStore()
    other.put("a/src", b"other")
    store = PrefixStore(inner, "a")
    colour(store).copy("a/src", "dst", source=other)
    assert inner.get("a/dst").bytes() == b"other"
    colour(store).copy("src", "dst2", source=PrefixStore(other, "a"))
    assert inner.get("a/dst2").bytes() == b"other"
    with pytest.raises(NotFoundError) as caught:
        colour(store).copy("a/none", "dst", source=other)
    assert caught.value.key == "a/none"  # the key of the other store is not taken for one of ours


def test_parts_speak_of_the_outer_key(inner, colour):
    store = colour(PrefixStore(inner, "a"))
    with store.parts("p") as writer:
        writer.copy_part(1, "x", (0, 2))
        with pytest.raises(NotFoundError) as caught:
            writer.copy_part(2, "no", (0, 1))
        assert caught.value.key == "no"
        assert [upload.key for upload in store.uploads("p")] == ["p"]
        writer.put_part(2, b"!")
        assert writer.complete().key == "p"
    assert inner.get("a/p").bytes() == b"a/!"
    other = MemoryStore()
    other.put("x", b"other")
    with store.parts("q") as writer:
        writer.copy_part(1, "x", (0, 5), source=other)
        writer.complete()
    assert inner.get("a/q").bytes() == b"other"


def test_addresses(tmp_path):
    store = PrefixStore(LocalStore(tmp_path), "a")
    assert store.local_path("x") == str(tmp_path / "a" / "x")
    assert store.locate("x") == (store.inner, "a/x")
    assert store.url("x") is None
    for method in (store.local_path, store.locate, store.url):
        with pytest.raises(InvalidKeyError):
            method("../x")


def test_a_listing_can_be_left(inner):
    async def first():
        page = await anext(PrefixStore(inner, "a").list_async())
        return page.objects[0].key

    assert asyncio.run(first()) == "d/y"


# -- the pure part ----------------------------------------------------------------------------------------------------

segments = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda s: s not in {".", ".."} and not s.startswith(".holdall")
)
keys = st.lists(segments, min_size=1, max_size=4).map("/".join)
prefixes = st.one_of(st.just(""), keys.map(lambda key: key + "/"))


@given(outer=prefixes, inner=prefixes, rest=keys)
def test_down_and_up_are_inverse(outer, inner, rest):
    place = Place(MemoryStore(), outer, inner, None)
    key = outer + rest
    below = place.down(key)
    assert below == inner + rest
    assert check_key(below).startswith(inner)
    assert place.up(below) == key


@given(outer=prefixes, inner=prefixes, rests=st.lists(keys, max_size=5, unique=True), mark=st.one_of(keys, prefixes))
def test_marks_mean_the_same_below(outer, inner, rests, mark):
    place = Place(MemoryStore(), outer, inner, None)
    expected = {rest for rest in rests if outer + rest > mark}
    down = place.down_mark(mark)
    found = set() if place.behind(mark) else {rest for rest in rests if down is None or inner + rest > down}
    assert found == expected
