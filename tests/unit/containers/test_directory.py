"""Keys of a map that is out of order: searched for in the encoded bytes, or decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.containers import FormatError, LazyReader, WriteOptions, dumps
from holdall.containers.directory import Directory
from holdall.containers.engines import engine

codecs = pytest.mark.parametrize("codec", ["msgpack", "cbor"])
texts = st.text("ab£\x61\xa1", max_size=3) | st.sampled_from(["x" * n for n in (31, 32, 255, 256)])


def directory(keys, codec="msgpack"):
    found = engine(codec)
    return Directory(found.one(list(keys)), len(keys), found)


@codecs
@given(keys=st.lists(texts | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=2), unique=True), asked=texts)
def test_each_key_is_where_it_stands(codec, keys, asked):
    again = directory(keys, codec)
    for key in [*keys, asked]:
        for where in (directory(keys, codec), again):
            if key in keys:
                assert where.position(key) == keys.index(key)
            else:
                with pytest.raises(KeyError):
                    where.position(key)


@codecs
@given(keys=st.lists(st.text("a£\xa1b", min_size=2, max_size=2), unique=True, min_size=1), data=st.data())
def test_texts_of_one_size_are_found_in_the_bytes(codec, keys, data):
    key = data.draw(st.sampled_from(keys))
    alike = [one for one in keys if len(one.encode()) == len(key.encode())]
    where = directory(alike, codec)
    assert where.position(key) == alike.index(key)
    assert where._positions is None  # nothing was decoded
    assert [where.position(one) for one in alike] == list(range(len(alike)))


@pytest.mark.parametrize(
    ("codec", "keys"),
    [("msgpack", ["\u0640" + "x" * 126, "y" * 128, "x" * 126 + "\u0640"]), ("cbor", ["bb", "ab", "ba", "aa"])],
)
def test_what_looks_like_a_key_across_others_is_none(codec, keys):
    """The head of a text of 128 bytes is a letter in msgpack, and that of one of two bytes is ``b`` in CBOR."""
    for key in keys:
        assert directory(keys, codec).position(key) == keys.index(key)


@pytest.mark.parametrize("key", [["list"], {}, b"aa", 7, None, "\ud800", "a", "aaa"])
def test_what_is_no_key_of_the_map(key):
    with pytest.raises((KeyError, TypeError)):
        directory(["aa", "bb"]).position(key)


@pytest.mark.parametrize(
    "keys", [["aa", "bb", "aa"], ["aa", "bb"], ["aa", "bb", "c", "d"], ["aa", [], "c"], "aab", 7, {"a": 1, "b": 2, "c": 3}]
)
def test_directories_that_match_no_map_of_three(keys):
    found = engine("msgpack")
    with pytest.raises(FormatError, match="directory"):
        Directory(found.one(keys), 3, found).position("aa")


@codecs
def test_a_wave_of_keys_decodes_the_directory_once(codec, monkeypatch, colour):
    plain = {f"{n * 7919 % 10_007:05}": "v" * 20 for n in range(5000)}
    reader = LazyReader(dumps(plain, options=WriteOptions(codec=codec))).open()
    made = []
    decoded = Directory._decoded
    monkeypatch.setattr(Directory, "_decoded", lambda self: made.append(1) or decoded(self))
    wanted = list(plain)[::50]
    assert colour(reader).read_many([[key] for key in wanted]) == [plain[key] for key in wanted]
    assert len(made) == 1
