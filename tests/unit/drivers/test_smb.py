"""SMB without a server: what is refused before any I/O, what a configuration becomes, what is said of a dead server."""

import asyncio
import errno
import socket
import traceback

import pytest

from holdall.drivers import smb_pool
from holdall.drivers.registry import open_store
from holdall.drivers.smb import SMBStore
from holdall.errors import ConfigError, InvalidKeyError, MissingExtraError, NotSupportedError, UnavailableError


@pytest.fixture
def unused_port():
    """A port on which nobody listens: bound, so that nobody takes it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": "a/b"}, "what is below it goes into 'path'"),
        ({"share": ""}, "'share' is one name"),
        ({"share": "s", "host": "h/x"}, "an SMB host"),
        ({"share": "s", "host": ""}, "an SMB host"),
        ({"share": "s", "port": 0}, "a port is"),
        ({"share": "s", "timeout": 0}, "above 0 seconds"),
        ({"share": "s", "path": "a:b"}, "no names with ':'"),
    ],
)
def test_what_is_no_share(given, said):
    with pytest.raises(ConfigError, match=said):
        SMBStore(**{"host": "h", **given})


def test_a_url_becomes_a_store():
    store = open_store("smb://DOM;me:hunter2@h:4450/share/dir/sub?timeout=90s&encrypt=true")
    assert repr(store) == "SMBStore('h', 'share', path='dir/sub', username='DOM\\\\me', port=4450)"
    assert (store.identity.service, store.identity.place, store.identity.principal) == (
        "smb+h:4450",
        "/share/dir/sub",
        "DOM\\me",
    )
    assert "hunter2" not in repr(vars(store))
    assert repr(open_store({"type": "smb", "host": "h", "share": "s"})) == "SMBStore('h', 's')"


@pytest.mark.parametrize(
    "key", ["a:b", "a\\b", "a*", "what?", 'q"', "<x>", "p|q", "tab\t", "dot.", "space ", "d./x", "l" * 256]
)
def test_names_that_no_share_has(key):
    with pytest.raises(InvalidKeyError):
        SMBStore("h", "s").put(key, b"")


def test_what_smb_cannot_do():
    store = SMBStore("h", "s")
    for call in (
        lambda: store.copy("a", "b"),
        lambda: store.sign("a"),
        lambda: store.tags("a"),
        lambda: store.versions("a"),
    ):
        with pytest.raises(NotSupportedError):
            call()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("holdall.drivers.backend.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "holdall\[smb\]"'):
        open_store({"type": "smb", "host": "h", "share": "s"})


def test_a_dead_server(unused_port):
    with SMBStore("127.0.0.1", "s", port=unused_port, username="u", password="hunter2", connect_timeout=5) as store:
        for call in (
            lambda: store.get("a"),
            lambda: store.put("a", b"1"),
            lambda: asyncio.run(store.head_async("a")),
            lambda: asyncio.run(store.put_async("a", b"1")),
        ):
            with pytest.raises(UnavailableError, match="cannot be reached") as caught:
                call()
            assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "error", [OSError(errno.EBADF, "Bad file descriptor"), ValueError("file descriptor cannot be negative")]
)
def test_whatever_a_broken_connection_raises_is_unavailable(error):
    """smbprotocol's own thread closes the socket under those who wait for it."""

    class Broken:
        alive = False

    told = smb_pool._broke(error, Broken())
    assert smb_pool.is_lost(told)
    assert isinstance(SMBStore("h", "s").translate(told, "'k'"), UnavailableError)
    Broken.alive = True
    assert smb_pool._broke(error, Broken()) is None
