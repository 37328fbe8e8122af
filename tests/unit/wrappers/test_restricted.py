"""`RestrictedStore` and `ReadOnlyStore`: refused before I/O, and said so in the capabilities."""

import dataclasses
from datetime import UTC, datetime

import pytest

from holdall.core.capabilities import Capabilities, PartRules
from holdall.core.options import GetOptions, SignOptions
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError, PermissionDeniedError
from holdall.testing import CountingStore, colour_named
from holdall.wrappers._permissions import narrowed
from holdall.wrappers.prefix import PrefixStore
from holdall.wrappers.readonly import ReadOnlyStore
from holdall.wrappers.restricted import RestrictedStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WRITING = {
    "put": lambda s: s.put("k", b"x"),
    "put of an iterable": lambda s: s.put("k", iter([b"x"])),
    "copy": lambda s: s.copy("k", "l"),
    "sign for writing": lambda s: s.sign("k", SignOptions(method="PUT")),
    "restore": lambda s: s.restore("k", "000000000001"),
    "set_tags": lambda s: s.set_tags("k", {}),
    "set_metadata": lambda s: s.set_metadata("k", {}),
    "set_modified": lambda s: s.set_modified("k", NOW),
    "set_storage_class": lambda s: s.set_storage_class("k", "X"),
    "parts": lambda s: s.parts("k"),
    "uploads": lambda s: s.uploads(),
}
DELETING = {
    "delete": lambda s: s.delete("k"),
    "delete of many": lambda s: s.delete(["k", "l"]),
    "delete of lazy keys": lambda s: s.delete(iter(["k"])),
    "rename": lambda s: s.rename("k", "l"),
    "delete_version": lambda s: s.delete_version("k", "000000000001"),
}
READING = {
    "get": lambda s: s.get("k", GetOptions(range=(0, 1))).bytes(),
    "get_ranges": lambda s: s.get_ranges("k", [(0, 1)]),
    "head": lambda s: s.head("k"),
    "list": lambda s: list(s.list()),
    "versions": lambda s: s.versions("k"),
    "tags": lambda s: s.tags("k"),
}
NOT_IN_MEMORY = {"sign for writing", "set_storage_class"}


@pytest.fixture(params=["blocking", "async"])
def colour(request):
    with colour_named(request.param) as colour:
        yield colour


@pytest.fixture
def inner():
    store = CountingStore(MemoryStore(versioned=True))
    store.put("k", b"bytes")
    store.reset()
    return store


@pytest.mark.parametrize("verb", [*WRITING, *DELETING])
@pytest.mark.parametrize("make", [ReadOnlyStore, lambda s: RestrictedStore(s, "readonly")], ids=["class", "argument"])
def test_read_only_refuses_before_anything_is_asked(inner, colour, make, verb):
    with pytest.raises(PermissionDeniedError, match="read-only") as caught:
        (WRITING | DELETING)[verb](colour(make(inner)))
    assert isinstance(caught.value, PermissionError)
    assert caught.value.store
    assert inner.counts.total == 0


@pytest.mark.parametrize("verb", READING)
def test_read_only_reads(inner, colour, verb):
    READING[verb](colour(ReadOnlyStore(inner)))
    assert inner.counts.total == 1


@pytest.mark.parametrize("verb", DELETING)
def test_without_delete_permission(inner, colour, verb):
    with pytest.raises(PermissionDeniedError, match="does not have delete permission"):
        DELETING[verb](colour(RestrictedStore(inner, "readwrite")))
    assert inner.counts.total == 0


@pytest.mark.parametrize("verb", [v for v in WRITING if v not in NOT_IN_MEMORY])
def test_readwrite_writes(inner, colour, verb):
    WRITING[verb](colour(RestrictedStore(inner, "readwrite")))
    assert inner.counts.total == 1


@pytest.mark.parametrize("verb", [v for v in WRITING | DELETING if v not in NOT_IN_MEMORY])
def test_delete_is_everything(inner, colour, verb):
    (WRITING | DELETING)[verb](colour(RestrictedStore(inner, "delete")))
    assert inner.counts.total == 1


def test_signing_for_reading_is_not_refused_here(inner, colour):
    """The driver has no signing; what matters is that the permission does not say no."""
    for options in (None, SignOptions(method="GET")):
        with pytest.raises(NotImplementedError):
            colour(ReadOnlyStore(inner)).sign("k", options)
    assert inner.counts.calls == {"sign": 2}


def test_lazy_keys_are_not_drawn_for_a_refusal(inner, colour):
    drawn = []

    def keys():
        drawn.append(1)
        yield "k"

    with pytest.raises(PermissionDeniedError):
        colour(ReadOnlyStore(inner)).delete(keys())
    assert drawn == []


def test_errors_name_the_key(inner, colour):
    with pytest.raises(PermissionDeniedError) as caught:
        colour(ReadOnlyStore(inner)).put("k", b"x")
    assert (caught.value.key, caught.value.kind) == ("k", "permission_denied")
    assert "MemoryStore" in caught.value.store


def test_permissions_narrow_and_never_widen(inner):
    with pytest.raises(ConfigError, match="Invalid permissions 'all'"):
        RestrictedStore(inner, "all")
    readonly = ReadOnlyStore(inner)
    for wanted in ("readwrite", "delete"):
        with pytest.raises(ConfigError, match="read-only"):
            RestrictedStore(PrefixStore(readonly, "a"), wanted)
    with pytest.raises(ConfigError, match="does not have delete permission"):
        RestrictedStore(RestrictedStore(inner, "readwrite"), "delete")
    assert RestrictedStore(readonly, "readonly").permissions == "readonly"
    assert RestrictedStore(RestrictedStore(inner, "readwrite"), "readwrite").capabilities.write


EVERYTHING = Capabilities(
    **{field.name: True for field in dataclasses.fields(Capabilities) if field.type == "bool"},
    sign=frozenset({"GET", "PUT"}),
    parts=PartRules(),
    digests=frozenset({"md5"}),
)


def test_capabilities_are_narrowed():
    """Exactly these change; a capability that the contract gets later has to be thought of here."""

    def changed(permissions):
        kept = narrowed(EVERYTHING, permissions)
        return {f.name for f in dataclasses.fields(kept) if getattr(kept, f.name) != getattr(EVERYTHING, f.name)}

    deleting = {"delete", "conditional_delete", "rename"}
    writing = {"write", "create", "update", "large_conditional", "storage_class", "set_metadata", "set_modified"}
    assert changed("delete") == set()
    assert changed("readwrite") == deleting
    assert changed("readonly") == deleting | writing | {"copy", "sign", "parts"}
    assert narrowed(EVERYTHING, "readonly").sign == {"GET"}
    assert len(dataclasses.fields(Capabilities)) == 32, "is the new capability one of writing or deleting?"
