"""Sixteen writers and a reader on one key: whoever wins, what is read is one whole content, and its etag is its own."""

import threading
from collections.abc import Iterator

import pytest
from tests.object_stores import contained, opened

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.store import Store
from holdall.testing import Colour
from holdall.testing.contract.base import read

WRITERS, SIZE, ROUNDS = 16, 64 * 1024, 3


@pytest.fixture(params=["memory", "local", "kept_localstack", "kept_radosgw", "azurite_container"])
def store(request: pytest.FixtureRequest, tmp_path) -> Iterator[Store]:
    """Not on moto: it answers one request at a time."""
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param == "local":
        made = LocalStore(tmp_path / "root", create=True)
    else:
        place = request.getfixturevalue(request.param)
        made = contained(place) if hasattr(place.server, "account") else opened(place)
    with made:
        yield made


def content(number: int) -> bytes:
    """Return a writer's own content; of a length of its own, too, so that a mixture of heads and bodies shows."""
    return bytes([number]) * (SIZE + number)


def whole(data: bytes) -> bool:
    """Tell whether this is one writer's content, no more and no less."""
    return data[:1] != b"" and data == content(data[0])


def test_sixteen_writers_of_one_key(store: Store, colour: Colour):
    colour(store).put("k", content(0))
    etags: dict[int, set[str | None]] = {number: set() for number in range(WRITERS + 1)}
    etags[0].add(store.head("k").etag)
    ended = [threading.Event() for _ in range(WRITERS)]
    read_as: dict[str | None, int] = {}

    def write(number: int, verbs: Store) -> None:
        for _ in range(ROUNDS):
            result = verbs.put("k", content(number))
            assert result.size in {None, SIZE + number}
            etags[number].add(result.etag)

    def look(verbs: Store) -> int:
        seen = 0
        while any(not done.is_set() for done in ended) or not seen:
            with verbs.get("k") as result:
                data = result.bytes()
            assert whole(data), (len(data), set(data))
            assert result.meta.size == len(data)
            read_as.setdefault(result.meta.etag, data[0])
            assert read_as[result.meta.etag] == data[0], "one etag of two contents"
            seen += 1
        return seen

    def body(number: int, own: Colour) -> int:
        if number == 0:
            return look(own(store))
        try:
            write(number, own(store))
        finally:
            ended[number - 1].set()
        return 0

    seen, *_ = colour.in_threads(WRITERS + 1, body)
    assert seen
    for etag, number in read_as.items():
        assert etag in etags[number], "an etag that its writer was not told"
    last = store.head("k")
    data = read(colour(store), "k")
    assert whole(data)
    assert last.size == len(data)
    assert last.etag in etags[data[0]]
    with colour(store).get("k") as result:
        assert result.meta.etag == last.etag


def test_sixteen_tasks_of_one_loop(store: Store, colour: Colour):
    """The same at once in one loop (blocking: in threads that start together); afterwards one of them has won."""
    answers = colour.at_once(store.put, [("k", content(number)) for number in range(1, WRITERS + 1)])
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    meta, data = colour(store).head("k"), read(colour(store), "k")
    assert whole(data)
    assert meta.size == len(data)
    winner = answers[data[0] - 1]
    assert not isinstance(winner, Exception)
    assert winner.etag == meta.etag
