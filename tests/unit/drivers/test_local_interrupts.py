"""Ctrl-C at a bad moment: right after a descriptor was closed. Nobody closes it again, which by then may be another thread's file."""

import os
from itertools import count

import pytest

from holdall.core.options import CopyOptions, PutOptions
from holdall.drivers import _local_reader
from holdall.drivers.local import LocalStore
from holdall.results import CHUNK

LARGE = bytes(CHUNK + 1)

VERBS = {
    "put": lambda store: store.put("a/b/c/d", b"new"),
    "put much": lambda store: store.put("a/b/c/d", iter([LARGE, b"x"]), PutOptions(mode="create")),
    "get": lambda store: store.get("k").bytes(),
    "get much": lambda store: store.get("large").bytes(),
    "get through a link": lambda store: store.get("link/k").bytes(),
    "copy": lambda store: store.copy("large", "c/d/e", options=CopyOptions()),
    "rename": lambda store: store.rename("k", "r/s/t"),
    "rename a directory": lambda store: store.rename("d/", "r/s/"),
    "list": lambda store: [page for page in store.list()],
    "delete": lambda store: list(store.delete(["d/e/f", "k"])),
}


def filled(path):
    """Return a store with some files, and a link."""
    store = LocalStore(path, create=True, durable=True)
    for key, data in (("k", b"old"), ("large", LARGE), ("d/e/f", b"old"), ("d/e/k", b"old")):
        store.put(key, data)
    os.symlink("d/e", path / "link")
    return store


def closing(twice, number=0):
    """Return an `os.close` that notes what was not open, and is interrupted after its n-th call."""
    calls, close = count(1), os.close

    def call(fd):
        try:
            close(fd)
        except OSError:
            twice.append(fd)
            raise
        if next(calls) == number:
            raise KeyboardInterrupt

    return call


def interrupted_at(number, verb, store, monkeypatch):
    """Run a verb that is interrupted after its n-th closing; return whether it was not, and what was closed without being open."""
    twice = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "close", closing(twice, number))
        try:
            verb(store)
            over = True
        except KeyboardInterrupt:
            over = False
    return over, twice


@pytest.mark.parametrize("name", VERBS)
def test_what_was_closed_is_not_closed_again(tmp_path, name, monkeypatch):
    for number in range(1, 40):
        over, twice = interrupted_at(number, VERBS[name], filled(tmp_path / f"{number}"), monkeypatch)
        assert twice == [], f"interrupted after closing {number}"
        if over:
            break
    assert over
    assert number > 1


def test_a_body_that_was_just_made_owns_nothing_yet(tmp_path, monkeypatch):
    made, twice, store = _local_reader.Reader.__init__, [], filled(tmp_path)

    def interrupted(self, *arguments):
        made(self, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(_local_reader.Reader, "__init__", interrupted)
    monkeypatch.setattr(os, "close", closing(twice))
    with pytest.raises(KeyboardInterrupt):
        store.get("large")
    assert twice == []
