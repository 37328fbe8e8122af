"""Deleting: idempotent, many at once, conditional."""

from __future__ import annotations

import pytest

from holdall.errors import InvalidKeyError, NotSupportedError, PreconditionError
from holdall.results import DeleteResult
from holdall.store import Store
from holdall.testing.colour import NAMES, Colour, colour_named
from holdall.testing.contract.base import ContractBase, bears_key, present
from holdall.testing.ground import Ground


class DeleteContract(ContractBase):
    """What those who delete may rely on."""

    def test_delete(self, verbs: Store, ground: Ground) -> None:
        """The object is gone, its neighbours stay."""
        ground.write_many({"d/a": b"1", "d/ab": b"2", "d/b": b"3"})
        if self._cannot(verbs, ground):
            return
        [result] = verbs.delete("d/a")
        assert (result.key, result.error) == ("d/a", None)
        assert result.existed in {True, None}
        assert ground.keys() == {"d/ab", "d/b"}
        assert not present(verbs, "d/a")

    def test_delete_is_idempotent(self, verbs: Store, ground: Ground) -> None:
        """What is absent counts as deleted."""
        if self._cannot(verbs, ground):
            return
        ground.write("there/x", b"1")
        for key in ("no", "no/such/place", "there/y", "there/x/below"):
            [result] = verbs.delete(key)
            assert (result.key, result.error) == (key, None)
            assert result.existed in {False, None}
        assert ground.keys() == {"there/x"}

    def test_delete_many(self, verbs: Store, ground: Ground) -> None:
        """A result for each key, in the order asked, absent ones and repeats included."""
        if self._cannot(verbs, ground):
            return
        ground.write_many({f"m/{i}": b"x" for i in range(25)})
        wanted = [f"m/{i}" for i in range(20, -1, -2)] + ["m/none", "m/0"]
        results = verbs.delete(key for key in wanted)
        assert [result.key for result in results] == wanted
        assert all(result.error is None for result in results)
        assert ground.keys() == {f"m/{i}" for i in range(25) if i % 2 or i > 20}

    def test_delete_nothing(self, verbs: Store, ground: Ground) -> None:
        """No keys, no results, no harm."""
        if self._cannot(verbs, ground):
            return
        ground.write("a", b"1")
        assert verbs.delete([]) == []
        assert ground.keys() == {"a"}

    def test_delete_more_than_a_batch(self, store: Store, ground: Ground) -> None:
        """More keys than any service takes in one request, half of them absent; in each colour."""
        if not store.capabilities.delete:
            return
        keys = [f"batch/{i:05}" for i in range(self.batch)]
        ground.write_many(dict.fromkeys(keys, b"x"))
        absent = [f"batch/none/{i:05}" for i in range(self.batch // 2)]
        for name, wanted in zip(NAMES, ([*keys[::2], *absent], keys), strict=True):
            with colour_named(name) as colour:
                results = colour(store).delete(wanted)
            assert [result.key for result in results] == wanted
            assert not [result for result in results if result.error]
            assert ground.keys() == set(keys) - set(wanted)

    def test_a_bad_key_stops_the_batch(self, verbs: Store, ground: Ground) -> None:
        """Bad keys raise before anything is deleted."""
        if self._cannot(verbs, ground):
            return
        ground.write("a", b"1")
        with pytest.raises(InvalidKeyError):
            verbs.delete(["a", "../b"])
        assert ground.keys() == {"a"}

    def test_delete_if_match(self, verbs: Store, ground: Ground) -> None:
        """A conditional delete removes exactly the version named."""
        if self._cannot(verbs, ground):
            return
        ground.write("k", b"1")
        if not verbs.capabilities.conditional_delete:
            with pytest.raises(NotSupportedError):
                verbs.delete("k", if_match="0123")
            assert ground.keys() == {"k"}
            return
        with pytest.raises(PreconditionError) as caught:
            verbs.delete("k", if_match="0123")
        bears_key(caught.value, "k")
        assert ground.keys() == {"k"}
        etag = verbs.head("k").etag
        verbs.delete("k", if_match=etag)
        assert ground.keys() == set()
        with pytest.raises(PreconditionError):
            verbs.delete("k", if_match=etag)

    def test_one_conditional_deleter_wins(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Of many who delete one version at once, exactly one succeeds."""
        caps = store.capabilities
        if not (caps.delete and caps.conditional_delete):
            return
        ground.write("k", b"1")
        etag = store.head("k").etag
        verbs = colour(store)

        def body(_: int, own: Colour) -> bool:
            try:
                own(store).delete("k", if_match=etag)
            except PreconditionError:
                return False
            return True

        assert sum(colour.in_threads(8, body)) == 1
        assert not present(verbs, "k")

    def test_delete_races(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Many who delete the same keys all succeed."""
        if not store.capabilities.delete:
            return
        ground.write_many({f"r/{i}": b"x" for i in range(10)})
        answers = colour.at_once(store.delete, [([f"r/{i}" for i in range(10)],) for _ in range(4)])
        for answer in answers:
            assert isinstance(answer, list), answer
            assert all(isinstance(result, DeleteResult) and result.error is None for result in answer)
        assert ground.keys() == set()

    def _cannot(self, verbs: Store, ground: Ground) -> bool:
        if verbs.capabilities.delete:
            return False
        before = ground.snapshot()
        with pytest.raises((NotSupportedError, PermissionError)):
            verbs.delete("d/a")
        assert ground.snapshot() == before
        return True
