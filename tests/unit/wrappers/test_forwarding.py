"""No verb falls through: every wrapper forwards or overrides each verb, in both colours."""

import asyncio
import importlib
import inspect
import pickle
import pkgutil
from datetime import UTC, datetime

import pytest

import holdall.wrappers
from holdall.core.capabilities import Capabilities, Identity, PartRules
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyOptions, GetOptions, PutOptions, SignOptions
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import HoldallError
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import SizedChunks
from holdall.store import VERBS, PartWriter, Store
from holdall.wrappers.cached import CachedStore
from holdall.wrappers.dynamic import DynamicPrefixStore
from holdall.wrappers.forwarding import ForwardingStore, ForwardingWriter
from holdall.wrappers.limited import LimitedStore
from holdall.wrappers.observed import ObservedStore
from holdall.wrappers.prefix import PrefixStore
from holdall.wrappers.readonly import ReadOnlyStore
from holdall.wrappers.resilient import ResilientStore
from holdall.wrappers.restricted import RestrictedStore

MAKE = {
    ForwardingStore: ForwardingStore,
    PrefixStore: lambda store: PrefixStore(store, ""),
    DynamicPrefixStore: lambda store: DynamicPrefixStore(MemoryStore(), lambda: store),
    RestrictedStore: lambda store: RestrictedStore(store, "delete"),
    ReadOnlyStore: ReadOnlyStore,
    LimitedStore: lambda store: LimitedStore(store, concurrency=1, rate=1_000_000),
    ObservedStore: ObservedStore,
    CachedStore: CachedStore,
    ResilientStore: ResilientStore,
}
OTHERS = ("capabilities", "identity", "locate", "local_path", "url", "close", "close_async")
WRITER_VERBS = ("put_part", "pour_part", "copy_part", "sent", "complete", "abort")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def classes(base):
    found = set()
    for module in pkgutil.iter_modules(holdall.wrappers.__path__, "holdall.wrappers."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and issubclass(value, base) and value.__module__.startswith("holdall.wrappers."):
                found.add(value)
    return sorted((c for c in found if not inspect.isabstract(c)), key=lambda c: (c.__module__, c.__qualname__))


def own(cls, name, root):
    """Tell whether a class, or one of its bases before the contract's, has the name itself."""
    return any(name in vars(base) for base in cls.__mro__[: cls.__mro__.index(root)])


def test_every_wrapper_is_driven_here():
    public = {cls for cls in classes(Store) if not cls.__module__.startswith("holdall.wrappers._")}
    assert public == set(MAKE)


@pytest.mark.parametrize("cls", classes(Store), ids=lambda c: c.__name__)
def test_no_verb_falls_through(cls):
    names = [*VERBS, *(f"{verb}_async" for verb in VERBS), *OTHERS]
    assert [name for name in names if not own(cls, name, Store)] == []


@pytest.mark.parametrize("cls", classes(PartWriter), ids=lambda c: f"{c.__module__}.{c.__name__}")
def test_no_verb_of_a_part_writer_falls_through(cls):
    names = [*WRITER_VERBS, *(f"{verb}_async" for verb in WRITER_VERBS)]
    assert [name for name in names if not own(cls, name, PartWriter)] == []


def test_the_list_of_verbs_is_whole():
    """A verb that the contract gets later is noticed here."""
    pairs = {name for name in vars(Store) if f"{name}_async" in vars(Store) and not name.startswith("_")}
    assert pairs == {*VERBS, "close"}
    assert {name for name in vars(PartWriter) if f"{name}_async" in vars(PartWriter)} == set(WRITER_VERBS)


META = ObjectMeta(key="k", size=3, etag="e", last_modified=NOW)
PUT = PutResult(key="k", size=3, etag="e")
VERSION = ObjectVersion(key="k", version="1", is_latest=True)
SOURCE = MemoryStore()

# verb: positional and named arguments, what the fake answers
CALLS = {
    "get": (("k", GetOptions(range=(0, 3), version="7")), {}, None),
    "get_ranges": (("k", [(0, 1)]), {"if_match": "e", "coalesce": None}, [b"x"]),
    "put": (("k", b"abc", PutOptions(mode="create")), {}, PUT),
    "head": (("k",), {"version": "7"}, META),
    "list": (("k",), {"delimiter": "/", "start_after": "a"}, None),
    "delete": (("k",), {"if_match": "e"}, [DeleteResult(key="k", existed=True)]),
    "copy": (("s", "k", CopyOptions(mode="create")), {"source": SOURCE}, PUT),
    "rename": (("s", "k"), {"mode": "create"}, None),
    "sign": (("k", SignOptions(method="GET", expires_in=5)), {}, "https://signed"),
    "versions": (("k",), {}, [VERSION]),
    "delete_version": (("k", "1"), {}, None),
    "restore": (("k", "1"), {}, PUT),
    "tags": (("k",), {"version": "7"}, {"a": "b"}),
    "set_tags": (("k", {"a": "b"}), {}, None),
    "set_metadata": (("k", {"a": "b"}), {"if_match": "e"}, PUT),
    "set_modified": (("k", NOW), {}, None),
    "set_storage_class": (("k", "COLD"), {}, PUT),
    "parts": (("k", PutOptions(content_type="text/plain")), {"upload_id": "u"}, None),
    "uploads": (("k",), {}, [Upload(key="k", upload_id="u")]),
}
WRITER_CALLS = {
    "put_part": ((1, b"abc"), {}, None),
    "pour_part": ((1, SizedChunks([b"abc"], 3)), {}, None),
    "copy_part": ((1, "s", (0, 1)), {"if_match": "e", "source": SOURCE}, None),
    "sent": ((), {}, {1: 3}),
    "complete": ((), {"mode": "update", "if_match": "e"}, PUT),
    "abort": ((), {}, None),
}
READING = {"get", "get_ranges", "head", "list", "sign", "versions", "tags"}


class Recorder:
    def __init__(self):
        self.calls = []


def record(verb, answer_of):
    def blocking(self, *arguments, **named):
        self.recorder.calls.append((verb, arguments, named))
        return answer_of(self, blocking=True)

    async def awaited(self, *arguments, **named):
        self.recorder.calls.append((f"{verb}_async", arguments, named))
        return answer_of(self, blocking=False)

    return blocking, awaited


class FakeWriter(PartWriter):
    key = "k"
    upload_id = "u"

    def __init__(self, recorder):
        self.recorder = recorder


class FakeStore(Store):
    """Has every verb, answers a fixed thing, remembers what it was asked."""

    def __init__(self):
        self.recorder = Recorder()

    capabilities = Capabilities(
        create=True,
        update=True,
        conditional_read=True,
        metadata=True,
        tags=True,
        versions=True,
        copy=True,
        rename=True,
        sign=frozenset({"GET", "PUT"}),
        strong_etag=True,
        parts=PartRules(),
    )
    identity = Identity(service="fake", place="here")

    def list(self, *arguments, **named):
        self.recorder.calls.append(("list", arguments, named))
        return iter([ListPage([META], ["k/"])])

    def list_async(self, *arguments, **named):
        self.recorder.calls.append(("list_async", arguments, named))

        async def pages():
            yield ListPage([META], ["k/"])

        return pages()

    def locate(self, key):
        return self, key

    def local_path(self, key):
        return f"/local/{key}"

    def url(self, key):
        return f"https://plain/{key}"

    def close(self):
        self.recorder.calls.append(("close", (), {}))

    async def close_async(self):
        self.recorder.calls.append(("close_async", (), {}))


def answer_of(verb, answer):
    if verb == "get":
        return lambda self, *, blocking: GetResult(META, b"abc")
    if verb == "parts":
        return lambda self, *, blocking: FakeWriter(self.recorder)
    return lambda self, *, blocking: answer


for _target, _table in ((FakeStore, CALLS), (FakeWriter, WRITER_CALLS)):
    for _verb, (_, _, _answer) in _table.items():
        if _verb != "list":
            _blocking, _awaited = record(_verb, answer_of(_verb, _answer))
            setattr(_target, _verb, _blocking)
            setattr(_target, f"{_verb}_async", _awaited)
    _target.__abstractmethods__ = frozenset()


def call(target, verb, arguments, named, *, blocking):
    """Call a verb in a colour, streams and listings to their end."""
    if blocking:
        answer = getattr(target, verb)(*arguments, **named)
        if verb == "list":
            return list(answer)
        return answer.bytes() if verb == "get" else answer

    async def run():
        if verb == "list":
            return [page async for page in target.list_async(*arguments, **named)]
        answer = await getattr(target, f"{verb}_async")(*arguments, **named)
        return await answer.bytes_async() if verb == "get" else answer

    return asyncio.run(run())


def plain(call):
    """Compare a call whatever its arguments were named: only values that were given count."""
    verb, arguments, named = call
    return verb, arguments + tuple(v for _, v in sorted(named.items()))


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "async"])
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("cls", MAKE, ids=lambda c: c.__name__)
def test_each_verb_reaches_the_inner_store(cls, verb, blocking):
    """Whole, once, in its own colour; and the answer comes back."""
    fake = FakeStore()
    store = MAKE[cls](fake)
    arguments, named, answer = CALLS[verb]
    if cls is ReadOnlyStore and verb not in READING:
        with pytest.raises(PermissionError):
            call(store, verb, arguments, named, blocking=blocking)
        assert fake.recorder.calls == []
        return
    got = call(store, verb, arguments, named, blocking=blocking)
    [seen] = fake.recorder.calls
    name = verb if blocking else f"{verb}_async"
    assert plain(seen) == plain((name, arguments, named))
    if verb == "get":
        assert got == b"abc"
    elif verb == "list":
        assert got == [ListPage([META], ["k/"])]
    elif verb == "parts":
        assert (got.key, got.upload_id) == ("k", "u")
    else:
        assert got == answer


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "async"])
@pytest.mark.parametrize("verb", WRITER_VERBS)
@pytest.mark.parametrize("cls", [c for c in MAKE if c is not ReadOnlyStore], ids=lambda c: c.__name__)
def test_each_verb_of_a_part_writer_reaches_the_inner_one(cls, verb, blocking):
    fake = FakeStore()
    writer = call(MAKE[cls](fake), "parts", ("k",), {}, blocking=blocking)
    fake.recorder.calls.clear()
    arguments, named, answer = WRITER_CALLS[verb]
    assert call(writer, verb, arguments, named, blocking=blocking) == answer
    [seen] = fake.recorder.calls
    assert plain(seen) == plain((verb if blocking else f"{verb}_async", arguments, named))


