"""Bad URLs, mappings and options, by every way to a mount: one error, before any request, without the secret."""

import pytest

from holdall.drivers.registry import open_store
from holdall.errors import ConfigError
from holdall.mounts import StorageManager
from holdall.testing import Colour

BAD = {
    "unknown scheme": ("s4://u:hunter2@bucket", "did you mean"),
    "no host": ("s3://", "no host"),
    "no share": ("smb://u:hunter2@host", "share"),
    "unknown parameter": ("s3://bucket/p?regoin=eu", "regoin"),
    "a value of a wrong kind": ("sftp://u:hunter2@host/p?port=ssh", "port"),
    "a port that is none": ("ftp://u:hunter2@host:99999/p", "port"),
    "a path that climbs": ("s3://bucket/../other", r"\.\."),
    "half a pair": ("s3://bucket?secret=hunter2", "pair|key"),
    "unknown type": ({"type": "lokal", "path": "/x"}, "did you mean 'local'"),
    "unknown field": ({"type": "s3", "bucket": "b", "secret": "hunter2", "key": "k", "regoin": "eu"}, "regoin"),
    "no type": ({"path": "/x"}, "type"),
    "a missing variable": ({"type": "s3", "bucket": "${HOLDALL_TEST_NOT_SET}"}, "HOLDALL_TEST_NOT_SET"),
    "an unknown option of all mounts": ({"type": "memory", "permisions": "readonly"}, "permisions"),
}


@pytest.mark.parametrize("what", BAD)
def test_every_way_to_a_mount_refuses_the_same(what, colour: Colour, monkeypatch):
    monkeypatch.delenv("HOLDALL_TEST_NOT_SET", raising=False)
    spec, said = BAD[what]
    with StorageManager({"kept": {"type": "memory"}}) as plain:
        manager = colour(plain)
        described = {"url": spec} if isinstance(spec, str) else spec
        for way in (
            lambda: open_store(spec),
            lambda: manager.configure({"m": spec}),
            lambda: manager.configure([{"name": "m", **described}]),
            lambda: manager.add_mount("m", spec),
        ):
            with pytest.raises(ConfigError, match=said) as caught:
                way()
            assert "hunter2" not in str(caught.value) + repr(caught.value)
        assert list(plain._table) == ["kept"], "all of a configuration or nothing"


def test_an_unknown_option_of_a_call_is_an_error(colour: Colour):
    with StorageManager({"ram": {"type": "memory"}}) as plain:
        node = plain.node("ram:a")
        node.write_bytes(b"1")
        for call in (
            lambda: colour(node).write_bytes(b"2", contenttype="text/plain"),
            lambda: colour(node).copy_to("ram:b", verfy="size"),
            lambda: colour(node).read_bytes(rnge=(0, 1)),
        ):
            with pytest.raises(TypeError):
                call()
        assert node.read_bytes() == b"1"
        assert not plain.node("ram:b").exists
