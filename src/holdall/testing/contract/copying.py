"""Copying and renaming on the server's side, and signed addresses."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from holdall.core.options import CopyOptions, PutOptions, SignOptions
from holdall.errors import AlreadyExistsError, NotFoundError, NotSupportedError, PreconditionError
from holdall.store import Store
from holdall.testing.colour import Colour
from holdall.testing.contract.base import ContractBase, bears_key, needs, pattern, present, read
from holdall.testing.ground import Ground


class CopyContract(ContractBase):
    """What `copy` and `rename` mean."""

    @needs("copy")
    def test_copy(self, verbs: Store, ground: Ground) -> None:
        """The copy has the bytes, the result describes it, the source stays."""
        ground.write_many({"a/src": pattern(1000), "b/old": b"old"})
        for dst in ("b/new/dst", "b/old", "c"):
            result = verbs.copy("a/src", dst)
            assert (result.key, result.size) == (dst, 1000)
            assert result.etag == verbs.head(dst).etag
            assert ground.read(dst) == pattern(1000)
        assert ground.keys() == {"a/src", "b/new/dst", "b/old", "c"}

    @needs("copy")
    def test_copy_of_nothing(self, verbs: Store, ground: Ground) -> None:
        """A missing source is `NotFoundError`, and the destination stays."""
        ground.write("dst", b"old")
        with pytest.raises(NotFoundError) as caught:
            verbs.copy("no", "dst")
        bears_key(caught.value, "no")
        assert ground.snapshot() == {"dst": b"old"}

    @needs("copy")
    def test_copy_onto_itself(self, verbs: Store, ground: Ground) -> None:
        """Nothing is lost, whether the store takes it or not."""
        ground.write("k", pattern(100))
        with contextlib.suppress(NotSupportedError, ValueError):
            verbs.copy("k", "k")
        assert ground.read("k") == pattern(100)

    @needs("copy", "create")
    def test_copy_create(self, verbs: Store, ground: Ground) -> None:
        """`create` copies only where nothing is."""
        ground.write_many({"src": b"new", "taken": b"old"})
        options = CopyOptions(mode="create")
        with pytest.raises(AlreadyExistsError) as caught:
            verbs.copy("src", "taken", options)
        bears_key(caught.value, "taken")
        assert ground.read("taken") == b"old"
        verbs.copy("src", "free", options)
        assert ground.read("free") == b"new"

    @needs("copy", "conditional_read")
    def test_copy_if_match(self, verbs: Store, ground: Ground) -> None:
        """Only the version of the source that is named is copied."""
        ground.write("src", b"new")
        with pytest.raises(PreconditionError):
            verbs.copy("src", "dst", CopyOptions(if_match="0123456789abcdef0123456789abcdef"))
        assert ground.keys() == {"src"}
        verbs.copy("src", "dst", CopyOptions(if_match=verbs.head("src").etag))
        assert ground.read("dst") == b"new"

    @needs("copy", "write", "metadata")
    def test_copy_keeps_what_is_beside_the_bytes(self, verbs: Store) -> None:
        """Headers, metadata and tags travel; metadata can be replaced on the way."""
        caps = verbs.capabilities
        content_type = "text/x-test" if caps.attributes else None
        tags = {"t": "1"} if caps.tags else {}
        verbs.put("src", b"x", PutOptions(content_type=content_type, metadata={"a": "b"}, tags=tags))
        verbs.copy("src", "dst")
        verbs.copy("src", "changed", CopyOptions(metadata={"C": "d"}))
        assert dict(verbs.head("dst").metadata) == {"a": "b"}
        assert dict(verbs.head("changed").metadata) == {"c": "d"}
        for key in ("dst", "changed"):
            if caps.attributes:
                assert verbs.head(key).content_type == content_type
            if caps.tags:
                assert verbs.tags(key) == tags

    @needs("copy", "write")
    def test_copy_with_a_time(self, verbs: Store, ground: Ground) -> None:
        """The copy has the time that was asked for, and the etag of the result; where times cannot be set, it is refused."""
        ground.write("src", b"x")
        moment = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
        if not verbs.capabilities.set_modified:
            with pytest.raises(NotSupportedError):
                verbs.copy("src", "dst", CopyOptions(modified=moment))
            assert ground.keys() == {"src"}
            return
        result = verbs.copy("src", "dst", CopyOptions(modified=moment))
        meta = verbs.head("dst")
        assert (meta.last_modified, meta.etag) == (moment, result.etag)
        assert ground.read("dst") == b"x"
        with pytest.raises(ValueError, match="aware"):
            CopyOptions(modified=moment.replace(tzinfo=None))

    @needs("copy")
    def test_copy_large(self, verbs: Store, ground: Ground) -> None:
        """A large object is copied whole."""
        ground.write("src", pattern(self.large))
        verbs.copy("src", "dst")
        assert ground.read("dst") == pattern(self.large)

    # -- rename -------------------------------------------------------------------------------------------------------

    @needs("rename")
    def test_rename(self, verbs: Store, ground: Ground) -> None:
        """The object is at its new key only, over what was there."""
        ground.write_many({"a/src": b"1", "a/src2": b"2", "taken": b"old"})
        verbs.rename("a/src", "b/c/dst")
        assert ground.snapshot() == {"a/src2": b"2", "b/c/dst": b"1", "taken": b"old"}
        verbs.rename("b/c/dst", "taken")
        assert ground.snapshot() == {"a/src2": b"2", "taken": b"1"}
        assert not present(verbs, "a/src")

    @needs("rename")
    def test_rename_of_nothing(self, verbs: Store, ground: Ground) -> None:
        """A missing source is `NotFoundError`, and the destination stays."""
        ground.write("dst", b"old")
        with pytest.raises(NotFoundError) as caught:
            verbs.rename("no", "dst")
        bears_key(caught.value, "no")
        assert ground.snapshot() == {"dst": b"old"}

    @needs("rename")
    def test_rename_onto_itself(self, verbs: Store, ground: Ground) -> None:
        """Nothing is lost."""
        ground.write("k", b"1")
        verbs.rename("k", "k")
        assert ground.snapshot() == {"k": b"1"}

    @needs("rename", "create")
    def test_rename_create(self, store: Store, ground: Ground, colour: Colour) -> None:
        """`create` renames only where nothing is; of many at once, one succeeds and no bytes are lost."""
        ground.write_many({f"s{i}": str(i).encode() for i in range(8)})

        def body(number: int, own: Colour) -> bool:
            try:
                own(store).rename(f"s{number}", "dst", mode="create")
            except AlreadyExistsError:
                return False
            return True

        won = colour.in_threads(8, body)
        assert sum(won) == 1
        assert ground.read("dst") == str(won.index(True)).encode()
        assert ground.keys() == {"dst"} | {f"s{i}" for i in range(8) if not won[i]}

    @needs("rename", "write", "metadata")
    def test_rename_keeps_metadata(self, verbs: Store) -> None:
        """What is beside the bytes goes along."""
        verbs.put("src", b"x", PutOptions(metadata={"a": "b"}))
        verbs.rename("src", "dst")
        assert dict(verbs.head("dst").metadata) == {"a": "b"}


class SignContract(ContractBase):
    """What signed addresses allow."""

    @pytest.mark.parametrize("method", ["GET", "PUT"])
    def test_sign_refused(self, verbs: Store, method: str) -> None:
        """A method that cannot be signed for is refused."""
        if method not in verbs.capabilities.sign:
            with pytest.raises((NotSupportedError, PermissionError)):
                verbs.sign("k", SignOptions(method=method))  # type: ignore[arg-type]

    @needs("sign")
    def test_sign_get(self, verbs: Store, ground: Ground) -> None:
        """Whoever has the URL reads the object; odd keys too; a missing object can be signed for."""
        if "GET" not in verbs.capabilities.sign:
            return
        for key in ("a/b.txt", "sp ace/+ü%2F#?.txt"):
            ground.write(key, pattern(500))
            url = verbs.sign(key, SignOptions(expires_in=60))
            assert url.startswith("http")
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # the store's own URL
                assert answer.read() == pattern(500)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(verbs.sign("no/such"), timeout=30)  # noqa: S310
        caught.value.close()
        assert caught.value.code in {403, 404}

    @needs("sign")
    def test_sign_get_with_headers(self, verbs: Store, ground: Ground) -> None:
        """The answer has the type and disposition that were signed."""
        if "GET" not in verbs.capabilities.sign:
            return
        ground.write("k", b"x")
        options = SignOptions(content_type="text/x-test", content_disposition='attachment; filename="k.txt"')
        try:
            url = verbs.sign("k", options)
        except NotSupportedError:
            return
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
            assert answer.headers["Content-Type"] == "text/x-test"
            assert answer.headers["Content-Disposition"] == 'attachment; filename="k.txt"'

    @needs("sign", "write")
    def test_sign_put(self, verbs: Store, ground: Ground) -> None:
        """Whoever has the URL writes the object."""
        if "PUT" not in verbs.capabilities.sign:
            return
        url = verbs.sign("up/load", SignOptions(method="PUT", expires_in=60))
        request = urllib.request.Request(url, data=b"uploaded", method="PUT", headers=self.put_headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass
        assert ground.read("up/load") == b"uploaded"
        assert read(verbs, "up/load") == b"uploaded"

    put_headers: dict[str, str] = {"Content-Type": "application/octet-stream"}  # noqa: RUF012  # read only
