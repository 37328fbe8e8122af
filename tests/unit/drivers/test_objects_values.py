"""Values between the contract and the object stores: headers, metadata names, read options, listing offsets, part plans."""

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, replace
from datetime import UTC, datetime
from typing import ClassVar

import obstore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdall.core.meta import Attributes
from holdall.core.options import GetOptions, PutOptions
from holdall.core.preconditions import strip_etag
from holdall.core.ranges import ByteRange
from holdall.drivers.objects_offsets import offset_of
from holdall.drivers.objects_parts import IN_FLIGHT, MEMORY, PART, SINGLE, check_memory, growing_parts, part_plan
from holdall.drivers.objects_store import ObstoreStore
from holdall.drivers.objects_values import (
    MARK,
    attributes_of,
    decoded,
    decoded_name,
    encoded,
    encoded_metadata,
    head_meta,
    identifier,
    is_odd,
    meta_of,
    native_attributes,
    native_options,
    native_range,
    quoted,
    result_of,
)
from holdall.errors import InvalidKeyError, NotSupportedError
from holdall.results import PutResult

TIB = 1024**4
PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda text: text[0] != "/"
)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")))
@example("=?UTF-8?B?Z3LDvG4=?=")
@example(" trimmed ")
@example("=?x?=")
def test_metadata_values_survive_a_header(value):
    wire = encoded(value)
    assert wire.isascii()
    assert wire == wire.strip()
    assert decoded(wire) == value


def test_ordinary_values_travel_as_they_are():
    assert encoded("max-age=60, 100%") == "max-age=60, 100%"
    assert decoded("no words =? here") == "no words =? here"
    assert decoded("=?no-such-charset?B?AA==?=") == "=?no-such-charset?B?AA==?="


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
@example("holdall_61")
def test_names_survive_as_identifiers(name):
    assert identifier(name).isidentifier()
    assert decoded_name(identifier(name)) == name


def test_a_name_that_only_looks_encoded_stays():
    assert decoded_name("holdall_ff") == "holdall_ff"  # no UTF-8
    assert decoded_name("holdall_x") == "holdall_x"


@pytest.mark.parametrize("name", ["two words", "ümlaut", "content-type", "cache-control", "storage-class", MARK, ""])
def test_names_that_no_header_can_have_are_refused(name):
    with pytest.raises(NotSupportedError, match="cannot be named"):
        encoded_metadata({name: "x"})


@pytest.mark.parametrize("field", ["content_type", "cache_control", "content_disposition"])
def test_headers_are_ascii(field):
    with pytest.raises(NotSupportedError, match=field):
        native_attributes(PutOptions(**{field: "grün"}))
    with pytest.raises(NotSupportedError, match=field):
        native_attributes(PutOptions(**{field: "bell\x07"}))
    with pytest.raises(NotSupportedError, match="storage class"):
        native_attributes(PutOptions(storage_class="ü"))


def test_attributes_there_and_back():
    options = PutOptions(
        content_type="a/b",
        cache_control="no-store",
        content_disposition='attachment; filename="x"',
        content_encoding="gzip",
        content_language="de",
        metadata={"Colour": "grün", "n": ""},
        storage_class="COLD",
    )
    native = native_attributes(options, mark="ours")
    assert native[MARK] == "ours"
    assert attributes_of(native) == options.attributes
    assert attributes_of({}) == Attributes()


def test_read_options():
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    options = GetOptions(
        range=(2, 5), version="v", if_match="a", if_none_match='W/"b"', if_modified_since=moment, if_unmodified_since=moment
    )
    assert native_options(options) == {
        "range": (2, 5),
        "version": "v",
        "if_match": '"a"',
        "if_none_match": 'W/"b"',
        "if_modified_since": moment,
        "if_unmodified_since": moment,
    }
    assert native_options(GetOptions(if_match="*", if_none_match="*")) == {}
    assert native_range(ByteRange(3)) == {"offset": 3}
    assert native_range(ByteRange.last(3)) == {"suffix": 3}
    assert quoted('"x"') == quoted("x") == '"x"'


def test_what_was_not_told_is_not_made_up():
    native = {"path": "a", "size": 1, "last_modified": datetime(1970, 1, 1, tzinfo=UTC), "e_tag": None, "version": None}
    meta = meta_of("a", native)
    assert (meta.last_modified, meta.etag, meta.kind) == (None, None, "file")
    assert meta_of("a/", {**native, "e_tag": '""'}).etag is None
    assert meta_of("a/", native).kind == "directory"


@pytest.mark.parametrize(
    ("path", "odd"),
    [
        ("a//b", True),
        ("a/", True),
        ("a\tb", True),
        ("a\x7f", True),
        ("a\n", True),
        ("a b/%2F", False),
        ("ü", False),
        ("", False),
    ],
)
def test_odd_paths(path, odd):
    assert is_odd(path) == odd


# -- offsets ----------------------------------------------------------------------------------------------------------


