"""Options and metadata: checked when made, frozen, picklable."""

import copy
import dataclasses
import pickle
from datetime import UTC, datetime

import pytest

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.meta import EMPTY, Attributes, ListPage, ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutOptions, SignOptions
from holdall.core.ranges import ByteRange

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_get_options():
    assert GetOptions(range=(0, 4)).byte_range == ByteRange(0, 4)
    assert GetOptions().byte_range is None
    assert not GetOptions(range=(0, 4), version="1").conditional
    for name in ("if_match", "if_none_match"):
        assert GetOptions(**{name: "x"}).conditional
    for name in ("if_modified_since", "if_unmodified_since"):
        assert GetOptions(**{name: NOW}).conditional
        with pytest.raises(ValueError, match="aware"):
            GetOptions(**{name: NOW.replace(tzinfo=None)})


def test_put_modes_and_if_match():
    assert PutOptions(if_match="x").mode == "update"
    assert PutOptions(mode="update", if_match="x").if_match == "x"
    for bad in ({"mode": "update"}, {"mode": "create", "if_match": "x"}, {"mode": "append"}):
        with pytest.raises(ValueError):
            PutOptions(**bad)
    assert PutOptions(if_match="x", content_type="a/b").unconditional() == PutOptions(content_type="a/b")


@pytest.mark.parametrize(
    "name", ["content_type", "cache_control", "content_disposition", "content_encoding", "content_language"]
)
def test_headers_are_one_line_of_text(name):
    assert PutOptions(**{name: "x"}).annotated
    assert getattr(PutOptions(**{name: "x"}).attributes, name) == "x"
    for bad in ("a\r\nb", "a\nb", "a\0"):
        with pytest.raises(ValueError):
            PutOptions(**{name: bad})
    with pytest.raises(TypeError):
        PutOptions(**{name: 1})


@pytest.mark.parametrize(
    ("options", "name"),
    [(GetOptions, "if_match"), (GetOptions, "if_none_match"), (PutOptions, "if_match"), (CopyOptions, "if_match")],
)
def test_conditions_are_one_line_of_text(options, name):
    assert getattr(options(**{name: '"x"'}), name) == '"x"'
    for bad in ("a\r\nx-amz-acl: public-read", "a\n", "a\0"):
        with pytest.raises(ValueError, match=name):
            options(**{name: bad})
    with pytest.raises(TypeError, match=name):
        options(**{name: 1})


def test_metadata_and_tags():
    options = PutOptions(metadata={"Name": "x"}, tags={"Team": "y"})
    assert options.metadata == {"name": "x"}
    assert options.tags == {"Team": "y"}
    assert options.annotated
    assert not PutOptions(tags={"a": "b"}).annotated
    for bad in ({"a": 1}, {1: "a"}):
        with pytest.raises(TypeError):
            PutOptions(metadata=bad)
        with pytest.raises(TypeError):
            PutOptions(tags=bad)
    with pytest.raises(ValueError):
        PutOptions(metadata={"a": "x\ny"})
    with pytest.raises(ValueError, match="case only"):
        PutOptions(metadata={"a": "1", "A": "2"})


@pytest.mark.parametrize("name", ["part_size", "concurrency"])
def test_counts_are_at_least_one(name):
    assert getattr(PutOptions(**{name: 1}), name) == 1
    with pytest.raises(ValueError):
        PutOptions(**{name: 0})


def test_attributes_round_trip():
    attributes = Attributes(content_type="a/b", metadata={"k": "v"})
    options = PutOptions.from_attributes(attributes, tags={"t": "u"})
    assert options.attributes == attributes
    assert options.tags == {"t": "u"}
    assert PutOptions().attributes == Attributes()


def test_copy_options():
    assert CopyOptions(metadata={"A": "b"}).metadata == {"a": "b"}
    assert CopyOptions().metadata is None
    assert CopyOptions(modified=datetime(2001, 1, 1, tzinfo=UTC)).modified == datetime(2001, 1, 1, tzinfo=UTC)
    for bad in ({"mode": "update"}, {"metadata": {"a": "1", "A": "2"}}, {"modified": datetime(2001, 1, 1)}):
        with pytest.raises(ValueError):
            CopyOptions(**bad)


def test_sign_options():
    assert SignOptions(content_type="a/b", content_disposition="inline").expires_in == 3600
    for bad in (
        {"method": "DELETE"},
        {"expires_in": 0},
        {"expires_in": 604_801},
        {"content_type": "a\nb"},
        {"method": "PUT", "content_disposition": "x"},
        {"method": "PUT", "version": "1"},
    ):
        with pytest.raises(ValueError):
            SignOptions(**bad)


@pytest.mark.parametrize("cls", [GetOptions, PutOptions, CopyOptions, SignOptions, Capabilities, Identity])
def test_an_unknown_option_is_an_error(cls):
    with pytest.raises(TypeError):
        cls(nonsense=1)


def test_metadata_of_objects():
    meta = ObjectMeta(key="a", size=1, attributes=Attributes(content_type="a/b", metadata={"k": "v"}))
    assert (meta.content_type, meta.metadata) == ("a/b", {"k": "v"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        meta.size = 2


@pytest.mark.parametrize(
    "value",
    [
        ObjectMeta(key="a", size=1, last_modified=NOW, digests={"md5": "0"}),
        ObjectMeta(key="a", size=1),
        ListPage((ObjectMeta(key="a", size=1),), ("b/",)),
        GetOptions(range=(0, 1)),
        PutOptions(metadata={"a": "b"}),
        PutOptions(),
        Capabilities(),
        Identity(service="file", place="/"),
    ],
)
def test_values_pickle_and_copy(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
    assert dataclasses.asdict(value)


def test_the_empty_mapping():
    assert EMPTY == {}
    assert len(EMPTY) == 0
    assert list(EMPTY) == []
    assert repr(EMPTY) == "{}"
    assert "x" not in EMPTY
    assert copy.deepcopy(EMPTY) is EMPTY
    with pytest.raises(TypeError):
        EMPTY["a"] = "b"


def test_capabilities_and_identity():
    assert "read" in str(Capabilities())
    nothing = {f.name: False for f in dataclasses.fields(Capabilities) if getattr(Capabilities(), f.name) is True}
    assert str(Capabilities().narrowed(**nothing)) == "nothing"
    place = Identity(service="s3", place="b", principal="AKIA")
    assert str(place.below("x/")) == "s3#AKIA@b/x/"
    assert str(Identity(service="file", place="/srv")) == "file#/srv/"
    assert place != place.below("x/")
