"""The inline driver: keys that are their content."""

import base64
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.options import GetOptions
from holdall.drivers.inline import InlineStore
from holdall.errors import (
    ClosedError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PreconditionError,
    RangeNotSatisfiableError,
)


@pytest.fixture
def verbs(colour):
    return colour(InlineStore())


@pytest.mark.parametrize(
    ("key", "data", "content_type"),
    [
        ("aGVsbG8=", b"hello", None),
        ("aGVsbG8", b"hello", None),
        ("/+8/", b"\xff\xef?", None),
        ("_-8_", b"\xff\xef?", None),
        ("AA", b"\0", None),
        ("AA==", b"\0", None),
        ("a/b/", base64.b64decode("a/b/"), None),
        ("....".replace(".", "/"), b"\xff\xff\xff", None),
        ("data:,hello%20world", b"hello world", "text/plain;charset=US-ASCII"),
        ("data:,", b"", "text/plain;charset=US-ASCII"),
        ("data:;charset=utf-8,%C3%BC", "ü".encode(), "text/plain;charset=utf-8"),
        ("data:text/plain;charset=utf-8,ü", "ü".encode(), "text/plain;charset=utf-8"),
        ("data:text/html,<p>a,b</p>", b"<p>a,b</p>", "text/html"),
        ("data:image/png;base64,iVBORw0KGgo=", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("data:image/png;base64,iVBORw0KGgo", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("DATA:Image/PNG;BASE64,AA==", b"\0", "Image/PNG"),
        ("data:;base64,", b"", "text/plain;charset=US-ASCII"),
        ("data:;base64,_-8_", b"\xff\xef?", "text/plain;charset=US-ASCII"),
        ("data:application/x;base64,%2F%2B8%2F", b"\xff\xef?", "application/x"),
        ("data:text/plain;name=a%20b;base64,AA==", b"\0", "text/plain;name=a%20b"),
    ],
)
def test_what_keys_hold(verbs, key, data, content_type):
    assert verbs.get(key).bytes() == data
    meta = verbs.head(key)
    assert (meta.key, meta.size, meta.content_type, meta.last_modified) == (key, len(data), content_type, None)
    with verbs.get(key) as result:
        assert result.meta == meta
        assert b"".join(result) == data


@pytest.mark.parametrize(
    "key",
    ["", "=", "==", "a", "abcde", "hello world", "aGVs\nbG8=", "aGVsbG8===", "ü", "a=b", "data:", "data:text/plain", "data:a\nb,x",
     "data:x;base64,a", "data:x;base64,%%%", "data:x;base64,ü", "\0"],
)  # fmt: skip
def test_text_that_is_nothing(verbs, key):
    for call in (verbs.get, verbs.head, lambda k: verbs.get_ranges(k, [(0, 1)])):
        with pytest.raises(NotFoundError) as caught:
            call(key)
        assert caught.value.key == key
        assert caught.value.store == "InlineStore()"


@pytest.mark.parametrize("key", [None, 7, b"AA=="])
def test_keys_are_text(verbs, key):
    with pytest.raises(TypeError):
        verbs.get(key)


def test_errors_do_not_show_the_content(verbs):
    secret = "a secret that was meant as content " * 1000
    with pytest.raises(NotFoundError) as caught:
        verbs.get(secret)
    assert "meant" not in str(caught.value)
    assert len(str(caught.value)) < 120


@given(st.binary(max_size=300), st.sampled_from([None, "image/png", "text/plain;charset=utf-8"]))
def test_encode(data, mime):
    store = InlineStore()
    key = store.encode(data, mime)
    if data or mime:
        assert store.get(key).bytes() == data
        assert store.head(key).content_type == mime
    for other in (bytearray(data), memoryview(data)):
        assert store.encode(other, mime) == key
    if data:
        unsafe = base64.urlsafe_b64encode(data).decode().rstrip("=")
        assert store.get(unsafe).bytes() == data


@pytest.mark.parametrize("mime", ["a,b", "a\r\nb", "ü", "a\0"])
def test_bad_media_types(mime):
    with pytest.raises(ValueError, match="media type"):
        InlineStore().encode(b"", mime)


def test_ranges(verbs):
    key = InlineStore().encode(b"0123456789")
    with verbs.get(key, GetOptions(range=(2, 5))) as result:
        assert (result.bytes(), result.range, result.meta.size) == (b"234", (2, 5), 10)
    assert verbs.get_ranges(key, [(5, 7), (0, 1), (3, 3), (8, 20)]) == [b"56", b"0", b"", b"89"]
    assert verbs.get_ranges(key, []) == []
    for call in (lambda: verbs.get(key, GetOptions(range=(10, 11))), lambda: verbs.get_ranges(key, [(0, 1), (10, 11)])):
        with pytest.raises(RangeNotSatisfiableError) as caught:
            call()
        assert caught.value.key == key
    with pytest.raises(ValueError, match="range"):
        verbs.get_ranges(key, [(5, 3)])


def test_conditions(verbs):
    one, same, other = "aGVsbG8=", "data:text/plain;base64,aGVsbG8", "AA=="
    etag = verbs.head(one).etag
    assert etag == verbs.head(same).etag != verbs.head(other).etag
    assert verbs.get(one, GetOptions(if_match=etag)).bytes() == b"hello"
    assert verbs.get_ranges(one, [(0, 1)], if_match=etag) == [b"h"]
    with pytest.raises(NotModifiedError):
        verbs.get(same, GetOptions(if_none_match=etag))
    with pytest.raises(PreconditionError):
        verbs.get(other, GetOptions(if_match=etag))
    with pytest.raises(PreconditionError):
        verbs.get_ranges(other, [(0, 1)], if_match=etag)


def test_what_cannot_be(verbs):
    capabilities = verbs.capabilities
    assert not (capabilities.write or capabilities.delete or capabilities.list or capabilities.parts)
    for call in (
        lambda: verbs.put("AA==", b"1"),
        lambda: verbs.delete("AA=="),
        lambda: verbs.delete(["AA=="]),
        lambda: list(verbs.list()),
        lambda: verbs.copy("AA==", "AA"),
        lambda: verbs.rename("AA==", "AA"),
        lambda: verbs.tags("AA=="),
        lambda: verbs.set_metadata("AA==", {}),
        lambda: verbs.sign("AA=="),
        lambda: verbs.parts("AA=="),
        lambda: verbs.head("AA==", version="1"),
        lambda: verbs.get("AA==", GetOptions(version="1")),
    ):
        with pytest.raises(NotSupportedError) as caught:
            call()
        assert caught.value.store == "InlineStore()"


def test_life(verbs, colour):
    store = InlineStore()
    assert store.identity == InlineStore().identity
    assert repr(store) == "InlineStore()"
    assert pickle.loads(pickle.dumps(store)).get("AA").bytes() == b"\0"
    assert store.locate("AA") == (store, "AA")
    assert store.local_path("AA") is None
    verbs.close()
    verbs.close()
    for call in (
        lambda: verbs.get("AA"),
        lambda: verbs.head("AA"),
        lambda: verbs.put("AA", b""),
        lambda: list(verbs.list()),
    ):
        with pytest.raises(ClosedError):
            call()
