"""The contract on a real Samba server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import smbclient
from smbprotocol.exceptions import SMBOSError

from holdall.core.options import PutOptions
from holdall.drivers.smb import SMBStore
from holdall.drivers.smb_tree import SMBTree
from holdall.errors import AlreadyExistsError, InvalidKeyError
from holdall.store import Store
from holdall.testing import Ground, LocalGround, StoreContract
from holdall.testing.contract.base import keys_of, read
from holdall.testing.servers import Folder, Samba


class ShareGround(LocalGround):
    """The directory behind the share; it could hold names that no share has."""

    def can_hold(self, key: str) -> bool:
        """Tell whether a share can show such a name."""
        names = key.split("/")
        return (
            super().can_hold(key) and not set(key) & set('\\:*?"<>|\n\t') and not any(n.endswith((".", " ")) for n in names)
        )


class TestSMB(StoreContract):
    """Samba."""

    batch = 45  # each key is a request

    @pytest.fixture
    def store(self, samba: Samba, samba_folder: Folder) -> Iterator[SMBStore]:
        self.secrets = (samba.password,)
        with SMBStore(
            samba.host,
            samba.share,
            path=samba_folder.path,
            port=samba.port,
            username=samba.user,
            password=samba.password,
        ) as store:
            yield store

    @pytest.fixture
    def ground(self, samba_folder: Folder) -> Ground:
        return ShareGround(samba_folder.root)

    def test_odd_keys_are_different_keys(self, verbs: Store, ground: Ground) -> None:
        """What a share can name is not folded; case is the server's business, and told apart by this one."""
        keys = ["a+b", "a b", "a%20b", "a%2Bb", "\u00e9", "e\u0301", "x", "X"]
        ground.write_many({key: key.encode() for key in keys})
        assert sorted(keys_of(verbs)) == sorted(keys)
        for key in keys:
            assert read(verbs, key) == key.encode()

    def test_names_that_windows_would_cut_off(self, verbs: Store, ground: Ground) -> None:
        """``x.`` and ``x `` would be ``x`` there, ``x:y`` a stream of it: refused, and its neighbour untouched."""
        ground.write("x", b"precious")
        for key in ("x.", "x ", "x:y", "x./y", "x?"):
            with pytest.raises(InvalidKeyError):
                verbs.put(key, b"new")
            with pytest.raises(InvalidKeyError):
                read(verbs, key)
        assert ground.snapshot() == {"x": b"precious"}

    def test_a_create_renames_nothing(self, verbs: Store, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        """Samba asks whether a name is taken and renames then, so two would win; a link is one step."""
        monkeypatch.delattr(SMBTree, "_rename")
        verbs.put("d/k", b"first", PutOptions(mode="create"))
        with pytest.raises(AlreadyExistsError):
            verbs.put("d/k", b"second", PutOptions(mode="create"))
        ground.write("taken", b"others'")
        with pytest.raises(AlreadyExistsError):
            verbs.rename("d/k", "taken", mode="create")
        verbs.rename("d/k", "e/k", mode="create")
        assert ground.everything() == {"e/k", "taken"}
        assert ground.read("e/k") == b"first"

    def test_a_share_without_links(self, verbs: Store, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file system that has none (FAT) is told once the link is refused: the server's rename decides."""

        def refused(src: str, dst: str, **options: object) -> None:
            raise SMBOSError(0xC00000BB, dst)

        monkeypatch.setattr(smbclient, "link", refused)
        verbs.put("k", b"first", PutOptions(mode="create"))
        with pytest.raises(AlreadyExistsError):
            verbs.put("k", b"second", PutOptions(mode="create"))
        verbs.rename("k", "l", mode="create")
        assert ground.everything() == {"l"}
        assert ground.read("l") == b"first"
