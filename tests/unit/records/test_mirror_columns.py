"""``SELECT *`` shows every field or says that it cannot; both engines that stand on SQLite end at one number."""

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, QueryError, Record, SQLDatabase


@pytest.fixture(params=["mirror", "off", "sqlite"])
def db(request):
    if request.param == "sqlite":
        made = SQLDatabase("sqlite://")
    else:
        made = ObjectDatabase(MemoryStore(), **({"mirror": "off"} if request.param == "off" else {}))
    with made:
        yield made


def wide(count):
    return Record({f"f{n:04}": n for n in range(count)}, id="wide")


def test_a28_all_columns_that_there_can_be(db, colour):
    colour(db).create(wide(1_994))
    [row] = colour(db).select_query("SELECT * FROM records")
    assert len(row) == 1_999
    assert row["f1993"] == 1993


def test_a28_more_columns_than_there_can_be(db, colour):
    colour(db).create(wide(1_995))
    with pytest.raises(QueryError, match="too many columns"):
        colour(db).select_query("SELECT * FROM records")
    assert colour(db).select_query("SELECT f1994, f0000 FROM records") == [{"f1994": 1994, "f0000": 0}]
    assert colour(db).count() == 1
