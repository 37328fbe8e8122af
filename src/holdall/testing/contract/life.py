"""The life of a store: what it is, threads, loops, handles, the end."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import sys
import traceback

import pytest

from holdall.errors import ClosedError, HoldallError, InvalidKeyError, NotFoundError
from holdall.store import Store
from holdall.testing.colour import Colour, colour_named
from holdall.testing.contract.base import ContractBase, keys_of, needs, pattern, present, read
from holdall.testing.contract.keys import verbs_of_one_key
from holdall.testing.ground import Ground


class LifeContract(ContractBase):
    """What holds for a store as an object of a program."""

    def test_identity(self, store: Store) -> None:
        """The identity is a value, the same each time."""
        assert store.identity == store.identity
        assert hash(store.identity) == hash(store.identity)
        assert store.identity.service
        assert store.capabilities == store.capabilities

    def test_no_address_shows(self, store: Store) -> None:
        """A store says what it is, not where in memory it lies."""
        assert "object at 0x" not in f"{store!r} {store} {store.identity!r}"

    def test_no_secret_shows(self, store: Store, ground: Ground, colour: Colour) -> None:
        """No secret in a repr, an identity, an error with all that caused it, or a pickle of these."""
        if not self.secrets:
            pytest.skip("no secret of this store is named in `secrets`")
        shown = [
            repr(store),
            str(store),
            repr(store.identity),
            str(store.identity),
            _pickled(store.identity),
            _pickled(store),
        ]
        for key in ("no/such", "../bad"):
            with pytest.raises(HoldallError) as caught:
                read(colour(store), key)
            error = caught.value
            shown += [
                str(error),
                repr(error),
                repr(error.store),
                "".join(traceback.format_exception(error)),
                _pickled(error),
            ]
        for secret in self.secrets:
            assert secret
            assert not [text for text in shown if secret in text]

    def test_errors_travel(self, verbs: Store) -> None:
        """Errors survive pickling and copying, with what they carry."""
        for key, kind in (("no/such", NotFoundError), ("../bad", InvalidKeyError)):
            with pytest.raises(kind) as caught:
                verbs.head(key)
            error = caught.value
            for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301  # our own bytes
                assert type(twin) is type(error)
                assert (str(twin), twin.key, twin.store, twin.kind) == (str(error), error.key, error.store, error.kind)

    def test_locate(self, store: Store) -> None:
        """`locate` gives the innermost driver, and it is found again from there."""
        driver, key = store.locate("a/b")
        assert driver.locate(key) == (driver, key)
        assert key.endswith("a/b")

    def test_local_path(self, store: Store, ground: Ground) -> None:
        """A local path is real, or there is none."""
        ground.write("a/b", b"bytes")
        path = store.local_path("a/b")
        assert (path is not None) == store.capabilities.local
        if path is not None:
            assert os.path.isabs(path)
            with open(path, "rb") as file:
                assert file.read() == b"bytes"

    def test_threads(self, store: Store, ground: Ground, colour: Colour) -> None:
        """One store serves many threads, in this colour."""
        ground.write("shared", pattern(10_000))

        def body(number: int, own: Colour) -> None:
            verbs = own(store)
            for i in range(5):
                assert read(verbs, "shared") == pattern(10_000)
                if not verbs.capabilities.write:
                    continue
                key = f"t{number}/{i}"
                verbs.put(key, key.encode())
                assert read(verbs, key) == key.encode()
            if verbs.capabilities.write and verbs.capabilities.list:
                assert sorted(keys_of(verbs, f"t{number}/")) == [f"t{number}/{i}" for i in range(5)]

        colour.in_threads(8, body)

    def test_event_loops(self, store: Store, ground: Ground) -> None:
        """One store serves one event loop after another, several at once, and blocking calls between."""
        ground.write("k", b"bytes")

        async def use() -> None:
            async with await store.get_async("k") as result:
                assert await result.bytes_async() == b"bytes"
            await asyncio.gather(*(store.head_async("k") for _ in range(5)))

        for _ in range(3):
            asyncio.run(use())
            assert read(store, "k") == b"bytes"
        with colour_named("async") as colour:
            colour.in_threads(4, lambda _, own: [read(own(store), "k") for _ in range(5)])
        assert read(store, "k") == b"bytes"

    def test_blocking_verbs_inside_a_running_loop(self, store: Store, ground: Ground) -> None:
        """Blocking verbs work where a loop runs, as in a notebook."""
        ground.write("k", b"bytes")

        async def notebook() -> bytes:
            await store.head_async("k")
            return read(store, "k")

        assert asyncio.run(notebook()) == b"bytes"

    @pytest.mark.skipif(sys.platform != "linux", reason="counts /proc/self/fd")
    def test_results_let_go(self, verbs: Store, ground: Ground) -> None:
        """A result that is closed early, left by its context, or dropped unread holds no file or connection."""
        ground.write("big", pattern(2_000_000))
        read(verbs, "big")
        before = len(os.listdir("/proc/self/fd"))
        for how in ("closed", "left", "dropped"):
            for _ in range(30):
                result = verbs.get("big")
                if how == "closed":
                    result.close()
                    result.close()
                elif how == "left":
                    with result:
                        next(iter(result))
                del result
            if how == "dropped":
                gc.collect()
            assert len(os.listdir("/proc/self/fd")) - before < 15, how
        assert read(verbs, "big") == pattern(2_000_000)

    @needs("write")
    def test_many_objects_at_once(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Many puts at once all arrive."""
        wanted = {f"x/{i}": pattern(100 + i, i) for i in range(24)}
        answers = colour.at_once(store.put, list(wanted.items()))
        assert [answer for answer in answers if isinstance(answer, Exception)] == []
        assert ground.snapshot() == wanted

    def test_closed(self, verbs: Store, ground: Ground) -> None:
        """After `close` every verb raises `ClosedError`; closing again is harmless."""
        ground.write("good", b"1")
        present(verbs, "good")
        verbs.close()
        verbs.close()
        for verb, call in verbs_of_one_key(verbs).items():
            if verb in {"get", "head", "put", "delete", "get_ranges"}:
                with pytest.raises(HoldallError) as caught:
                    call("good")
                assert isinstance(caught.value, (ClosedError, NotImplementedError, PermissionError)), verb
                if verb in {"get", "head", "get_ranges"}:
                    assert isinstance(caught.value, ClosedError), verb
        if verbs.capabilities.list:
            with pytest.raises(ClosedError):
                keys_of(verbs)
        assert repr(verbs)
        assert verbs.identity

    def test_context(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Leaving the context closes."""
        ground.write("k", b"1")
        with colour(store) as verbs:
            assert read(verbs, "k") == b"1"
        with pytest.raises(ClosedError):
            read(verbs, "k")


def _pickled(value: object) -> str:
    """Return what a pickle shows; or why there is none, as of a store that was made by hand."""
    try:
        return pickle.dumps(value).decode("latin-1")
    except (HoldallError, TypeError) as error:
        return "".join(traceback.format_exception(error))
