"""`ObservedStore`: events, counters, log records and spans, each verb once, without secrets."""

import asyncio
import dataclasses
import gc
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from holdall.core.capabilities import Identity
from holdall.core.options import GetOptions
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import NotFoundError, UnavailableError
from holdall.testing import FlakyStore, SlowStore, colour_named
from holdall.wrappers.forwarding import ForwardingStore
from holdall.wrappers.observed import Event, ObservedStore

BIG = bytes(3 * 1024 * 1024)
SECRET = "s3cr3t"


@pytest.fixture(params=["blocking", "async"])
def colour(request):
    with colour_named(request.param) as colour:
        yield colour


@pytest.fixture
def events():
    return []


@pytest.fixture
def files(tmp_path):
    """A store whose bodies are real streams."""
    store = LocalStore(tmp_path)
    store.put("big", BIG)
    return store


def told(events):
    return [(event.verb, event.key, event.bytes, type(event.error)) for event in events]


NOTHING = type(None)


def test_an_event_for_each_verb(events, colour):
    store = colour(ObservedStore(MemoryStore(versioned=True), name="m", on_event=events.append))
    store.put("k", b"hello")
    assert store.get("k").bytes() == b"hello"
    store.get("k", GetOptions(range=(1, 3))).bytes()
    store.get_ranges("k", [(0, 2), (4, 5)])
    store.head("k")
    list(store.list("k"))
    store.copy("k", "l")
    store.rename("l", "m")
    store.set_tags("m", {})
    store.tags("m")
    store.set_metadata("m", {})
    version = store.versions("k")[0].version
    store.restore("k", version)
    store.delete_version("k", version)
    store.uploads("p")
    with store.parts("p") as writer:
        writer.put_part(1, bytearray(7))
        writer.copy_part(2, "k", (0, 5))
        writer.sent()
        writer.complete()
    store.delete("m")
    store.delete(["k", "p"])
    with pytest.raises(NotFoundError):
        store.head("none")
    with pytest.raises(NotImplementedError):
        store.sign("k")
    assert told(events) == [
        ("put", "k", 5, NOTHING),
        ("get", "k", 5, NOTHING),
        ("get", "k", 2, NOTHING),
        ("get_ranges", "k", 3, NOTHING),
        ("head", "k", 0, NOTHING),
        ("list", "k", 0, NOTHING),
        ("copy", "l", 0, NOTHING),
        ("rename", "l", 0, NOTHING),
        ("set_tags", "m", 0, NOTHING),
        ("tags", "m", 0, NOTHING),
        ("set_metadata", "m", 0, NOTHING),
        ("versions", "k", 0, NOTHING),
        ("restore", "k", 0, NOTHING),
        ("delete_version", "k", 0, NOTHING),
        ("uploads", "p", 0, NOTHING),
        ("parts", "p", 0, NOTHING),
        ("put_part", "p", 7, NOTHING),
        ("copy_part", "p", 0, NOTHING),
        ("sent", "p", 0, NOTHING),
        ("complete", "p", 0, NOTHING),
        ("abort", "p", 0, NOTHING),
        ("delete", "m", 0, NOTHING),
        ("delete", None, 0, NOTHING),
        ("head", "none", 0, NotFoundError),
        ("sign", "k", 0, type(events[-1].error)),
    ]
    assert {event.store for event in events} == {"m"}
    assert all(event.seconds >= 0 for event in events)


def test_an_event_is_a_value(events):
    ObservedStore(MemoryStore(), on_event=events.append).put("k", b"1")
    [event] = events
    assert event == dataclasses.replace(event)
    assert event.store == "MemoryStore()"
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.bytes = 7
    assert isinstance(event, Event)


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_body_belongs_to_its_get(files, events, colour):
    store = colour(ObservedStore(files, on_event=events.append))
    with store.get("big") as result:
        chunks = iter(result)
        next(chunks)
        assert events == []
        for _ in chunks:
            pass
        assert told(events) == [("get", "big", len(BIG), NOTHING)]
    assert len(events) == 1


@pytest.mark.parametrize("how", ["closed", "left", "dropped"])
def test_a_body_that_is_not_read_ends_too(files, events, colour, how):
    result = colour(ObservedStore(files, on_event=events.append)).get("big")
    if how == "closed":
        result.close()
        result.close()
    elif how == "left":
        with result:
            pass
    del result
    gc.collect()
    assert told(events) == [("get", "big", 0, NOTHING)]


def test_a_body_that_breaks_is_an_error_with_the_bytes_that_came(files, events, colour):
    flaky = FlakyStore(files)
    flaky.fail("get", when="during", after_bytes=1)
    with pytest.raises(UnavailableError):
        colour(ObservedStore(flaky, on_event=events.append)).get("big").bytes()
    [(verb, key, size, error)] = told(events)
    assert (verb, key, error) == ("get", "big", UnavailableError)
    assert 0 < size < len(BIG)


def test_the_readers_own_time_does_not_count(files, events):
    result = ObservedStore(files, on_event=events.append).get("big")
    for _ in result:
        threading.Event().wait(0.05)
    assert events[0].seconds < 0.05


