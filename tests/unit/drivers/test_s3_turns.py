"""S3 beside an event loop: what boto3, obstore and we do there is done in steps. Calls are counted, nothing is timed."""

import asyncio
import sys
import threading
from collections import Counter

import obstore.store
import pytest

from holdall import _turns
from holdall.drivers import s3pages
from holdall.drivers.azure import AzureStore
from holdall.drivers.gcs import GCSStore
from holdall.drivers.http import HTTPStore
from holdall.drivers.objects_store import ObstoreStore
from holdall.drivers.s3 import S3Store
from holdall.drivers.s3pages import parse_page
from holdall.errors import HoldallError, InvalidKeyError

KEYS = [f"p/{n:04}.json" for n in range(1000)]
PAGE = (
    "<ListBucketResult><IsTruncated>false</IsTruncated>"
    + "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
        for key in KEYS
    )
    + "</ListBucketResult>"
).encode()


class Loop:
    """Has its turn as soon as a thread asks for one; counts calls between two turns, and within what they were asked for."""

    def __init__(self):
        self.now = self.most = 0
        self.within = Counter()

    def __call__(self, frame, event, argument):
        if event in {"call", "c_call"}:
            self.now += 1
            self.most = max(self.most, self.now)

    def call_soon_threadsafe(self, callback, *args):
        self.now = 0
        frame, names = sys._getframe(), set()
        while frame is not None:
            names.add(frame.f_code.co_name)
            frame = frame.f_back
        self.within.update(names)
        callback(*args)


@pytest.fixture
def beside(monkeypatch):
    """Call a function as beside a loop that has a turn at every opportunity."""

    def call(function):
        loop = Loop()
        monkeypatch.setattr(_turns, "HELD", -1)

        def watched():
            sys.setprofile(loop)
            try:
                return function()
            finally:
                sys.setprofile(None)

        return _turns.beside(loop, watched), loop

    return call


def bucket(**more):
    return S3Store(
        "b",
        endpoint_url="http://127.0.0.1:1",
        region="us-east-1",
        access_key_id="k",
        secret_access_key="s",
        retries=0,
        **more,
    )


def test_a_page_is_read_with_pauses(beside):
    (page, mark), loop = beside(lambda: parse_page(PAGE, 2))
    assert ([meta.key for meta in page.objects], mark) == ([key[2:] for key in KEYS], None)
    assert loop.within["_apart"] >= len(PAGE) // s3pages.STEP
    assert loop.within["parse_page"] > len(KEYS) // _turns.MANY
    assert loop.most <= 2_000


@pytest.mark.parametrize("step", [1, 150, 151, 152, 153, 154, 155, 10_000])
def test_a_page_in_pieces_is_the_page(step, monkeypatch):
    """Wherever it is cut; also among objects that look otherwise."""
    for other in ("", "<Contents><Key>p/0500.json</Key><Size>1</Size></Contents>"):
        data = PAGE.replace(b"<Contents><Key>p/0500", other.encode() + b"<Contents><Key>p/0500")
        monkeypatch.setattr(s3pages, "STEP", len(data))
        whole = parse_page(data, 2)
        monkeypatch.setattr(s3pages, "STEP", step)
        assert parse_page(data, 2) == whole
        assert len(whole[0].objects) == 1000 + bool(other)


def test_boto3_makes_clients_and_requests_with_pauses(beside):
    _ = bucket().extra.client  # what is imported, and read once in a process

    def request():
        extra = bucket().extra
        with pytest.raises(HoldallError):  # nobody listens there
            extra.page("", None, None, None, 0)
        extra.close()

    _, loop = beside(request)
    assert loop.within["_register_handlers"] + loop.within["_register_builtin_handlers"] > 100
    assert loop.within["_make_api_call"] > 10
    assert loop.most <= 12_000


def test_instances_are_opened_in_a_thread_each_in_a_turn(beside):
    opened = []

    def opener(**given):
        opened.append(threading.get_ident())
        return native

    native = obstore.store.MemoryStore()
    store = bucket()
    store._opener = opener
    _, loop = beside(store.make_ready)
    assert len(opened) == loop.within["pause"] == 3
    assert not store.unready

    blocking = bucket()
    blocking._opener = opener
    blocking.put("a", b"x")
    assert len(opened) == 4  # what is needed, here

    async def body(awaited):
        awaited._opener = opener
        assert await (await awaited.get_async("a")).bytes_async() == b"x"

    obstore.put(native, "a", b"x")
    for awaited in (bucket(), AzureStore("c", account_name="abc"), GCSStore("b"), HTTPStore("http://host")):
        opened.clear()
        asyncio.run(body(awaited))
        assert len(opened) == 3
        assert threading.get_ident() not in opened


class Turns:
    """Counts the Python calls within one turn of the loop."""

    def __init__(self):
        self.now = self.most = 0

    def __call__(self, frame, event, argument):
        if event == "call":
            self.now = 0 if frame.f_code is asyncio.BaseEventLoop._run_once.__code__ else self.now + 1
            self.most = max(self.most, self.now)


def test_many_keys_are_deleted_in_turns(monkeypatch):
    monkeypatch.setattr(_turns, "TURN", -1)
    store = ObstoreStore(obstore.store.MemoryStore())
    store.put(KEYS[3], b"x")

    async def body():
        turns = Turns()
        sys.setprofile(turns)
        try:
            return await store.delete_async(KEYS), turns.most
        finally:
            sys.setprofile(None)

    results, most = asyncio.run(body())
    assert [result.key for result in results] == KEYS
    assert [*store.list("p/")] == []
    assert most <= 700

    with pytest.raises(InvalidKeyError):  # before anything is deleted
        asyncio.run(store.delete_async([*KEYS, "../x"]))
    store.put(KEYS[3], b"x")
    with pytest.raises(InvalidKeyError):
        store.delete([*KEYS, ""])
    assert store.head(KEYS[3]).size == 1
