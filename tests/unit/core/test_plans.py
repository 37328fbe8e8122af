"""Rules and items of a plan: checked when made, JSON and back, the choice of method, the size of parts."""

import json
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.capabilities import Capabilities, Identity, PartRules
from holdall.core.plans import MIB, PlanItem, Route, SkipStrategy, TransferRules, part_size_for

HERE = Identity(service="memory", place="1")
THERE = Identity(service="s3+https://x", place="b", principal="me")


def test_rules_default_to_copy_everything_and_replace():
    rules = TransferRules()
    assert (rules.skip, rules.overwrite, rules.verify, rules.errors, rules.dry_run) == ("never", True, None, "raise", False)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"skip": "sometimes"}, "Unknown skip strategy 'sometimes'"),
        ({"verify": "maybe"}, "verify"),
        ({"preserve": "some"}, "preserve"),
        ({"errors": "ignore"}, "errors"),
        ({"compare": "colour"}, "compare"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"part_size": -1}, "part_size"),
        ({"max_delete": 1.5}, "max_delete"),
    ],
)
def test_wrong_rules_are_refused_before_anything_happens(named, words):
    with pytest.raises(ValueError, match=words):
        TransferRules(**named)


def test_a_pattern_that_is_no_text_is_a_type_error():
    with pytest.raises(TypeError, match="include"):
        TransferRules(include=[1])


def test_rules_survive_json():
    rules = TransferRules(include="*.py", exclude=["a", "b"], skip="size", preserve="all", max_delete=3, part_size=5)
    assert TransferRules.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules
    assert rules.to_dict()["exclude"] == ["a", "b"]
    assert rules.skip is SkipStrategy.SIZE


@given(
    st.builds(
        PlanItem,
        st.text(),
        st.sampled_from(["copy", "compare", "skip", "directory", "delete"]),
        st.none() | st.sampled_from(["server", "whole", "stream", "ranges", "rename"]),
        st.none() | st.integers(0, 2**60),
        st.none() | st.text(),
        st.none() | st.datetimes(timezones=st.just(UTC)),
        st.none() | st.text(),
    )
)
def test_items_survive_json(item):
    assert PlanItem.from_dict(json.loads(json.dumps(item.to_dict()))) == item


def test_an_item_says_only_what_it_knows():
    when = datetime(2026, 1, 2, tzinfo=UTC)
    assert PlanItem("a", "skip", reason="x", last_modified=when).to_dict() == {
        "path": "a",
        "action": "skip",
        "reason": "x",
        "last_modified": "2026-01-02T00:00:00+00:00",
    }


def test_same_service_and_principal_copy_on_the_server():
    able = Capabilities(copy=True)
    assert Route.between(able, THERE, able, THERE, TransferRules()).method(10**12, None) == "server"
    other = Identity(service=THERE.service, place="b", principal="you")
    assert Route.between(able, other, able, THERE, TransferRules()).method(5, None) == "whole"


@pytest.mark.parametrize(("ranges", "pins", "etag", "local"), list(product([True, False], repeat=4)))
def test_parallel_ranges_need_a_far_source_that_pins(ranges, pins, etag, local):
    source = Capabilities(ranges=ranges, conditional_read=pins, etag=etag, local=local)
    route = Route.between(source, HERE, Capabilities(), THERE, TransferRules())
    expected = "ranges" if ranges and pins and etag and not local else "stream"
    assert route.method(9 * MIB, "etag") == expected
    assert route.method(9 * MIB, None) == "stream"


def test_small_files_cost_a_quarter_of_a_part_unless_concurrency_is_given():
    route = Route.between(Capabilities(), HERE, Capabilities(), THERE, TransferRules())
    assert (route.units, route.part_units) == (32, 4)
    assert [route.cost(route.method(size, ""), size) for size in (0, MIB, MIB + 1, 9 * MIB, 2**40)] == [1, 1, 4, 8, 32]
    assert route.cost("server", 2**40) == 1
    assert route.cost("whole", None) == 4
    strict = Route.between(Capabilities(), HERE, Capabilities(), THERE, TransferRules(concurrency=3))
    assert (strict.units, strict.cost("whole", 1), strict.cost("stream", 2**40)) == (3, 1, 3)


@pytest.mark.parametrize(("here", "there"), list(product([True, False], repeat=2)))
def test_from_disk_to_disk_one_at_a_time_unless_concurrency_is_given_or_others_work(here, there):
    sides = Capabilities(local=here), HERE, Capabilities(local=there), THERE
    assert Route.between(*sides, TransferRules()).units == (1 if here and there else 32)
    assert Route.between(*sides, TransferRules(), spread=True).units == 32
    assert Route.between(*sides, TransferRules(concurrency=8)).units == 8


@given(st.integers(0, 5 * 2**40), st.integers(1, 64 * MIB))
def test_any_object_fits_in_ten_thousand_parts(size, wanted):
    part = part_size_for(size, wanted)
    assert part >= min(wanted, 5 * 1024 * MIB)
    assert -(-size // part) <= 10_000


@given(st.integers(1, 2**45), st.integers(1, 64 * MIB), st.integers(1, 64), st.none() | st.integers(1, 64 * MIB))
def test_ranges_that_are_poured_are_whole_parts_and_few(size, part, slots, given):
    """None is larger than 64 MiB unless parts are, and every slot gets some; who gives a size of parts gets ranges of it."""
    route = Route.between(Capabilities(), HERE, Capabilities(local=True), THERE, TransferRules(part_size=given))
    step = route.range_for(size, part, slots)
    assert step % part == 0
    assert step == part or (step <= min(64 * MIB, given or 64 * MIB) and step * slots * 4 <= size)
    assert route.range_for(size, given or part, slots) == given or given is None


def test_part_sizes_keep_the_rules_of_the_store():
    rules = PartRules(smallest=5 * MIB, largest=6 * MIB, most=100)
    assert part_size_for(None, MIB, rules) == 5 * MIB
    assert part_size_for(10**12, MIB, rules) == 6 * MIB
