"""The part writer: explicit parts, nothing visible before `complete`."""

from __future__ import annotations

from typing import Any

import pytest

from holdall.core.capabilities import PartRules
from holdall.core.options import PutOptions
from holdall.errors import AlreadyExistsError, HoldallError, IntegrityError, NotFoundError, PreconditionError
from holdall.sources import AsyncSizedChunks, SizedChunks
from holdall.store import Store
from holdall.testing.colour import Colour
from holdall.testing.contract.base import ContractBase, needs, pattern, present
from holdall.testing.contract.writing import BrokenSourceError, chunked, chunked_async
from holdall.testing.ground import Ground


def _poured(colour: Colour, data: bytes, size: int, announced: int | None = None, *, fails: bool = False) -> Any:
    """Return chunks of a colour, of which it is said how many bytes they are."""
    said = len(data) if announced is None else announced
    if colour.name == "async":
        return AsyncSizedChunks(chunked_async(data, size, fails=fails), said)
    return SizedChunks(chunked(data, size, fails=fails), said)


class PartContract(ContractBase):
    """What writers of parts may rely on."""

    @needs("parts", "write")
    def test_parts_in_order(self, verbs: Store, ground: Ground) -> None:
        """Parts join in the order of their numbers; the last may be small; nothing shows before."""
        one, two, three = self._parts(verbs)
        writer = verbs.parts("p/k")
        assert writer.key == "p/k"
        for number, data in enumerate((one, two, three), 1):
            writer.put_part(number, data)
            assert not present(verbs, "p/k")
        result = writer.complete()
        assert (result.key, result.size) == ("p/k", len(one + two + three))
        assert ground.read("p/k") == one + two + three
        assert verbs.head("p/k").etag == result.etag
        assert ground.unfinished() == 0

    @needs("parts", "write")
    def test_parts_in_any_order(self, verbs: Store, ground: Ground) -> None:
        """Where the rules say so, parts may come in any order, with gaps, and more than once."""
        if not self._rules(verbs).any_order:
            return
        one, two, three = self._parts(verbs)
        with verbs.parts("p") as writer:
            writer.put_part(7, bytearray(three))
            writer.put_part(2, b"?" * len(two))
            writer.put_part(1, one)
            writer.put_part(2, memoryview(two))
            assert dict(writer.sent()) == {1: len(one), 2: len(two), 7: len(three)}
            writer.complete()
        assert ground.read("p") == one + two + three

    @needs("parts", "write")
    def test_parts_at_once(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Parts may be sent at the same time."""
        if not self._rules(store).any_order:
            return
        one, two, three = self._parts(store)
        writer = colour(colour(store).parts("p"))
        bare = getattr(writer, "__dict__", {}).get("_target", writer)
        answers = colour.at_once(bare.put_part, [(3, three), (1, one), (2, two)])
        assert answers == [None, None, None]
        writer.complete()
        assert ground.read("p") == one + two + three

    @needs("parts", "write")
    def test_parts_as_chunks(self, store: Store, ground: Ground, colour: Colour) -> None:
        """A part may come in chunks of any size; one that breaks off, or is not as long as it was said to be, is not held."""
        one, two, three = self._parts(store)
        writer = colour(colour(store).parts("p"))
        writer.pour_part(1, _poured(colour, one, 300))
        assert dict(writer.sent()) == {1: len(one)}
        with pytest.raises(BrokenSourceError):
            writer.pour_part(2, _poured(colour, two, len(two) // 2, fails=True))
        for announced in (len(two) - 1, len(two) + 1):
            with pytest.raises(IntegrityError):
                writer.pour_part(2, _poured(colour, two, len(two) // 2, announced))
        assert dict(writer.sent()) == {1: len(one)}
        assert not present(colour(store), "p")
        writer.pour_part(2, _poured(colour, two, len(two)))
        writer.put_part(3, three)
        writer.complete()
        assert ground.read("p") == one + two + three
        assert ground.unfinished() == 0

    @needs("parts", "write")
    def test_abort(self, verbs: Store, ground: Ground) -> None:
        """An aborted upload leaves nothing, the old object stays; aborting again is harmless."""
        ground.write("p", b"old")
        before = ground.snapshot()
        one, *_ = self._parts(verbs)
        writer = verbs.parts("p")
        writer.put_part(1, one)
        writer.abort()
        writer.abort()
        assert ground.snapshot() == before
        assert ground.unfinished() == 0
        with pytest.raises(HoldallError):
            writer.complete()
        with pytest.raises(HoldallError):
            writer.put_part(2, one)
        assert ground.snapshot() == before

    @needs("parts", "write")
    def test_context_aborts(self, verbs: Store, ground: Ground) -> None:
        """Leaving the context without `complete`, by an error or not, aborts."""
        one, *_ = self._parts(verbs)
        with verbs.parts("p") as writer:
            writer.put_part(1, one)
        with pytest.raises(ZeroDivisionError), verbs.parts("p") as writer:  # noqa: PT012  # the context is what is tested
            writer.put_part(1, one)
            raise ZeroDivisionError
        assert ground.everything() == set()
        assert ground.unfinished() == 0

    @needs("parts", "write")
    def test_complete_stays(self, verbs: Store, ground: Ground) -> None:
        """After `complete`, leaving the context and aborting change nothing."""
        one, *_ = self._parts(verbs)
        with verbs.parts("p") as writer:
            writer.put_part(1, one)
            writer.complete()
        writer.abort()
        assert ground.read("p") == one

    @needs("parts", "write")
    def test_one_small_part(self, verbs: Store, ground: Ground) -> None:
        """The smallest-size rule does not hold for the last part."""
        with verbs.parts("p") as writer:
            writer.put_part(1, b"tiny")
            writer.complete()
        assert ground.read("p") == b"tiny"

    @needs("parts", "write")
    def test_bad_numbers(self, verbs: Store) -> None:
        """Parts are numbered from 1 to the most that the rules allow."""
        with verbs.parts("p") as writer:
            for number in (0, -1, self._rules(verbs).most + 1):
                with pytest.raises(ValueError, match="part"):
                    writer.put_part(number, b"x")

    @needs("parts", "write")
    def test_options(self, verbs: Store) -> None:
        """What is beside the bytes is given at the beginning."""
        caps = verbs.capabilities
        if not (caps.attributes and caps.metadata):
            return
        with verbs.parts("p", PutOptions(content_type="text/x-test", metadata={"a": "b"})) as writer:
            writer.put_part(1, b"x")
            writer.complete()
        assert verbs.head("p").content_type == "text/x-test"
        assert dict(verbs.head("p").metadata) == {"a": "b"}

    @needs("parts", "write")
    def test_conditional_completion(self, verbs: Store, ground: Ground) -> None:
        """Completion under a condition publishes or raises; the old object stays."""
        if not self._rules(verbs).conditional:
            return
        first = verbs.put("p", b"old")
        for options, wrong in (
            (PutOptions(mode="create"), AlreadyExistsError),
            (PutOptions(if_match="0123"), PreconditionError),
        ):
            with verbs.parts("p", options) as writer:
                writer.put_part(1, b"lost")
                with pytest.raises(wrong):
                    writer.complete()
            assert ground.read("p") == b"old"
        with verbs.parts("p") as writer:
            writer.put_part(1, b"lost")
            with pytest.raises(AlreadyExistsError):
                writer.complete(mode="create")
        assert ground.read("p") == b"old"
        with verbs.parts("p") as writer:
            writer.put_part(1, b"new")
            writer.complete(mode="update", if_match=first.etag)
        assert ground.read("p") == b"new"
        assert ground.unfinished() == 0

    @needs("parts", "write")
    def test_resume(self, verbs: Store, ground: Ground) -> None:
        """An upload is found again, and taken up by its id."""
        if not self._rules(verbs).resumable:
            return
        one, two, _ = self._parts(verbs)
        first = verbs.parts("p/k")
        first.put_part(1, one)
        verbs.parts("q").abort()
        assert [(upload.key, upload.upload_id) for upload in verbs.uploads()] == [("p/k", first.upload_id)]
        assert verbs.uploads("q") == []
        again = verbs.parts("p/k", upload_id=first.upload_id)
        assert dict(again.sent()) == {1: len(one)}
        again.put_part(2, two)
        again.complete()
        assert ground.read("p/k") == one + two
        assert verbs.uploads() == []
        with pytest.raises(NotFoundError):
            verbs.parts("p/k", upload_id=first.upload_id).sent()

    @needs("parts", "write")
    def test_copied_parts(self, verbs: Store, ground: Ground) -> None:
        """A part may be a range of another object, copied on the server's side."""
        if not self._rules(verbs).copies:
            return
        one, two, _ = self._parts(verbs)
        ground.write("src", one + two)
        with verbs.parts("p") as writer:
            writer.copy_part(1, "src", (len(one), len(one) + len(two)))
            writer.copy_part(2, "src", (0, 10), if_match=verbs.head("src").etag)
            writer.complete()
        assert ground.read("p") == two + one[:10]

    def _rules(self, store: Store) -> PartRules:
        rules = store.capabilities.parts
        assert rules is not None
        return rules

    def _parts(self, store: Store) -> tuple[bytes, bytes, bytes]:
        """Return two whole parts and a small last one."""
        size = max(self._rules(store).smallest, 1000)
        return pattern(size, 1), pattern(size, 2), pattern(17, 3)
