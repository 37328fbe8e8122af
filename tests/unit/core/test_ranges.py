"""Byte ranges against plain slicing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.ranges import ByteRange, Coalesce, coalesce
from holdall.errors import RangeNotSatisfiableError

SMALL = st.integers(0, 60)
PAIRS = st.lists(st.tuples(SMALL, SMALL).map(sorted).map(tuple), max_size=12)


@given(st.binary(max_size=40), SMALL, st.none() | SMALL)
def test_a_range_means_the_slice(data, start, end):
    if end is not None and end <= start:
        with pytest.raises(ValueError, match="empty or reversed"):
            ByteRange(start, end)
        return
    wanted = ByteRange(start, end)
    if start >= len(data):
        with pytest.raises(RangeNotSatisfiableError) as caught:
            wanted.resolve(len(data), key="k", store="S()")
        assert (caught.value.key, caught.value.store) == ("k", "S()")
        return
    low, high = wanted.resolve(len(data))
    assert data[low:high] == data[start:end]


@given(st.binary(max_size=40), st.integers(1, 60))
def test_the_last_bytes(data, length):
    low, high = ByteRange.last(length).resolve(len(data))
    assert data[low:high] == data[-length:]


@pytest.mark.parametrize("bounds", [(True,), (0, True), (1.0,), (0, 2.0), ("1",)])
def test_bounds_are_ints(bounds):
    with pytest.raises(TypeError):
        ByteRange(*bounds)


@pytest.mark.parametrize("bounds", [(-1, 5), (5, 5), (6, 5), (0, -1)])
def test_ranges_that_are_none(bounds):
    with pytest.raises(ValueError):
        ByteRange(*bounds)


@pytest.mark.parametrize("length", [0, -1])
def test_the_last_no_bytes_are_no_range(length):
    with pytest.raises(ValueError):
        ByteRange.last(length)


def test_of_and_header():
    assert ByteRange.of(None) is None
    assert ByteRange.of((1, 2)) == ByteRange(1, 2)
    assert ByteRange.of((1, None)) == ByteRange(1)
    assert ByteRange.of(ByteRange(1)) == ByteRange(1)
    assert [r.header() for r in (ByteRange(1, 4), ByteRange(1), ByteRange.last(3))] == ["bytes=1-3", "bytes=1-", "bytes=-3"]


@given(PAIRS, st.integers(0, 20), st.integers(1, 40))
def test_merged_fetches_serve_every_range_and_keep_the_limits(pairs, gap, largest):
    plan = coalesce(pairs, Coalesce(gap=gap, largest=largest))
    served = sorted(i for fetch in plan for i in fetch.members)
    assert served == [i for i, (start, end) in enumerate(pairs) if end > start]
    for fetch in plan:
        assert fetch.start == min(pairs[i][0] for i in fetch.members)
        assert fetch.end == max(pairs[i][1] for i in fetch.members)
    for one, other in itertools.pairwise(plan):
        assert one.end <= other.start
        assert other.start - one.end > gap or other.end - one.start > largest
    wanted = {byte for start, end in pairs for byte in range(start, end)}
    fetched = {byte for fetch in plan for byte in range(fetch.start, fetch.end)}
    assert wanted <= fetched


def test_without_a_rule_near_ranges_merge():
    assert len(coalesce([(0, 10), (1000, 1010)])) == 1
    assert coalesce([]) == []
    assert coalesce([(3, 3)]) == []


@pytest.mark.parametrize("pair", [(-1, 3), (4, 3)])
def test_what_is_no_range_is_refused(pair):
    with pytest.raises(ValueError):
        coalesce([(0, 1), pair])


@pytest.mark.parametrize("rule", [{"gap": -1}, {"largest": 0}])
def test_rules_have_bounds(rule):
    with pytest.raises(ValueError):
        Coalesce(**rule)