@pytest.mark.parametrize("cls", MAKE, ids=lambda c: c.__name__)
def test_what_it_is_comes_from_the_inner_store(cls):
    fake = FakeStore()
    store = MAKE[cls](fake)
    if cls is not DynamicPrefixStore:
        assert store.identity == fake.identity
        assert store.inner is fake
    assert store.locate("k") == (fake, "k")
    assert store.local_path("k") == "/local/k"
    assert store.url("k") == "https://plain/k"
    assert store.capabilities is store.capabilities
    assert store.capabilities.read


@pytest.mark.parametrize("cls", [c for c in MAKE if c is not DynamicPrefixStore], ids=lambda c: c.__name__)
def test_close_reaches_the_inner_store(cls):
    fake = FakeStore()
    MAKE[cls](fake).close()
    asyncio.run(MAKE[cls](fake).close_async())
    assert [name for name, *_ in fake.recorder.calls] == ["close", "close_async"]


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "async"])
@pytest.mark.parametrize("cls", [c for c in MAKE if c is not ReadOnlyStore], ids=lambda c: c.__name__)
def test_every_verb_over_memory(cls, blocking):
    """What memory answers is what comes out, refusals included."""
    plain_store, inner = MemoryStore(versioned=True), MemoryStore(versioned=True)
    wrapped = MAKE[cls](inner)
    steps = [
        ("put", ("a/k", b"hello", PutOptions(metadata={"m": "1"}, tags={"t": "1"})), {}),
        ("put", ("a/k", b"hello again"), {}),
        ("get", ("a/k",), {}),
        ("get", ("a/k", GetOptions(range=(2, 4))), {}),
        ("get_ranges", ("a/k", [(0, 2), (9, 11)]), {}),
        ("head", ("a/k",), {}),
        ("copy", ("a/k", "b/k"), {}),
        ("rename", ("b/k", "c/k"), {}),
        ("set_tags", ("c/k", {"x": "y"}), {}),
        ("tags", ("c/k",), {}),
        ("set_metadata", ("c/k", {"x": "y"}), {}),
        ("set_modified", ("c/k", NOW), {}),
        ("list", ("",), {"delimiter": "/"}),
        ("list", ("a/",), {}),
        ("versions", ("a/k",), {}),
        ("restore", ("a/k", "000000000001"), {}),
        ("delete_version", ("a/k", "000000000002"), {}),
        ("uploads", (), {}),
        ("delete", (["a/k", "none"],), {}),
        ("get", ("a/k",), {}),
        ("sign", ("a/k",), {}),
        ("set_storage_class", ("c/k", "COLD"), {}),
    ]
    assert {verb for verb, *_ in steps} | {"parts"} == set(VERBS)
    for verb, arguments, named in steps:
        answers = []
        for store in (plain_store, wrapped):
            try:
                answer = call(store, verb, arguments, named, blocking=blocking)
            except HoldallError as error:
                answer = (type(error), error.key, error.kind)
            answers.append(neutral(answer))
        assert answers[0] == answers[1], verb


