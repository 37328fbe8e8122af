"""Versions: every overwrite and delete can be undone."""

from __future__ import annotations

import pytest

from holdall.core.options import CopyOptions, GetOptions
from holdall.errors import NotFoundError, VersionNotFoundError
from holdall.store import Store
from holdall.testing.contract.base import ContractBase, needs, present, read


class VersionContract(ContractBase):
    """What a versioned store keeps."""

    @needs("versions", "versioned", "write")
    def test_versions(self, verbs: Store) -> None:
        """Oldest first, each readable by its id, the last one the latest."""
        written = [verbs.put("k", data) for data in (b"one", b"two", b"three")]
        verbs.put("k2", b"another key that begins alike")
        versions = verbs.versions("k")
        assert [v.version for v in versions] == [result.version for result in written]
        assert [v.size for v in versions] == [3, 3, 5]
        assert [v.is_latest for v in versions] == [False, False, True]
        assert [v.etag for v in versions] == [result.etag for result in written]
        assert not any(v.delete_marker for v in versions)
        for version, data in zip(versions, (b"one", b"two", b"three"), strict=True):
            assert read(verbs, "k", GetOptions(version=version.version)) == data
            assert verbs.head("k", version=version.version).size == len(data)
        assert verbs.head("k").version == versions[-1].version

    @needs("versions", "versioned", "write")
    def test_delete_leaves_a_marker(self, verbs: Store) -> None:
        """A deleted object is gone, its versions are not."""
        verbs.put("k", b"one")
        verbs.delete("k")
        assert not present(verbs, "k")
        first, marker = verbs.versions("k")
        assert marker.delete_marker
        assert marker.is_latest
        assert not first.is_latest
        assert read(verbs, "k", GetOptions(version=first.version)) == b"one"
        verbs.delete_version("k", marker.version)
        assert read(verbs, "k") == b"one"

    @needs("versions", "versioned", "write")
    def test_restore(self, verbs: Store) -> None:
        """An old version becomes the latest, and nothing is destroyed."""
        first = verbs.put("k", b"one")
        verbs.put("k", b"two")
        assert first.version is not None
        verbs.restore("k", first.version)
        assert read(verbs, "k") == b"one"
        verbs.delete("k")
        verbs.restore("k", first.version)
        assert read(verbs, "k") == b"one"
        kept = [v for v in verbs.versions("k") if not v.delete_marker]
        assert len(kept) >= 3

    @needs("versions", "versioned", "write")
    def test_delete_version(self, verbs: Store) -> None:
        """One version goes for good; the next one steps up if it was the latest."""
        first, second = verbs.put("k", b"one"), verbs.put("k", b"two")
        assert first.version
        assert second.version
        verbs.delete_version("k", second.version)
        assert read(verbs, "k") == b"one"
        assert [v.version for v in verbs.versions("k")] == [first.version]
        with pytest.raises(NotFoundError):
            read(verbs, "k", GetOptions(version=second.version))

    @needs("versions", "versioned", "write")
    def test_unknown_versions(self, verbs: Store) -> None:
        """A version that never was is `VersionNotFoundError`; a key that never was has no versions."""
        made = verbs.put("k", b"one")
        assert verbs.versions("never") == []
        other = verbs.put("other", b"x").version
        assert made.version
        assert other
        for call in (lambda: read(verbs, "k", GetOptions(version=other)), lambda: verbs.head("k", version=other)):
            with pytest.raises(VersionNotFoundError):
                call()

    @needs("versions", "versioned", "write", "copy")
    def test_copy_of_a_version(self, verbs: Store) -> None:
        """An old version can be copied elsewhere."""
        first = verbs.put("k", b"one")
        verbs.put("k", b"two")
        verbs.copy("k", "dst", CopyOptions(version=first.version))
        assert read(verbs, "dst") == b"one"