def test_the_stores_time_counts(files, events, colour):
    slow = ObservedStore(SlowStore(files, latency=0.05), on_event=events.append)
    colour(slow).get("big").bytes()
    list(colour(slow).list())
    assert [event.seconds >= 0.05 for event in events] == [True, True]
    assert slow.counters.seconds["get"] == events[0].seconds


def test_a_listing_is_one_event(events, colour):
    inner = MemoryStore()
    for i in range(2100):
        inner.put(f"{i:04}", b"")
    store = colour(ObservedStore(inner, on_event=events.append))
    assert len(list(store.list())) == 3
    pages = store.list("1")
    next(pages)
    pages.close()
    assert told(events) == [("list", "", 0, NOTHING), ("list", "1", 0, NOTHING)]


def test_a_listing_that_fails(events, colour):
    flaky = FlakyStore(MemoryStore())
    flaky.fail("list")
    with pytest.raises(UnavailableError):
        list(colour(ObservedStore(flaky, on_event=events.append)).list("x"))
    with pytest.raises(ValueError, match="delimiter"):
        list(colour(ObservedStore(MemoryStore(), on_event=events.append)).list("x", delimiter="-"))
    assert told(events) == [("list", "x", 0, UnavailableError), ("list", "x", 0, ValueError)]


def test_a_cancelled_verb_is_told(events):
    store = ObservedStore(SlowStore(MemoryStore(), latency=30), on_event=events.append)

    async def run():
        task = asyncio.create_task(store.head_async("k"))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert told(events) == [("head", "k", 0, asyncio.CancelledError)]


# -- counters ---------------------------------------------------------------------------------------------------------


def test_counters_are_a_value(colour):
    plain = ObservedStore(MemoryStore())
    store = colour(plain)
    store.put("k", b"hello")
    store.get("k").bytes()
    before = plain.counters
    store.get("k").bytes()
    with pytest.raises(NotFoundError):
        store.get("none")
    assert (dict(before.calls), dict(before.errors)) == ({"put": 1, "get": 1}, {})
    after = plain.counters
    assert (dict(after.calls), dict(after.errors)) == ({"put": 1, "get": 3}, {"get": 1})
    assert (after.bytes_read, after.bytes_written) == (10, 5)
    assert set(after.seconds) == {"put", "get"}
    with pytest.raises(TypeError):
        after.calls["put"] = 7


def test_nothing_is_lost_between_threads_and_loops():
    inner = MemoryStore()
    inner.put("k", b"12345")
    store = ObservedStore(inner)

    async def tasks():
        for _ in range(10):
            await asyncio.gather(*(store.get_async("k") for _ in range(20)))

    def verbs():
        for _ in range(200):
            store.get("k").bytes()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(verbs) for _ in range(5)] + [pool.submit(asyncio.run, tasks()) for _ in range(3)]:
            future.result(60)
    assert dict(store.counters.calls) == {"get": 1600}
    assert store.counters.bytes_read == 8000


FORKED = """
    from holdall.drivers.memory import MemoryStore
    from holdall.wrappers.observed import ObservedStore

    inner = MemoryStore()
    inner.put("k", b"1")
    store = ObservedStore(inner)
    store.head("k")
    with store._lock.get():  # as if another thread counted at that moment
        child = lambda: store.head("k").size == 1 and dict(store.counters.calls) == {"head": 2}
        assert in_child(child) == 0
    assert dict(store.counters.calls) == {"head": 1}
"""


def test_a_forked_child_counts_on(interpreter):
    interpreter(FORKED)


# -- callbacks and logs -----------------------------------------------------------------------------------------------


def test_what_the_callback_raises_goes_no_further(colour, caplog):
    def broken(event):
        raise ZeroDivisionError

    store = colour(ObservedStore(MemoryStore(), name="m", on_event=broken))
    assert store.put("k", b"1").size == 1
    assert "on_event of m failed" in caplog.text


def test_logs(colour, caplog):
    caplog.set_level(logging.DEBUG, logger="holdall.store")
    flaky = FlakyStore(MemoryStore())
    store = colour(ObservedStore(flaky, name="m"))
    store.put("k", b"hello")
    with pytest.raises(NotFoundError):
        store.head("none")
    flaky.fail("head")
    with pytest.raises(UnavailableError):
        store.head("k")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "DEBUG", "WARNING"]
    first, second, third = caplog.messages
    assert first.startswith("put 'k' 5 bytes 0.")
    assert first.endswith("[m]")
    assert "nothing at 'none'" in second
    assert "injected fault" in third
    caplog.set_level(logging.WARNING, logger="holdall.store")
    store.put("k", b"hello")
    assert len(caplog.records) == 3


def test_its_own_logger(caplog):
    caplog.set_level(logging.DEBUG, logger="mine")
    ObservedStore(MemoryStore(), logger=logging.getLogger("mine")).put("k", b"1")
    assert [record.name for record in caplog.records] == ["mine"]


# -- spans ------------------------------------------------------------------------------------------------------------


