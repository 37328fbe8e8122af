"""What a question holds does not grow with the records that it passes, with a mirror or without one (section 2.4, S16)."""

import gc
import math
import tracemalloc

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import Filter, ObjectDatabase, Query, Record

FEW, MANY = 2_000, 4_000
SIZE = 3_500
EACH = 900
"""Bytes for what is known of a record: its id, its etag, when it was made. Records themselves would be four times that."""

QUESTIONS = {
    "stream": lambda db: sum(1 for _ in db.stream(Query())),
    "sorted": lambda db: sum(1 for _ in db.stream(Query().sort("n", "DESC"))),
    "search": lambda db: len(db.search(Filter("text", "regex", "^00001.000"))),
}


@pytest.fixture(scope="module")
def stores():
    made = {}
    for count in (FEW, MANY):
        made[count] = MemoryStore()
        ObjectDatabase(made[count], mirror="off").batch_create(
            Record({"n": n, "text": f"{n:06}" * (SIZE // 6)}, id=f"{n:06}") for n in range(count)
        )
    return made


def peak(question, db):
    gc.collect()
    tracemalloc.start()
    try:
        question(db)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("question", "mirror"),
    [
        *(("stream", mirror) for mirror in ("off", "cold", "fresh")),
        *(("search", mirror) for mirror in ("off", "fresh")),
        ("sorted", "fresh"),
    ],
)
def test_p17_what_passes_is_not_held(stores, tmp_path, colour, question, mirror):
    grown = []
    for count, store in stores.items():
        place = "off" if mirror == "off" else tmp_path / f"{count}"
        with ObjectDatabase(store, mirror=place, cache_ttl=math.inf) as db:
            if mirror == "fresh":
                db.refresh()
            grown.append(peak(QUESTIONS[question], colour(db)))
    few, many = grown
    assert many - few < EACH * (MANY - FEW), grown
    assert many < 30 * 2**20, grown
