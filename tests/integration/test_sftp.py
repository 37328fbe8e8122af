"""SFTP logins on a real OpenSSH: keys, passphrases, host keys; what is refused, and what the refusal says."""

import subprocess
import traceback
from pathlib import Path

import asyncssh
import pytest

from holdall.drivers.sftp import SFTPStore
from holdall.errors import ConfigError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from holdall.mounts import StorageManager
from holdall.testing import Colour
from holdall.testing.servers import Folder, Sshd

PHRASE = "hunter2 passphrase"


@pytest.fixture
def opened(sshd: Sshd, sshd_folder: Folder):
    """Make stores over a folder, closed at the end."""
    stores = []

    def make(**options) -> SFTPStore:
        known = {"username": sshd.user, "key_filename": sshd.client_key, "known_hosts": sshd.known_hosts}
        store = SFTPStore(sshd.host, path=sshd_folder.path, port=sshd.port, **{**known, **options})
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def encrypted(sshd: Sshd, tmp_path: Path) -> str:
    """Return the path of the right key behind a passphrase."""
    key = asyncssh.read_private_key(sshd.client_key)
    path = tmp_path / "encrypted"
    key.write_private_key(path, passphrase=PHRASE, rounds=50)
    path.chmod(0o600)
    return str(path)


def refused(kind, store, colour: Colour, *secrets: str):
    """Return the message of a refusal that shows no secret."""
    with pytest.raises(kind) as caught:
        colour(store).get("k")
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(store)
    assert not [secret for secret in secrets if secret in shown]
    assert not isinstance(caught.value, FileNotFoundError)
    return str(caught.value)


def test_an_encrypted_key(opened, encrypted, sshd_folder: Folder, colour: Colour):
    sshd_folder.ground.write("k", b"1")
    assert colour(opened(key_filename=encrypted, passphrase=PHRASE)).get("k").bytes() == b"1"


@pytest.mark.parametrize("passphrase", [None, "hunter2 wrong"])
def test_an_encrypted_key_without_its_passphrase(opened, encrypted, passphrase, colour: Colour):
    said = refused(ConfigError, opened(key_filename=encrypted, passphrase=passphrase), colour, "hunter2")
    assert "passphrase" in said


def test_keys_that_are_none(opened, tmp_path: Path, colour: Colour):
    (tmp_path / "text").write_text("hunter2 is no key")
    refused(ConfigError, opened(key_filename=str(tmp_path / "text")), colour, "hunter2")
    refused(ConfigError, opened(key_filename=str(tmp_path / "absent")), colour)


def test_a_key_that_the_server_does_not_know(opened, tmp_path: Path, colour: Colour):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "other")
    private = (tmp_path / "other").read_text().splitlines()[1]
    said = refused(UnauthenticatedError, opened(key_filename=str(tmp_path / "other")), colour, private)
    assert "did not accept the login" in said


def test_a_wrong_password(opened, colour: Colour):
    refused(UnauthenticatedError, opened(key_filename=None, password="hunter2"), colour, "hunter2")


def test_an_unknown_host(opened, tmp_path: Path, colour: Colour):
    """Nobody vouches for it: the refusal shows its fingerprint, which can be given as host_key."""
    (tmp_path / "known").write_text("")
    said = refused(PermissionDeniedError, opened(known_hosts=str(tmp_path / "known")), colour)
    fingerprint = said[said.index("SHA256:") :].split()[0].rstrip(".,;]")
    with pytest.raises(NotFoundError):
        colour(opened(host_key=fingerprint)).get("k")


def test_a_host_whose_key_changed(opened, sshd: Sshd, tmp_path: Path, colour: Colour):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()
    (tmp_path / "known").write_text(f"[{sshd.host}]:{sshd.port} {other[0]} {other[1]}\n")
    said = refused(PermissionDeniedError, opened(known_hosts=str(tmp_path / "known")), colour)
    assert "not among the known hosts" in said
    said = refused(PermissionDeniedError, opened(host_key="SHA256:" + "A" * 43), colour)
    assert "not the one given as host_key" in said


def test_a_known_hosts_file_that_is_not_there(opened, tmp_path: Path, colour: Colour):
    refused(ConfigError, opened(known_hosts=str(tmp_path / "absent")), colour)


def test_a_mount(opened, sshd: Sshd, sshd_folder: Folder, encrypted):
    """The keys of a configuration reach the driver, by all their names."""
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", f"{sshd.directory}/host.pub"], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()[1]
    mount = {
        "name": "remote",
        "type": "sftp",
        "host": sshd.host,
        "port": sshd.port,
        "user": sshd.user,
        "private_key": encrypted,
        "private_key_pass": PHRASE,
        "host_key": fingerprint,
        "base_path": sshd_folder.path,
    }
    storage = StorageManager()
    storage.configure([mount])
    storage.node("remote:a/b").write("1")
    assert sshd_folder.ground.read("a/b") == b"1"
    assert PHRASE not in repr(storage)