class Elsewhere(ForwardingStore):
    """As if it were a bucket."""

    identity = Identity(service="s3+https://s3.example.com:9000", place="bucket", prefix="base/", principal="AKIA")

    def sign(self, key, options=None):
        return f"https://s3.example.com/{key}?signature={SECRET}"

    async def sign_async(self, key, options=None):
        return self.sign(key, options)


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield provider
    provider.shutdown()


def test_spans_of_a_bucket(spans, provider, colour):
    store = colour(ObservedStore(Elsewhere(MemoryStore()), name="uploads", tracer_provider=provider))
    store.put("a/k", b"hello")
    with pytest.raises(NotFoundError):
        store.get("none")
    put, get = spans.get_finished_spans()
    assert put.name == "holdall put"
    assert put.kind is trace.SpanKind.CLIENT
    assert put.instrumentation_scope.name == "holdall"
    assert dict(put.attributes) == {
        "holdall.verb": "put",
        "holdall.store": "uploads",
        "holdall.bytes": 5,
        "server.address": "s3.example.com",
        "server.port": 9000,
        "aws.s3.bucket": "bucket",
        "aws.s3.key": "base/a/k",
    }
    assert put.status.is_unset
    assert get.attributes["error.type"] == "not_found"
    assert get.status.is_unset  # an answer, not a failure


def test_attributes_are_those_of_the_semantic_conventions():
    from opentelemetry.semconv._incubating.attributes import aws_attributes
    from opentelemetry.semconv.attributes import error_attributes, server_attributes

    assert aws_attributes.AWS_S3_BUCKET == "aws.s3.bucket"
    assert aws_attributes.AWS_S3_KEY == "aws.s3.key"
    assert server_attributes.SERVER_ADDRESS == "server.address"
    assert server_attributes.SERVER_PORT == "server.port"
    assert error_attributes.ERROR_TYPE == "error.type"


def test_spans_of_something_local(spans, provider, colour):
    flaky = FlakyStore(MemoryStore())
    store = colour(ObservedStore(flaky, tracer_provider=provider))
    flaky.fail("head")
    with pytest.raises(UnavailableError):
        store.head("k")
    with pytest.raises(TypeError):
        store.put("k", [b"1", SECRET])
    head, put = spans.get_finished_spans()
    assert head.kind is trace.SpanKind.INTERNAL
    assert head.attributes["holdall.key"] == "k"
    assert head.status.status_code is trace.StatusCode.ERROR
    assert head.status.description == "injected fault"
    assert (put.attributes["error.type"], put.status.description) == ("TypeError", "TypeError")


def test_spans_nest(spans, provider, colour):
    """Below the caller's span, and above those of what is wrapped."""
    inner = ObservedStore(MemoryStore(), name="inner", tracer_provider=provider)
    store = ObservedStore(inner, name="outer", tracer_provider=provider)
    with provider.get_tracer("test").start_as_current_span("request"):
        if colour.name == "blocking":
            store.put("k", b"1")
        else:
            asyncio.run(store.put_async("k", b"1"))
        current = trace.get_current_span()
    by_name = {
        span.attributes.get("holdall.store", span.name): span for span in spans.get_finished_spans() if span.attributes
    }
    request = next(span for span in spans.get_finished_spans() if span.name == "request")
    assert by_name["inner"].parent.span_id == by_name["outer"].context.span_id
    assert by_name["outer"].parent.span_id == request.context.span_id
    assert current.get_span_context().span_id == request.context.span_id


def test_the_span_of_a_body_ends_with_it(spans, provider, files, colour):
    store = colour(ObservedStore(files, tracer_provider=provider))
    with store.get("big") as result:
        chunks = iter(result)
        next(chunks)
        assert spans.get_finished_spans() == ()
        assert trace.get_current_span() is trace.INVALID_SPAN
        for _ in chunks:
            pass
    [span] = spans.get_finished_spans()
    assert span.attributes["holdall.bytes"] == len(BIG)


def test_no_secret_is_told(spans, provider, events, caplog, colour):
    caplog.set_level(logging.DEBUG, logger="holdall.store")

    def source():
        yield b"1"
        raise OSError(f"password={SECRET}")

    plain = ObservedStore(Elsewhere(MemoryStore()), on_event=events.append, tracer_provider=provider)
    store = colour(plain)
    assert SECRET in store.sign("k")
    store.put("k", SECRET.encode())
    store.get("k").bytes()
    with pytest.raises(OSError, match=SECRET):
        store.put("k", source())
    shown = [repr(plain), repr(plain.counters), caplog.text]
    shown += [span.to_json() for span in spans.get_finished_spans()]
    shown += [repr(dataclasses.replace(event, error=None)) for event in events]
    assert len(events) == len(spans.get_finished_spans()) == 4
    assert not [text for text in shown if SECRET in text]


def test_without_opentelemetry(monkeypatch, events, colour):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    store = ObservedStore(MemoryStore(), on_event=events.append)
    colour(store).put("k", b"1")
    assert store._tracing is None
    assert told(events) == [("put", "k", 1, NOTHING)]
