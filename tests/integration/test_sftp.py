"""SFTP on a real OpenSSH: keys, passphrases, host keys; what is refused, and what the refusal says; creates whose answer got lost."""

import gc
import logging
import math
import subprocess
import traceback
from pathlib import Path

import asyncssh
import pytest

from holdall.core.options import PutOptions
from holdall.drivers import sftp_tree
from holdall.drivers.sftp import SFTPStore
from holdall.drivers.sftp_tree import SFTPTree
from holdall.errors import (
    AlreadyExistsError,
    ConfigError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from holdall.mounts import StorageManager
from holdall.results import CHUNK
from holdall.testing import Colour, Fault, FaultProxy
from holdall.testing.servers import Folder, Sshd

PHRASE = "hunter2 passphrase"


@pytest.fixture
def opened(sshd: Sshd, sshd_folder: Folder):
    """Make stores over a folder, closed at the end."""
    stores = []

    def make(**options) -> SFTPStore:
        known = {"username": sshd.user, "key_filename": sshd.client_key, "known_hosts": sshd.known_hosts}
        store = SFTPStore(sshd.host, path=sshd_folder.path, **{"port": sshd.port, **known, **options})
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


@pytest.fixture
def proxied(sshd: Sshd, opened):
    """Return a store behind a proxy."""
    with FaultProxy((sshd.host, sshd.port), http=False) as proxy:
        yield proxy, opened(port=proxy.port, known_hosts=None, connect_timeout=20.0)


def renaming(monkeypatch, act):
    """Have the next rename that creates go another way."""
    genuine = SFTPTree._rename_new

    async def rename(tree, link, old, new):
        monkeypatch.setattr(SFTPTree, "_rename_new", genuine)
        await act(tree, link, old, new, genuine)

    monkeypatch.setattr(SFTPTree, "_rename_new", rename)


@pytest.mark.parametrize("further", [0, 3, math.inf])
def test_a_create_whose_answer_got_lost(proxied, sshd_folder: Folder, monkeypatch, further, colour: Colour):
    """Found out as soon as the server can be asked; where it cannot be, the error says that the outcome is not known."""
    proxy, plain = proxied
    store = colour(plain)
    store.put("before", b"x")

    async def lose(tree, link, old, new, genuine):
        proxy.fail(Fault(drop_request_after=0), times=further)
        proxy.lose_replies()
        await genuine(tree, link, old, new)

    renaming(monkeypatch, lose)
    monkeypatch.setattr(sftp_tree, "PATIENCE", 0.3 if further == math.inf else 60)
    if further < math.inf:
        store.put("k", b"mine", PutOptions(mode="create"))
    else:
        with pytest.raises(UnavailableError, match="whether 'k' was put in place is not known"):
            store.put("k", b"mine", PutOptions(mode="create"))
        proxy.heal()
    with pytest.raises(AlreadyExistsError):
        store.put("k", b"other", PutOptions(mode="create"))
    assert sshd_folder.ground.snapshot() == {"before": b"x", "k": b"mine"}


@pytest.mark.parametrize("ours", [True, False])
def test_a_create_cut_in_two(opened, sshd_folder: Folder, monkeypatch, ours, colour: Colour):
    """A rename by link of which only the link was made is told from another writer's file of the same size and second."""
    store = colour(opened())

    async def half(tree, link, old, new, genuine):
        if ours:
            await link.sftp.link(old, new)
        else:
            sshd_folder.ground.write("k", b"them")
            about = await link.sftp.lstat(old)
            await link.sftp.setstat(new, asyncssh.SFTPAttrs(atime=about.atime, mtime=about.mtime))
        raise asyncssh.ConnectionLost("in the midst of it")

    renaming(monkeypatch, half)
    if ours:
        store.put("k", b"mine", PutOptions(mode="create"))
    else:
        with pytest.raises(AlreadyExistsError):
            store.put("k", b"mine", PutOptions(mode="create"))
    store.close()
    assert sshd_folder.ground.snapshot() == {"k": b"mine" if ours else b"them"}


@pytest.mark.parametrize("verb", ["put", "get"])
def test_a_lost_connection_is_told_once(proxied, sshd_folder: Folder, verb, colour: Colour, caplog):
    """By the error; the requests that were under way beside the first one leave no traceback each in the log."""
    proxy, plain = proxied
    store, data = colour(plain), b"x" * 6 * CHUNK
    sshd_folder.ground.write("there", data)
    cut = {"drop_request_after": CHUNK // 2} if verb == "put" else {"drop_reply_after": CHUNK // 2}
    proxy.fail(Fault(**cut), times=math.inf)
    with pytest.raises(UnavailableError):
        store.put("k", data) if verb == "put" else store.get("there").bytes()
    proxy.heal()
    assert store.get("there").bytes() == data, "the loop of the connections has had its turn"
    gc.collect()
    assert store.get("there").bytes() == data
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
