"""Section 9 in its small form: each row of benchmarks/records with 1,000 records, judged by requests alone."""

import pytest
from benchmarks.records.objects import POINTS, ROWS, Holdall, Tasks, many, moves, people, points
from benchmarks.records.quick import QuickS3

N = 1000
EACH = {f"{POINTS} x {verb}": POINTS for verb in ("create", "exists", "read", "update", "upsert", "delete")}
MANY = {
    "batch_create": N,
    "batch_read": N,
    "search, cold": 1 + N,
    "search, unchanged": 1,
    "search, fresh": 0,
    "search, fresh, equality, limit 10": 0,
    "search, fresh, equality, one match": 0,
    "count, first": 1,
    "count, repeated": 0,
    "stream, cold": 1 + N,
    "batch_delete": 1,
    "migrate from SQLite": N + 2,  # the target is counted before and after
    "migrate to SQLite": 1 + N,
}


@pytest.mark.parametrize("library", [Holdall, Tasks])
def test_section_9_by_requests(library):
    with QuickS3() as server:
        s3 = {"bucket": "b", "region": "us-east-1", "access_key_id": "k", "secret_access_key": "s"}
        bench = library({"s3": {**s3, "endpoint_url": server.url}})
        first = bench.create(bench.record({"n": 0}))  # what a service honours, and how it spells etags, is found out once
        assert bench.update(first, bench.record({"n": 1}))
        assert bench.delete(first)
        acts = points(bench, people(POINTS)) | many(bench, people(N)) | moves(bench, people(N))
        found = {}
        for row in ROWS:
            before = len(server.traffic.requests)
            acts[row]()
            found[row] = len(server.traffic.requests) - before
        bench.close()
    assert found == EACH | MANY
