"""Descriptions that are worked out when asked for are, to every eye, the plain ones."""

import copy
import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from holdall.core.meta import EMPTY, NO_ATTRIBUTES, LazyMeta, ObjectMeta, lazy_meta

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


class Dated(LazyMeta):
    """Knows a time, and counts how often it was asked."""

    __slots__ = ()

    def _derive(self, name):
        if name == "last_modified":
            self._source.append(name)
            return WHEN
        return super()._derive(name)


def test_a_lazy_description_is_the_plain_one():
    asked = []
    lazy, plain = lazy_meta(Dated, "a", 3, asked), ObjectMeta(key="a", size=3, last_modified=WHEN)
    assert (lazy.key, lazy.size, asked) == ("a", 3, [])
    assert lazy == plain
    assert plain == lazy
    assert lazy != replace(plain, size=4)
    assert lazy != "a"
    assert repr(lazy) == repr(plain)
    assert (lazy.etag, lazy.version, lazy.storage_class, lazy.kind) == (None, None, None, "file")
    assert (lazy.attributes, lazy.digests) == (NO_ATTRIBUTES, EMPTY)
    assert asked == ["last_modified"], "worked out once"


def test_copies_of_a_lazy_description_are_whole():
    lazy, plain = lazy_meta(Dated, "a", 3, []), ObjectMeta(key="a", size=3, last_modified=WHEN)
    assert type(pickle.loads(pickle.dumps(lazy))) is ObjectMeta
    assert pickle.loads(pickle.dumps(lazy)) == copy.copy(lazy) == copy.deepcopy(lazy) == plain
    assert replace(lazy, key="b") == replace(plain, key="b")


def test_a_lazy_description_has_no_other_fields():
    lazy = lazy_meta(Dated, "a", 3, [])
    with pytest.raises(AttributeError):
        _ = lazy.colour
    with pytest.raises(AttributeError):
        lazy.key = "b"
