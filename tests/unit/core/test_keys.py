"""Keys: what is one, what is hidden, how they join."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.keys import MAX_KEY_BYTES, ReservedKey, check_key, check_prefix, clean_path, is_reserved, join_prefix
from holdall.errors import InvalidKeyError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "a/b",
        "a//b",
        "a/",
        "ü/名",
        "a b",
        "%2F",
        "a\\b",
        "...",
        "a/...",
        ".a",
        "a/.b",
        "x" * MAX_KEY_BYTES,
        "ü" * 512,
        ".holdall2",
    ],
)
def test_keys_that_stores_take(key):
    assert check_key(key) == key
    assert check_prefix(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "/",
        "a\0b",
        ".",
        "..",
        "../a",
        "a/..",
        "a/../b",
        "a/./b",
        "./a",
        "x" * 1025,
        "ü" * 513,
        "\ud800",
        "a/\udcff",
    ],
)
def test_keys_that_no_store_takes(key):
    with pytest.raises(InvalidKeyError) as caught:
        check_key(key)
    assert caught.value.key == key


@pytest.mark.parametrize("key", [".holdall", ".holdall/x", "a/.holdall/x", ".holdall-1.tmp", "a/.holdall-x"])
def test_what_is_ours_is_refused_unless_we_ask(key):
    assert is_reserved(key)
    with pytest.raises(InvalidKeyError, match="reserved"):
        check_key(key)
    assert check_key(ReservedKey(key)) == key
    assert check_prefix(key) == key


@pytest.mark.parametrize("key", [".holdall2", "holdall", "a.holdall/x", "x/.holdal"])
def test_what_only_looks_like_ours(key):
    assert not is_reserved(key)


@pytest.mark.parametrize("key", [None, 1, b"a", ["a"]])
@pytest.mark.parametrize("take", [check_key, check_prefix, clean_path])
def test_a_key_is_a_str(take, key):
    with pytest.raises(TypeError):
        take(key)


@pytest.mark.parametrize("prefix", ["", "a/..", "..", ".", "a/.", "logs/2026-"])
def test_a_prefix_may_end_within_a_segment(prefix):
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/a", "../a", "a/../b", "a\0", "x" * 1025])
def test_prefixes_that_nothing_can_have(prefix):
    with pytest.raises(InvalidKeyError):
        check_prefix(prefix)


def test_joining():
    assert join_prefix("a", "b") == "a/b"
    assert join_prefix("a/", "b") == "a/b"
    assert join_prefix("", "b") == "b"
    assert isinstance(join_prefix("a", ReservedKey(".holdall/x")), ReservedKey)
    assert isinstance(join_prefix("", ReservedKey(".holdall/x")), ReservedKey)
    assert not isinstance(join_prefix("a", "b"), ReservedKey)


@given(st.lists(TEXT, max_size=5))
def test_a_cleaned_path_is_a_key_or_the_root(parts):
    try:
        cleaned = clean_path(*parts)
    except InvalidKeyError:
        assert any(".." in part.split("/") for part in parts)
        return
    assert clean_path(cleaned) == cleaned
    if cleaned and not is_reserved(cleaned) and len(cleaned.encode()) <= MAX_KEY_BYTES:
        assert check_key(cleaned) == cleaned
    assert [s for p in parts for s in p.split("/") if s not in {"", "."}] == [s for s in cleaned.split("/") if s]


def test_nul_is_refused_in_a_path():
    with pytest.raises(InvalidKeyError):
        clean_path("a\0b")


@given(TEXT, TEXT)
def test_no_key_leaves_its_prefix(prefix, key):
    try:
        check_key(key)
        check_key(prefix)
    except InvalidKeyError:
        return
    joined = join_prefix(prefix, key)
    assert joined.startswith(prefix)
    assert joined.endswith(key)
    assert ".." not in joined.split("/")


@pytest.mark.parametrize("path", ["..", "a/../b", "a/..", "/.."])
def test_a_path_does_not_climb(path):
    with pytest.raises(InvalidKeyError, match="Parent directory traversal"):
        clean_path("x", path)
