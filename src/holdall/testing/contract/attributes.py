"""What is kept beside the bytes: headers, user metadata, tags, storage class, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdall.core.options import GetOptions, PutOptions
from holdall.errors import HoldallError, NotFoundError, NotSupportedError, PreconditionError
from holdall.store import Store
from holdall.testing.contract.base import Cases, ContractBase, needs, pattern, read
from holdall.testing.ground import Ground

HEADERS = {
    "content_type": "text/x-test; charset=utf-8",
    "cache_control": "max-age=60, private",
    "content_disposition": 'attachment; filename="a b.txt"',
    "content_encoding": "identity",
    "content_language": "de",
}
METADATA = {"colour": "blue", "long-name": "value with spaces", "empty-ish": "0"}


class AttributeContract(ContractBase):
    """What is kept beside the bytes, or refused: nothing is dropped in silence."""

    @needs("write")
    def test_unsupported_options_are_refused(self, verbs: Store, ground: Ground) -> None:
        """An option that the store cannot honour raises before anything is written."""
        options = {
            "attributes": PutOptions(content_type="text/plain"),
            "metadata": PutOptions(metadata={"a": "b"}),
            "tags": PutOptions(tags={"a": "b"}),
            "storage_class": PutOptions(storage_class="WHATEVER"),
        }
        with Cases() as case:
            for capability, option in options.items():
                if not getattr(verbs.capabilities, capability):
                    with case(capability), pytest.raises(NotSupportedError):
                        verbs.put("k", b"x", option)
            if not verbs.capabilities.attributes:
                with case("cache_control"), pytest.raises(NotSupportedError):
                    verbs.put("k", b"x", PutOptions(cache_control="no-store"))
        assert ground.everything() == set()

    def test_unsupported_verbs_are_refused(self, verbs: Store, ground: Ground) -> None:
        """A verb that the store does not have raises `NotSupportedError`, which is a NotImplementedError."""
        ground.write("k", b"x")
        before = ground.snapshot()
        caps = verbs.capabilities
        calls: dict[str, tuple[bool, Any]] = {
            "tags": (caps.tags, lambda: verbs.tags("k")),
            "set_tags": (caps.tags, lambda: verbs.set_tags("k", {})),
            "set_metadata": (caps.set_metadata, lambda: verbs.set_metadata("k", {})),
            "set_modified": (caps.set_modified, lambda: verbs.set_modified("k", datetime.now(UTC))),
            "set_storage_class": (caps.storage_class, lambda: verbs.set_storage_class("k", "X")),
            "copy": (caps.copy, lambda: verbs.copy("k", "l")),
            "rename": (caps.rename, lambda: verbs.rename("k", "l")),
            "versions": (caps.versions, lambda: verbs.versions("k")),
            "delete_version": (caps.versions, lambda: verbs.delete_version("k", "1")),
            "restore": (caps.versions, lambda: verbs.restore("k", "1")),
            "head of a version": (caps.versions, lambda: verbs.head("k", version="1")),
            "get of a version": (caps.versions, lambda: verbs.get("k", GetOptions(version="1"))),
            "parts": (caps.parts is not None, lambda: verbs.parts("k")),
            "uploads": (caps.parts is not None, verbs.uploads),
        }
        for name, (has, call) in calls.items():
            if not has:
                with pytest.raises((NotSupportedError, PermissionError)) as caught:
                    call()
                assert isinstance(caught.value, HoldallError), name
        assert ground.snapshot() == before

    @needs("write", "attributes")
    def test_headers(self, verbs: Store) -> None:
        """Content type and the other headers come back from `head` and `get`."""
        verbs.put("k", b"x", PutOptions(**HEADERS))  # type: ignore[arg-type]
        with verbs.get("k") as result:
            found = result.attributes
        for name, value in HEADERS.items():
            assert getattr(verbs.head("k").attributes, name) == value
            assert getattr(found, name) == value
        assert verbs.head("k").content_type == HEADERS["content_type"]

    @needs("write", "metadata")
    def test_metadata(self, verbs: Store) -> None:
        """User metadata comes back, names in lower case."""
        verbs.put("k", b"x", PutOptions(metadata={**METADATA, "UPPER": "Case"}))
        assert dict(verbs.head("k").metadata) == {**METADATA, "upper": "Case"}
        with verbs.get("k") as result:
            assert dict(result.attributes.metadata) == {**METADATA, "upper": "Case"}

    @needs("write", "metadata")
    def test_unicode_metadata(self, verbs: Store, ground: Ground) -> None:
        """Text beyond ASCII is kept or refused, never mangled."""
        for value in ("grün", "日本", "🎒", "100%", "=?x?="):
            try:
                verbs.put("k", b"x", PutOptions(metadata={"name": value}))
            except (HoldallError, ValueError):
                continue
            assert verbs.head("k").metadata["name"] == value

    @needs("write", "attributes", "metadata")
    def test_attributes_of_large_content(self, verbs: Store, ground: Ground) -> None:
        """Content that goes by parts keeps its headers and metadata too."""
        data = pattern(self.large + 1)
        chunks = (data[i : i + 2_000_003] for i in range(0, len(data), 2_000_003))
        verbs.put("k", chunks, PutOptions(content_type="text/x-large", metadata=METADATA))
        assert verbs.head("k").content_type == "text/x-large"
        assert dict(verbs.head("k").metadata) == METADATA
        assert ground.read("k") == data

    @needs("write", "metadata")
    def test_a_new_object_has_nothing_of_the_old(self, verbs: Store, ground: Ground) -> None:
        """Overwriting drops headers, metadata and tags; deleting does too."""
        options = PutOptions(metadata=METADATA, tags={"t": "1"} if verbs.capabilities.tags else {})
        verbs.put("k", b"x", options)
        verbs.put("k", b"y")
        assert dict(verbs.head("k").metadata) == {}
        verbs.put("k", b"x", options)
        if verbs.capabilities.delete:
            verbs.delete("k")
        verbs.put("k", b"z")
        assert dict(verbs.head("k").metadata) == {}
        if verbs.capabilities.tags:
            assert verbs.tags("k") == {}

    @needs("write", "set_metadata")
    def test_set_metadata(self, verbs: Store, ground: Ground) -> None:
        """User metadata is replaced; bytes and content type stay."""
        headers = {"content_type": "text/x-test"} if verbs.capabilities.attributes else {}
        first = verbs.put("k", b"bytes", PutOptions(metadata=METADATA, **headers))  # type: ignore[arg-type]
        result = verbs.set_metadata("k", {"Other": "1"})
        meta = verbs.head("k")
        assert dict(meta.metadata) == {"other": "1"}
        assert meta.etag == result.etag
        assert ground.read("k") == b"bytes"
        if headers:
            assert meta.content_type == "text/x-test"
        with pytest.raises(NotFoundError):
            verbs.set_metadata("no", {})
        if verbs.capabilities.conditional_read:
            with pytest.raises(PreconditionError):
                verbs.set_metadata("k", {"lost": "1"}, if_match=f"{first.etag}0")
            assert dict(verbs.head("k").metadata) == {"other": "1"}
        verbs.set_metadata("k", {})
        assert dict(verbs.head("k").metadata) == {}

    @needs("write", "tags")
    def test_tags(self, verbs: Store, ground: Ground) -> None:
        """Tags are written with the object, read, replaced; bytes and etag stay."""
        tags = {"project": "holdall", "a b": "c+d=e", "empty": ""}
        verbs.put("k", b"x", PutOptions(tags=tags))
        assert verbs.tags("k") == tags
        before = verbs.head("k")
        verbs.set_tags("k", {"only": "this"})
        assert verbs.tags("k") == {"only": "this"}
        assert verbs.head("k").etag == before.etag
        verbs.set_tags("k", {})
        assert verbs.tags("k") == {}
        verbs.put("plain", b"y")
        assert verbs.tags("plain") == {}
        for call in (lambda: verbs.tags("no"), lambda: verbs.set_tags("no", {"a": "b"})):
            with pytest.raises(NotFoundError):
                call()

    @needs("write", "tags")
    def test_tags_of_large_content(self, verbs: Store) -> None:
        """Content that goes by parts keeps its tags too."""
        verbs.put("k", (bytes(1_000_000) for _ in range(self.large // 1_000_000 + 1)), PutOptions(tags={"a": "b"}))
        assert verbs.tags("k") == {"a": "b"}

    @needs("write", "set_modified")
    def test_set_modified(self, verbs: Store, ground: Ground) -> None:
        """The time of last modification can be set; naive times are refused."""
        ground.write("k", b"x")
        moment = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
        verbs.set_modified("k", moment)
        assert verbs.head("k").last_modified == moment
        verbs.set_modified("k", moment.astimezone().replace(microsecond=0) + timedelta(hours=1))
        assert verbs.head("k").last_modified == moment + timedelta(hours=1)
        with pytest.raises(ValueError, match="aware"):
            verbs.set_modified("k", datetime(2001, 2, 3))  # noqa: DTZ001  # that it is naive is the point
        with pytest.raises(NotFoundError):
            verbs.set_modified("no", moment)
        assert ground.read("k") == b"x"

    @needs("write", "storage_class")
    def test_storage_class(self, verbs: Store) -> None:
        """A storage class is kept, and can be changed; bytes, headers and metadata stay."""
        verbs.put("k", b"x", PutOptions(storage_class=self.storage_class, metadata=METADATA))
        assert verbs.head("k").storage_class == self.storage_class
        verbs.put("l", b"y", PutOptions(metadata=METADATA))
        verbs.set_storage_class("l", self.storage_class)
        meta = verbs.head("l")
        assert meta.storage_class == self.storage_class
        assert dict(meta.metadata) == METADATA
        assert read(verbs, "l") == b"y"
