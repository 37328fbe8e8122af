"""Listing: literal prefixes, delimiter, order, pages."""

from __future__ import annotations

import pytest

from holdall.errors import InvalidKeyError, NotSupportedError
from holdall.store import Store
from holdall.testing.colour import NAMES, Colour, colour_named
from holdall.testing.contract.base import Cases, ContractBase, keys_of, listed, needs, prefixes_of
from holdall.testing.ground import Ground

TREE = ("a", "b/1", "b/2", "b/c/3", "ba", "bb/x", "logs/2026-11-01", "logs/2026-12-01", "z")

LEVELS: tuple[tuple[str, list[str], list[str]], ...] = (
    ("", ["a", "ba", "z"], ["b/", "bb/", "logs/"]),
    ("b", ["ba"], ["b/", "bb/"]),
    ("b/", ["b/1", "b/2"], ["b/c/"]),
    ("b/c", [], ["b/c/"]),
    ("b/c/", ["b/c/3"], []),
    ("logs/2026-1", ["logs/2026-11-01", "logs/2026-12-01"], []),
    ("l", [], ["logs/"]),
    ("nothing/", [], []),
)


class ListContract(ContractBase):
    """What those who list may rely on."""

    @pytest.fixture
    def tree(self, ground: Ground) -> tuple[str, ...]:
        """A few objects in a few places."""
        ground.write_many({key: key.encode() for key in TREE})
        return TREE

    def test_list_refused(self, verbs: Store) -> None:
        """A store that cannot list says so."""
        if not verbs.capabilities.list:
            with pytest.raises((NotSupportedError, PermissionError)):
                list(verbs.list(""))

    @needs("list")
    def test_list_of_nothing(self, verbs: Store) -> None:
        """An empty store, and a prefix without objects, give nothing."""
        assert keys_of(verbs) == []
        assert keys_of(verbs, "no/such/") == []
        assert prefixes_of(verbs, delimiter="/") == []

    @needs("list")
    def test_list_all(self, verbs: Store, tree: tuple[str, ...]) -> None:
        """Everything, at any depth, in key order where the store says so."""
        found = keys_of(verbs)
        assert sorted(found) == sorted(tree)
        if verbs.capabilities.ordered:
            assert found == sorted(tree)
        assert {meta.key: meta.size for meta in listed(verbs)} == {key: len(key) for key in tree}

    @needs("list")
    def test_prefix_is_literal(self, verbs: Store, tree: tuple[str, ...]) -> None:
        """A prefix is text that keys start with; it may end within a segment."""
        with Cases() as case:
            for prefix in ("a", "b", "b/", "b/c", "b/c/", "b/c/3", "ba", "logs/2026-1", "logs/2026-12", "c", "B", "zz"):
                with case(prefix):
                    assert sorted(keys_of(verbs, prefix)) == sorted(key for key in tree if key.startswith(prefix))

    @needs("list")
    def test_delimiter(self, verbs: Store, tree: tuple[str, ...]) -> None:
        """With a delimiter, what lies deeper is grouped, each group once."""
        with Cases() as case:
            for prefix, objects, prefixes in LEVELS:
                with case(prefix):
                    assert sorted(keys_of(verbs, prefix, delimiter="/")) == objects
                    assert sorted(prefixes_of(verbs, prefix, delimiter="/")) == prefixes

    @needs("list")
    def test_start_after(self, verbs: Store, tree: tuple[str, ...]) -> None:
        """Only what is greater, whether the mark itself exists or not."""
        for mark in ("", "a", "b/1", "b/15", "b/c", "m", "z", "zz"):
            assert sorted(keys_of(verbs, start_after=mark)) == sorted(key for key in tree if key > mark)
        assert sorted(keys_of(verbs, "b/", start_after="b/1")) == ["b/2", "b/c/3"]
        assert keys_of(verbs, "b/", start_after="c") == []
        assert sorted(keys_of(verbs, "b/", start_after="a")) == ["b/1", "b/2", "b/c/3"]

    @needs("list")
    def test_start_after_with_a_delimiter(self, verbs: Store, tree: tuple[str, ...]) -> None:
        """Groups count as themselves, not as what they hold."""
        for mark, objects, prefixes in (
            ("a", ["ba", "z"], ["b/", "bb/", "logs/"]),
            ("b/", ["ba", "z"], ["bb/", "logs/"]),
            ("b/1", ["ba", "z"], ["bb/", "logs/"]),
            ("bb/", ["z"], ["logs/"]),
        ):
            assert sorted(keys_of(verbs, delimiter="/", start_after=mark)) == objects, mark
            assert sorted(prefixes_of(verbs, delimiter="/", start_after=mark)) == prefixes, mark

    @needs("list")
    def test_keys_that_begin_alike(self, verbs: Store, ground: Ground) -> None:
        """Order is that of code points over the whole key, not segment by segment."""
        keys = ["a b", "a!", "a-/x", "a-b", "a.txt", "a/x", "a0", "aa"]
        ground.write_many(dict.fromkeys(keys, b"x"))
        found = keys_of(verbs)
        assert sorted(found) == keys
        if verbs.capabilities.ordered:
            assert found == keys

    @needs("list")
    def test_many_keys(self, store: Store, ground: Ground) -> None:
        """A listing longer than a page is complete, without repeats, and lazy: one page can be taken alone."""
        keys = [f"many/{i // 100:02}/{i:05}" for i in range(self.many)]
        ground.write_many(dict.fromkeys(keys, b"x"))
        for name in NAMES:
            with colour_named(name) as colour:
                self._check_many(colour(store), keys)

    def _check_many(self, verbs: Store, keys: list[str]) -> None:
        found = keys_of(verbs, "many/")
        assert len(found) == len(keys)
        assert sorted(found) == keys
        pages = iter(verbs.list("many/"))
        first = next(pages)
        assert 0 < len(first.objects) <= 1000
        close = getattr(pages, "close", None)
        if close is not None:
            close()
        assert sorted(keys_of(verbs, "many/", start_after=keys[self.many - 20])) == keys[self.many - 19 :]
        groups = prefixes_of(verbs, "many/", delimiter="/")
        assert sorted(groups) == sorted({key[:8] for key in keys})

    @needs("list")
    def test_two_listings_at_once(self, verbs: Store, tree: tuple[str, ...]) -> None:
        """Iterators of one store do not disturb each other."""
        one, two = verbs.list(), verbs.list("b")
        first, second = list(one), list(two)
        assert sorted(meta.key for page in first for meta in page.objects) == sorted(tree)
        assert sorted(meta.key for page in second for meta in page.objects) == ["b/1", "b/2", "b/c/3", "ba", "bb/x"]

    @needs("list")
    def test_listing_while_deleting(self, verbs: Store, ground: Ground) -> None:
        """Objects that vanish during a listing do not break it."""
        keys = [f"v/{i:03}" for i in range(50)]
        ground.write_many(dict.fromkeys(keys, b"x"))
        seen = []
        for page in verbs.list("v/"):
            for meta in page.objects:
                seen.append(meta.key)
                if meta.key in ground.everything():
                    ground.delete(meta.key)
        assert sorted(seen) == keys
        assert keys_of(verbs, "v/") == []

    @needs("list")
    def test_bad_prefixes(self, verbs: Store) -> None:
        """A prefix that climbs out is refused."""
        for prefix in ("../", "/etc", "a/../b", "a\0b"):
            with pytest.raises(InvalidKeyError):
                keys_of(verbs, prefix)

    @needs("list")
    def test_unknown_delimiter(self, verbs: Store) -> None:
        """Only "/" groups."""
        with pytest.raises((ValueError, NotSupportedError)):
            keys_of(verbs, delimiter="-")

    @needs("list")
    def test_list_hides_the_reserved_prefix(self, verbs: Store, ground: Ground) -> None:
        """Holdall's own objects are not users' objects."""
        ground.write_many({".holdall/x": b"1", ".holdall/j/y": b"2", ".holdall2": b"3", "a": b"4"})
        assert sorted(keys_of(verbs)) == [".holdall2", "a"]
        assert sorted(keys_of(verbs, ".")) == [".holdall2"]
        assert prefixes_of(verbs, delimiter="/") == []

    @needs("list")
    def test_list_sees_what_was_just_written(self, verbs: Store, colour: Colour) -> None:
        """Listings are consistent with this store's own writes and deletes."""
        if not (verbs.capabilities.write and verbs.capabilities.delete):
            return
        for i in range(3):
            verbs.put(f"n/{i}", b"x")
            assert len(keys_of(verbs, "n/")) == i + 1
        verbs.delete("n/1")
        assert sorted(keys_of(verbs, "n/")) == ["n/0", "n/2"]