@given(PATHS, st.lists(PATHS, max_size=8), st.none() | PATHS)
def test_an_offset_hides_no_wanted_key(full, others, after):
    offset = offset_of(full, after)
    wanted = [
        key for key in (full, f"{full}x", f"{full}\U0010ffff", *others) if key.startswith(full) and key > (after or "")
    ]
    for key in wanted:
        assert offset is None or offset < key or offset == key == after
    if offset is not None:
        assert not is_odd(offset)


def test_offsets_lie_close():
    assert offset_of("logs/2026-", None) == "logs/2026,\U0010ffff"
    assert offset_of("logs/", None) is None
    assert offset_of("", "b/1") == "b/1"
    assert offset_of("", "b//1") == "b"
    assert offset_of("a/", "d/") == "d"
    assert offset_of("a\ue000", None) == "a\ud7ff\U0010ffff"
    assert offset_of("a ", None) == "a"  # what is below a space is a control character
    assert offset_of("x" * 1024, None) == "x" * 1023


# -- part plans -------------------------------------------------------------------------------------------------------


@given(
    st.none() | st.integers(0, 50 * TIB),
    st.none() | st.integers(1, 200 * 1024**2),
    st.none() | st.integers(1, 64),
    st.sampled_from([10_000, 50_000]),
)
@example(5 * TIB, None, None, 10_000)
@example(100 * 1024**3, None, None, 10_000)
def test_any_size_fits(size, part, concurrency, most):
    plan = part_plan(size, PutOptions(part_size=part, concurrency=concurrency), most=most)
    assert plan.size >= 5 * 1024**2
    assert plan.limit == plan.size * most
    if size is not None:
        assert plan.limit >= size
    assert plan.concurrency == 1 or plan.concurrency * plan.size <= IN_FLIGHT
    assert plan.concurrency <= (concurrency or 8)


def test_growing_parts_hold_any_object():
    sizes = list(growing_parts(PART))
    assert len(sizes) == 10_000
    assert sizes[0] == PART
    assert sizes == sorted(sizes)
    assert sum(sizes) > 5 * TIB
    assert max(growing_parts(1024**3)) == 5 * 1024**3
    assert set(growing_parts(PART, equal=True)) == {PART}


def test_memory_is_bounded():
    check_memory([b"x" * SINGLE], None)
    with pytest.raises(NotSupportedError, match="holdall\\[s3\\]"):
        check_memory([b"x" * (MEMORY // 4)] * 5, None)


@given(st.text(min_size=1), st.integers(0), st.none() | st.text(), st.none() | st.text())
def test_the_result_of_a_write_is_what_its_constructor_makes(key, size, etag, version):
    told = {"e_tag": etag, "version": version}
    expected = PutResult(
        key=key, size=size, etag=(etag and strip_etag(etag)) or None, version=None if version == "null" else version
    )
    found = result_of(key, size, told)
    assert found == expected == found
    assert found == result_of(key, size, told)
    assert hash(found) == hash(expected)
    assert found != replace(expected, size=size + 1)
    assert repr(found) == repr(expected)
    assert asdict(found) == asdict(expected)
    assert replace(found, etag="x") == replace(expected, etag="x")
    for again in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert type(again) is PutResult
        assert again == expected
    with pytest.raises(FrozenInstanceError):
        found.etag = "x"
    with pytest.raises(AttributeError, match="other"):
        _ = found.other


@given(st.text(st.sampled_from("aé/.\0\n\x7f \ud800\u200b%"), max_size=6) | st.text(max_size=400))
@example(".holdall/x")
@example("a/.holdall-x/y")
def test_what_is_in_all_likelihood_a_plain_key_is_one_or_obstore_refuses_it(key):
    with ObstoreStore(obstore.store.MemoryStore()) as store:
        store.make_ready()
        path = store.likely(key)
        if path is None:
            return
        try:
            odd = is_odd(store.at(key))
        except InvalidKeyError:
            odd = True
        if odd:
            with pytest.raises(ValueError, match=r"parse|encode"):
                obstore.put(store.writer, path, b"x")
        else:
            obstore.put(store.writer, path, b"x")
            assert [each["path"] for page in obstore.list(store.native) for each in page] == [key]


def test_a_head_is_described_when_it_is_looked_at():
    class Answer:
        range = (0, 5)
        asked = 0
        attributes: ClassVar = {"Content-Type": "a/b", "m": "1"}

        @property
        def meta(self):
            Answer.asked += 1
            return {"size": 5, "e_tag": '"x"', "version": "7", "last_modified": None, "path": "k"}

    meta = head_meta("k", Answer())
    assert (meta.size, meta.key, Answer.asked) == (5, "k", 0)
    assert (meta.etag, meta.version, meta.content_type, meta.metadata, Answer.asked) == ("x", "7", "a/b", {"m": "1"}, 1)
    assert pickle.loads(pickle.dumps(meta)) == meta
