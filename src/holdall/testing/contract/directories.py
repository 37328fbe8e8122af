"""Directories: keys that end with ``/``."""

from __future__ import annotations

import pytest

from holdall.errors import (
    HoldallError,
    InvalidKeyError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    NotSupportedError,
)
from holdall.store import Store
from holdall.testing.contract.base import ContractBase, keys_of, needs, prefixes_of, present, read
from holdall.testing.ground import Ground


class DirectoryContract(ContractBase):
    """What directories are, by `Capabilities.directories`."""

    @needs("write")
    def test_implied_directories(self, verbs: Store, ground: Ground) -> None:
        """A store without directories refuses to make one."""
        if verbs.capabilities.directories != "implied":
            return
        with pytest.raises((NotSupportedError, InvalidKeyError)):
            verbs.put("d/", b"")
        assert ground.everything() == set()

    @needs("write")
    def test_a_directory_holds_no_bytes(self, verbs: Store, ground: Ground) -> None:
        """Content at a key that ends with a slash is refused."""
        with pytest.raises((InvalidKeyError, IsDirectoryError, NotSupportedError)):
            verbs.put("d/", b"bytes")
        assert ground.everything() == set()

    @needs("write", "delete", "list")
    def test_make_and_remove(self, verbs: Store) -> None:
        """An empty directory can be made, described, listed and removed."""
        kind = verbs.capabilities.directories
        if kind == "implied":
            return
        verbs.put("d/e/", b"")
        verbs.put("d/e/", b"")
        meta = verbs.head("d/e/")
        assert (meta.key, meta.kind, meta.size) == ("d/e/", "directory", 0)
        assert prefixes_of(verbs, delimiter="/") == ["d/"]
        assert prefixes_of(verbs, "d/", delimiter="/") == ["d/e/"]
        assert keys_of(verbs) == ([] if kind == "real" else ["d/e/"])
        assert prefixes_of(verbs) == (["d/e/"] if kind == "real" else [])
        for key in ("d/e", "d"):
            with pytest.raises(NotFoundError):
                verbs.head(key)
            with pytest.raises(NotFoundError):
                read(verbs, key)
        verbs.delete("d/e/")
        assert not present(verbs, "d/e/")
        verbs.delete("d/e/")

    @needs("write", "delete", "list")
    def test_real_directories(self, verbs: Store, ground: Ground) -> None:
        """A real directory stays when its last object goes, and is removed only when empty."""
        if verbs.capabilities.directories != "real":
            return
        verbs.put("d/e/x", b"1")
        assert verbs.head("d/").kind == "directory"
        assert prefixes_of(verbs) == []
        with pytest.raises(HoldallError):
            verbs.delete("d/")
        [result] = verbs.delete(["d/"])
        assert isinstance(result.error, HoldallError)
        assert ground.read("d/e/x") == b"1"
        verbs.delete("d/e/x")
        assert verbs.head("d/e/").kind == "directory"
        assert prefixes_of(verbs) == ["d/e/"]
        verbs.delete("d/e/")
        verbs.delete("d/")
        assert not present(verbs, "d/")

    @needs("write")
    def test_file_and_directory_in_each_others_way(self, verbs: Store, ground: Ground) -> None:
        """Where directories are real, a file cannot stand at one, nor anything below a file."""
        if verbs.capabilities.directories != "real":
            verbs.put("f", b"1")
            verbs.put("f/x", b"2")
            assert read(verbs, "f") == b"1"
            assert read(verbs, "f/x") == b"2"
            return
        ground.write_many({"d/x": b"1", "f": b"2"})
        before = ground.snapshot()
        with pytest.raises(IsDirectoryError) as caught:
            verbs.put("d", b"bytes")
        assert isinstance(caught.value, IsADirectoryError)
        with pytest.raises(NotDirectoryError) as other:
            verbs.put("f/x", b"bytes")
        assert isinstance(other.value, NotADirectoryError)
        with pytest.raises(NotFoundError):
            verbs.head("f/x")
        with pytest.raises(NotFoundError):
            verbs.head("f/")
        assert ground.snapshot() == before

    @needs("delete")
    def test_delete_of_a_file_key_spares_directories(self, verbs: Store, ground: Ground) -> None:
        """`delete("d")` is about the object ``d``, never about what lies below ``d/``."""
        ground.write("d/x", b"1")
        [result] = verbs.delete(["d"])
        assert result.existed in {False, None}
        assert ground.snapshot() == {"d/x": b"1"}

    @needs("list")
    def test_markers_of_others(self, verbs: Store, ground: Ground) -> None:
        """A marker that somebody else made is listed, described, and can be deleted."""
        if not ground.can_hold("m/"):
            return
        ground.write_many({"m/": b"", "m/x": b"1", "n/": b""})
        assert sorted(keys_of(verbs)) == ["m/", "m/x", "n/"]
        assert sorted(prefixes_of(verbs, delimiter="/")) == ["m/", "n/"]
        assert sorted(keys_of(verbs, "m/", delimiter="/")) == ["m/", "m/x"]
        assert verbs.head("m/").kind == "directory"
        if verbs.capabilities.delete:
            verbs.delete("m/")
            assert ground.keys() == {"m/x", "n/"}

    @needs("rename", "write")
    def test_rename_of_a_directory(self, verbs: Store, ground: Ground) -> None:
        """Where directories are real, one is renamed with all that it holds."""
        if verbs.capabilities.directories != "real":
            return
        ground.write_many({"d/x": b"1", "d/e/y": b"2", "dd": b"3"})
        verbs.rename("d/", "new/place/")
        assert ground.snapshot() == {"dd": b"3", "new/place/x": b"1", "new/place/e/y": b"2"}
        assert not present(verbs, "d/")
