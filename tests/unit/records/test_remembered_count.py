"""A count within `cache_ttl` is one look at a number, and never at an old one: whoever wrote into the mirror, it is taken anew (G2)."""

import math

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, Record


@pytest.mark.parametrize("where", ["file", "memory"])
def test_a19_a_second_count_is_remembered(tmp_path, colour, where):
    plain = ObjectDatabase(MemoryStore(), mirror=tmp_path / "mirror" if where == "file" else "memory", cache_ttl=math.inf)
    db = colour(plain)
    db.batch_create([Record({"id": name}) for name in "abc"])
    for expected in (3, 3):
        assert db.count() == expected
    assert plain.mirror.remembered(-math.inf) == 3
    assert plain.mirror.remembered(math.inf) is None, "too old"
    db.create(Record({"id": "d"}))
    assert plain.mirror.remembered(-math.inf) is None, "something was written"
    assert (db.count(), db.count()) == (4, 4)
    plain.mirror.drop()
    assert plain.mirror.remembered(-math.inf) is None
    assert db.count() == 4


def test_a19_what_another_handle_writes_into_the_file_is_counted(tmp_path, colour):
    store = MemoryStore()
    one, other = (ObjectDatabase(store, mirror=tmp_path / "mirror", cache_ttl=math.inf) for _ in range(2))
    db = colour(one)
    assert (db.count(), db.count()) == (0, 0)
    assert one.mirror.remembered(-math.inf) == 0
    other.batch_create([Record({"id": name}) for name in "ab"])
    assert (db.count(), db.count()) == (2, 2)
    other.delete("a")
    assert (db.count(), db.count()) == (1, 1)
    other.close()
    for path in tmp_path.iterdir():
        if path.name == "mirror":
            path.unlink()
    assert db.count() == 1, "the file is gone: it is asked anew"
    one.close()
