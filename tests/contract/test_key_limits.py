"""Keys that object stores must hold as they are: of all the 1024 bytes there are, and with signs that look like encodings."""

from collections.abc import Iterator

import pytest
from tests.object_stores import contained, opened

from holdall.core.keys import MAX_KEY_BYTES
from holdall.errors import InvalidKeyError
from holdall.store import Store
from holdall.testing import Colour, Ground
from holdall.testing.contract.base import keys_of, present, read

LONGEST = {
    "ascii": "k" * 1024,
    "segments": "/".join(["s" * 127] * 8) + "x",
    "two bytes each": "\u00fc" * 512,
    "three bytes each": "\u65e5" * 341 + "k",
    "four bytes each": "\U0001f392" * 256,
}
TOO_LONG = {
    "ascii": "k" * 1025,
    "two bytes each": "\u00fc" * 512 + "k",
    "three bytes each": "\u65e5" * 341 + "kk",
    "few characters": "\U0001f392" * 257,
}
PERCENT = {
    "percent": "100%/50%25.txt",
    "percent alone": "%",
    "encoded": "a%2Fb%20c",
    "half": "%4/%zz",
    "climbing": "%2e%2e/x",
}


@pytest.fixture(params=["kept_moto", "kept_radosgw", "azurite_container"])
def place(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


@pytest.fixture
def ground(place) -> Ground:
    return place.ground


@pytest.fixture
def store(place) -> Iterator[Store]:
    with contained(place) if hasattr(place.server, "account") else opened(place) as store:
        yield store


def test_the_cases_are_what_they_say():
    assert {len(key.encode()) for key in LONGEST.values()} == {MAX_KEY_BYTES} == {1024}
    assert min(len(key.encode()) for key in TOO_LONG.values()) == 1025


@pytest.mark.parametrize("key", [*LONGEST.values(), *PERCENT.values()], ids=[*LONGEST, *PERCENT])
def test_a_key_is_held_as_it_is(store: Store, ground: Ground, colour: Colour, key: str):
    verbs = colour(store)
    verbs.put("beside", b"another")
    put = verbs.put(key, b"bytes")
    assert ground.everything() == {"beside", key}
    assert ground.read(key) == b"bytes"
    assert read(verbs, key) == b"bytes"
    assert verbs.get_ranges(key, [(1, 3)]) == [b"yt"]
    meta = verbs.head(key)
    assert (put.key, meta.key, meta.size, meta.etag) == (key, key, 5, put.etag)
    assert sorted(keys_of(verbs)) == sorted(["beside", key])
    assert keys_of(verbs, key) == keys_of(verbs, key[:1] if key[0] != "b" else key) == [key]
    verbs.copy("beside", key)
    assert read(verbs, key) == b"another"
    verbs.delete(key)
    assert not present(verbs, key)
    verbs.put(key, iter([b"in ", b"pieces"]))
    assert ground.read(key) == b"in pieces"
    assert [result.error for result in verbs.delete([key])] == [None]
    assert ground.everything() == {"beside"}


@pytest.mark.parametrize("key", TOO_LONG.values(), ids=TOO_LONG)
def test_one_byte_more_is_refused(store: Store, ground: Ground, colour: Colour, key: str):
    verbs = colour(store)
    verbs.put("beside", b"another")
    for call in (
        lambda: verbs.put(key, b"bytes"),
        lambda: verbs.get(key),
        lambda: verbs.head(key),
        lambda: verbs.delete(key),
        lambda: verbs.copy("beside", key),
        lambda: keys_of(verbs, key),
    ):
        with pytest.raises(InvalidKeyError):
            call()
    assert ground.everything() == {"beside"}
