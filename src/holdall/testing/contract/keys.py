"""Keys: what is refused before any I/O, and the odd ones that must stay reachable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdall.core.options import PutOptions, SignOptions
from holdall.errors import HoldallError, InvalidKeyError, NotFoundError, NotSupportedError
from holdall.store import Store
from holdall.testing.contract.base import Cases, ContractBase, keys_of, pattern, present, read
from holdall.testing.ground import Ground

BAD = ("", "/", "/abs", "..", "../x", "a/../b", "a/..", "./x", "a/./b", ".", "nul\0byte", "lone\udc80surrogate", "x" * 1025)
ODD = (
    "a//b",
    "a///b//c",
    "sp ace/a b",
    "ünïcödé/日本語.txt",
    "100%/50%25.txt",
    "%2F",
    "a%2Fb",
    "%2e%2e/x",
    "plus+and&=;,",
    "hash#frag",
    "query?x=1",
    "back\\slash",
    "col:on",
    "star*[x]{y}",
    "quote'\"`",
    "<xml>&amp;",
    "~tilde!$()@",
    "...",
    "..a/b..",
    ".hidden/.x",
    "trailing.",
    "trailing ",
    "new\nline",
    "tab\there",
    "e\u0301",
    "emoji/🎒.txt",
    "\u202eright-to-left",
    "CaSe/Key",
    "-dash",
    "con",
)
LONG = ("l" * 255, "/".join(["l" * 100] * 10) + "/" + "m" * 14, "ü" * 127)


def verbs_of_one_key(store: Store) -> dict[str, Callable[[str], Any]]:
    """Return every verb that takes a key, as a function of the key."""
    return {
        "get": store.get,
        "get_ranges": lambda key: store.get_ranges(key, [(0, 1)]),
        "put": lambda key: store.put(key, b"x"),
        "put_create": lambda key: store.put(key, b"x", PutOptions(mode="create")),
        "head": store.head,
        "delete": store.delete,
        "delete_many": lambda key: store.delete(["good", key]),
        "copy_from": lambda key: store.copy(key, "good2"),
        "copy_to": lambda key: store.copy("good", key),
        "rename_from": lambda key: store.rename(key, "good2"),
        "rename_to": lambda key: store.rename("good", key),
        "sign": store.sign,
        "sign_put": lambda key: store.sign(key, SignOptions(method="PUT")),
        "versions": store.versions,
        "delete_version": lambda key: store.delete_version(key, "1"),
        "restore": lambda key: store.restore(key, "1"),
        "tags": store.tags,
        "set_tags": lambda key: store.set_tags(key, {"a": "b"}),
        "set_metadata": lambda key: store.set_metadata(key, {"a": "b"}),
        "parts": store.parts,
    }


SURE = ("get", "get_ranges", "head")


class KeyContract(ContractBase):
    """What keys mean."""

    def test_bad_keys(self, verbs: Store, ground: Ground) -> None:
        """A key that no store may take is refused by every verb, and nothing is touched."""
        self._refused(verbs, ground, BAD, InvalidKeyError)

    def test_keys_that_are_no_text(self, verbs: Store, ground: Ground) -> None:
        """A key is a ``str``."""
        self._refused(verbs, ground, (None, 7, b"bytes", ("a",)), TypeError)

    def test_reserved_keys(self, verbs: Store, ground: Ground) -> None:
        """What lies below the reserved prefix is refused, there or not."""
        ground.write(".holdall/journal", b"ours")
        self._refused(verbs, ground, (".holdall", ".holdall/journal", ".holdall/a/b"), InvalidKeyError)

    def _refused(self, verbs: Store, ground: Ground, keys: tuple[Any, ...], kind: type[Exception]) -> None:
        ground.write("good", b"untouched")
        before = ground.snapshot()
        with Cases() as case:
            for key in keys:
                for verb, call in verbs_of_one_key(verbs).items():
                    if verb == "delete" and not isinstance(key, str):  # it takes iterables: bytes and tuples are such
                        continue
                    with case(key, verb), pytest.raises(kind if self._sure(verbs, verb) else (kind, NotSupportedError)):
                        call(key)
        assert ground.snapshot() == before

    def test_odd_keys_of_our_own(self, verbs: Store, ground: Ground) -> None:
        """An odd key is written, read, listed and deleted as it is, or refused with `InvalidKeyError`."""
        if not verbs.capabilities.write:
            return
        with Cases() as case:
            for key in ODD + LONG:
                with case(key):
                    self._own(verbs, ground, key, pattern(100))

    def _own(self, verbs: Store, ground: Ground, key: str, data: bytes) -> None:
        try:
            verbs.put(key, data)
        except HoldallError as error:
            assert isinstance(error, InvalidKeyError) or not ground.can_hold(key), error  # noqa: PT017  # the rest goes on
            assert ground.everything() == set()
            return
        try:
            assert ground.read(key) == data
            assert read(verbs, key) == data
            assert verbs.head(key).key == key
            if verbs.capabilities.list:
                assert keys_of(verbs) == [key]
                assert keys_of(verbs, key[:3]) == [key]
                assert keys_of(verbs, key) == [key]
            if verbs.capabilities.copy:
                verbs.copy(key, "copied")
                assert ground.read("copied") == data
                verbs.copy("copied", key)
            if verbs.capabilities.delete:
                verbs.delete(key)
                assert ground.read(key) is None
                assert not present(verbs, key)
        finally:
            self._clear(ground)

    def test_odd_keys_of_others(self, verbs: Store, ground: Ground) -> None:
        """What others made is readable, described, listed beside its neighbours, and deletable."""
        with Cases() as case:
            for key in ODD + LONG:
                with case(key):
                    self._others(verbs, ground, key, pattern(100))

    def _others(self, verbs: Store, ground: Ground, key: str, data: bytes) -> None:
        if not ground.can_hold(key):
            with pytest.raises((NotFoundError, InvalidKeyError)):
                read(verbs, key)
            return
        ground.write_many({"a/neighbour": b"1", key: data, "z": b"2"})
        try:
            if verbs.capabilities.list:
                assert sorted(keys_of(verbs)) == sorted(["a/neighbour", key, "z"])
                assert key in keys_of(verbs, key[:3])
            try:
                assert read(verbs, key) == data
            except InvalidKeyError:
                return
            assert verbs.head(key).size == len(data)
            if verbs.capabilities.delete:
                verbs.delete([key])
                assert ground.everything() == {"a/neighbour", "z"}
        finally:
            self._clear(ground)

    def _clear(self, ground: Ground) -> None:
        """Make room for the next case."""
        for key in ground.everything():
            ground.delete(key)

    def test_odd_keys_are_different_keys(self, verbs: Store, ground: Ground) -> None:
        """Encodings, normal forms, spaces, signs and case are not folded into each other."""
        keys = ["a+b", "a b", "a%20b", "a%2Bb", "\u00e9", "e\u0301", "x", "X", "x ", "x."]
        ground.write_many({key: key.encode() for key in keys})
        if verbs.capabilities.list:
            assert sorted(keys_of(verbs)) == sorted(keys)
        for key in keys:
            assert read(verbs, key) == key.encode()

    def test_one_odd_key_does_not_break_a_listing(self, verbs: Store, ground: Ground) -> None:
        """Double slashes, markers and dots among the keys: all others are still listed."""
        odd = [
            key for key in ("a//b", "d/", "e/../f", "./g", "h\n", "%zz", "/lead") if ground.can_hold(key) and ".." not in key
        ]
        safe = [key for key in odd if key not in {"./g", "/lead"}]
        ground.write_many(dict.fromkeys([*safe, "a/x", "m", "z"], b""))
        if verbs.capabilities.list:
            assert sorted(keys_of(verbs)) == sorted([*safe, "a/x", "m", "z"])
            groups = [text for page in verbs.list("a/", delimiter="/") for text in page.prefixes]
            assert groups == (["a//"] if "a//b" in safe else [])

    def _sure(self, verbs: Store, verb: str) -> bool:
        """Tell whether every store of these capabilities has the verb, so that the key is what it must complain of."""
        caps = verbs.capabilities
        return (
            verb in SURE
            or (verb == "put" and caps.write)
            or (verb.startswith("delete") and verb != "delete_version" and caps.delete)
            or (verb.startswith("copy") and caps.copy and caps.write)
        )