def neutral(answer):
    """Drop what two memory stores differ in: times, and the marks in their etags."""
    if isinstance(answer, list):
        return [neutral(item) for item in answer]
    if isinstance(answer, ListPage):
        return ([neutral(meta) for meta in answer.objects], list(answer.prefixes))
    if isinstance(answer, (ObjectMeta, PutResult, ObjectVersion)):
        kept = ("key", "size", "version", "attributes", "kind", "is_latest", "delete_marker")
        return {name: getattr(answer, name, None) for name in kept}
    return answer


@pytest.mark.parametrize("cls", MAKE, ids=lambda c: c.__name__)
def test_a_wrapper_travels_if_its_store_does(cls, tmp_path):
    """Pickled with its arguments; the store below says whether it can be made again."""
    make = (lambda store: DynamicPrefixStore(store, root_of_all)) if cls is DynamicPrefixStore else MAKE[cls]
    store = make(LocalStore(tmp_path))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "k").write_bytes(b"1")
    twin = pickle.loads(pickle.dumps(store))
    key = "k" if cls is DynamicPrefixStore else "there/k"
    assert (type(twin), repr(twin), twin.get(key).bytes()) == (type(store), repr(store), b"1")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(make(MemoryStore()))


def root_of_all():
    return "there"


def test_only_stores_are_wrapped():
    with pytest.raises(TypeError, match="wraps a Store, not dict"):
        ForwardingStore({})


def test_repr_shows_the_chain():
    store = ReadOnlyStore(PrefixStore(ObservedStore(LimitedStore(MemoryStore(), concurrency=4), name="x"), "a"))
    assert repr(store) == (
        "ReadOnlyStore(PrefixStore('a/', ObservedStore(LimitedStore(MemoryStore(), concurrency=4), name='x')))"
    )
    assert repr(ForwardingWriter(FakeWriter(Recorder()))).startswith("ForwardingWriter(")
    assert repr(CachedStore(MemoryStore())) == "CachedStore(MemoryStore(), cache=memory)"
