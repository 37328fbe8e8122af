"""A tiered store keeps the contract, over a directory and S3, and over S3 and SFTP."""

import pytest
from tests.contract.test_tiers import Everywhere
from tests.object_stores import SmallPages, opened

from holdall.drivers.local import LocalStore
from holdall.drivers.sftp import SFTPStore
from holdall.errors import InvalidKeyError
from holdall.testing import LocalGround, StoreContract, colour_named
from holdall.tiers import FileStore, PartialWriteError, _tiered, _tiered_async


class Mixed(SmallPages, StoreContract):
    """Each pair in one colour, as its drivers keep the contract in both."""

    counted = (
        *SmallPages.counted,
        *((module, name) for module in (_tiered, _tiered_async) for name in ("BATCH", "PAGE")),
    )
    secrets = ("testtest",)
    rounds = 3  # each value goes to two places
    speaks = "blocking"

    @pytest.fixture
    def colour(self):
        with colour_named(self.speaks) as colour:
            yield colour

    def test_file_and_directory_in_each_others_way(self, verbs, ground):
        """One of the two places has real directories: it alone refuses, and is named."""
        verbs.put("f", b"1")
        with pytest.raises(PartialWriteError) as caught:
            verbs.put("f/x", b"2")
        assert (len(caught.value.written), len(caught.value.failed)) == (1, 1)
        assert isinstance(caught.value.__cause__, NotADirectoryError)
        with verbs.get("f") as result:
            assert result.bytes() == b"1"

    def test_odd_keys_of_our_own(self, verbs, ground):
        """What both places can hold goes through; what one of them never can is refused before either is asked."""
        for key in ("sp ace/+ü%2F#?.txt", "tab\there", "é", "con", "a/.b"):
            verbs.put(key, b"1")
            with verbs.get(key) as result:
                assert result.bytes() == b"1"
            assert [meta.key for page in verbs.list(key) for meta in page.objects] == [key]
            verbs.delete(key)
        for key in ("a//b", "a///b//c"):
            with pytest.raises(InvalidKeyError):
                verbs.put(key, b"1")
        assert ground.everything() == set()


class TestFileAndS3(Mixed):
    """A directory in front of S3."""

    @pytest.fixture
    def ground(self, tmp_path, kept_moto):
        (tmp_path / "near").mkdir()
        return Everywhere(LocalGround(tmp_path / "near"), kept_moto.ground)

    @pytest.fixture
    def store(self, ground, tmp_path, kept_moto):
        with opened(kept_moto) as far, FileStore(LocalStore(tmp_path / "near"), far) as fs:
            far.probe()
            yield fs.store


class TestS3AndSFTP(Mixed):
    """S3 in front of an SFTP server."""

    speaks = "async"

    @pytest.fixture
    def ground(self, kept_moto, sshd_folder):
        return Everywhere(kept_moto.ground, sshd_folder.ground)

    @pytest.fixture
    def store(self, kept_moto, sshd_folder):
        server = sshd_folder.server
        login = {"username": server.user, "key_filename": server.client_key, "known_hosts": server.known_hosts}
        with (
            opened(kept_moto) as near,
            SFTPStore(server.host, path=sshd_folder.path, port=server.port, **login) as far,
            FileStore(near, far) as fs,
        ):
            near.probe()
            yield fs.store
