"""Azure beyond the contract: ways to authenticate, large conditional content, listings, faults. On Azurite."""

import asyncio
import json
import select
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

import obstore
import obstore.store
import pytest
from tests.object_stores import contained, requests

from holdall.core.options import CopyOptions, GetOptions, PutOptions, SignOptions
from holdall.core.ranges import ByteRange
from holdall.drivers.objects import AzureStore, ObstoreStore
from holdall.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidKeyError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    StoreTimeoutError,
    UnauthenticatedError,
    UnavailableError,
)
from holdall.testing import Colour, Fault, FaultProxy
from holdall.testing.servers import Azurite, Container

MIB = 1024 * 1024


@pytest.fixture
def store(azurite_container: Container):
    with contained(azurite_container) as store:
        yield store


def account_sas(server: Azurite) -> str:
    """Return a signature for everything in the account, made by its key."""
    import base64
    import hashlib
    import hmac

    expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {
        "sp": "rwdlac",
        "ss": "b",
        "srt": "sco",
        "st": "",
        "se": expires,
        "sip": "",
        "spr": "https,http",
        "sv": "2021-12-02",
    }
    text = "\n".join([server.account, *fields.values(), "", ""])
    sig = base64.b64encode(hmac.new(base64.b64decode(server.key), text.encode(), hashlib.sha256).digest()).decode()
    return urllib.parse.urlencode({n: v for n, v in fields.items() if v} | {"sig": sig})


def test_a_connection_string(azurite_container: Container, colour: Colour):
    server = azurite_container.server
    text = (
        f"DefaultEndpointsProtocol=http;AccountName={server.account};AccountKey={server.key};BlobEndpoint={server.endpoint};"
    )
    with AzureStore(azurite_container.name, connection_string=text) as store:
        colour(store).put("k", b"1")
        assert azurite_container.ground.read("k") == b"1"
        assert server.key not in repr(store)


def test_a_shared_access_signature(azurite_container: Container, colour: Colour):
    with contained(azurite_container, account_key=None, sas_token=account_sas(azurite_container.server)) as store:
        verbs = colour(store)
        verbs.put("a b", b"1", PutOptions(metadata={"n": "1"}))
        verbs.put("a//b", b"22")
        assert [meta.key for page in verbs.list("a") for meta in page.objects] == ["a b", "a//b"]
        assert verbs.head("a//b").size == 2
        verbs.copy("a b", "c//d", CopyOptions(metadata={"m": "2"}))
        assert dict(verbs.head("c//d").metadata) == {"m": "2"}
        assert [r.error for r in verbs.delete(["a b", "a//b", "c//d", "none"])] == [None] * 4
        with pytest.raises(NotSupportedError):
            verbs.sign("k")


def test_a_wrong_key(azurite_container: Container, colour: Colour):
    with contained(azurite_container, account_key="c2VjcmV0LXZhbHVl", retries=0) as store:
        verbs = colour(store)
        for call in (
            lambda: verbs.get("k"),
            lambda: verbs.put("k", b""),
            lambda: list(verbs.list()),
            lambda: verbs.get("a//b"),
        ):
            with pytest.raises(PermissionDeniedError) as caught:
                call()
            assert "c2VjcmV0LXZhbHVl" not in f"{caught.value!r} {caught.value.__cause__!r}"
        with pytest.raises((UnauthenticatedError, PermissionDeniedError)):
            verbs.head("k")


def test_a_missing_container_is_no_missing_object(azurite: Azurite, colour: Colour):
    with AzureStore(
        "no-such-one", account_name=azurite.account, account_key=azurite.key, endpoint_url=azurite.endpoint
    ) as store:
        verbs = colour(store)
        for call in (
            lambda: verbs.get("k"),
            lambda: verbs.head("k"),
            lambda: verbs.put("k", b""),
            lambda: list(verbs.list()),
            lambda: verbs.head("a//b"),
        ):
            with pytest.raises(UnavailableError) as caught:
                call()
            assert "container" in str(caught.value)
        with pytest.raises(UnavailableError):  # the server may hang up before it has the whole block
            verbs.put("k", iter([bytes(MIB)] * 9), PutOptions(mode="create"))


def test_a_container_is_made(azurite: Azurite, colour: Colour):
    options = {"account_name": azurite.account, "account_key": azurite.key, "endpoint_url": azurite.endpoint, "create": True}
    for _ in range(2):
        with AzureStore("made-on-demand", **options) as store:
            colour(store).put("k", b"1")
    azurite.request("DELETE", "/made-on-demand?restype=container")


def test_large_conditional_content(store: AzureStore, azurite_container: Container, colour: Colour):
    verbs, chunks = colour(store), [bytes([i]) * MIB for i in range(20)]
    first = verbs.put("k", iter(chunks), PutOptions(mode="create", metadata={"a-b": "ü"}, content_type="x/y"))
    assert azurite_container.ground.read("k") == b"".join(chunks)
    assert (first.size, first.etag) == (20 * MIB, store.head("k").etag)
    assert dict(store.head("k").metadata) == {"a-b": "ü"}
    assert store.head("k").content_type == "x/y"
    with pytest.raises(AlreadyExistsError):
        verbs.put("k", iter(chunks), PutOptions(mode="create"))
    verbs.put("k", iter(chunks[:9]), PutOptions(if_match=first.etag))
    with pytest.raises(PreconditionError):
        verbs.put("k", iter(chunks), PutOptions(if_match=first.etag))
    assert store.head("k").size == 9 * MIB


def test_the_last_bytes(store: AzureStore, colour: Colour):
    """The service has no "last n bytes": one more request, pinned to what it told."""
    store.put("k", b"0123456789")
    store.put("a//b", b"0123456789")
    store.put("empty", b"")
    for key in ("k", "a//b"):
        with colour(store).get(key, GetOptions(range=ByteRange.last(3))) as result:
            assert (result.bytes(), result.range, result.meta.size) == (b"789", (7, 10), 10)
        with colour(store).get(key, GetOptions(range=(8, 20))) as result:
            assert result.bytes() == b"89"
    with colour(store).get("empty", GetOptions(range=ByteRange.last(3))) as result:
        assert result.bytes() == b""


def test_signed_addresses(store: AzureStore, colour: Colour):
    for key in ("a b/ü%2F", "a//b"):
        store.put(key, b"bytes")
        options = SignOptions(content_type="image/png", content_disposition='inline; filename="x"', expires_in=60)
        with urllib.request.urlopen(colour(store).sign(key, options), timeout=30) as answer:
            assert answer.read() == b"bytes"
            assert answer.headers["Content-Type"] == "image/png"
            assert answer.headers["Content-Disposition"] == 'inline; filename="x"'
    for options in (SignOptions(method="PUT", content_type="a/b"), SignOptions(version="1")):
        with pytest.raises(NotSupportedError):
            colour(store).sign("k", options)


def test_a_literal_prefix_reaches_the_service(azurite_container: Container, colour: Colour):
    azurite_container.ground.write_many({f"logs/2026-{i:02}": b"" for i in range(1, 13)} | {"logs2": b"", "a": b""})
    with FaultProxy(azurite_container.server.endpoint) as proxy:
        path = urllib.parse.urlsplit(azurite_container.server.endpoint).path
        with contained(azurite_container, endpoint_url=proxy.url + path) as store:
            found = [meta.key for page in colour(store).list("logs/2026-1") for meta in page.objects]
            assert found == ["logs/2026-10", "logs/2026-11", "logs/2026-12"]
            [(_, target)] = proxy.traffic.requests
            assert "prefix=logs%2F2026-1" in target


def test_metadata_names_survive(store: AzureStore, colour: Colour):
    names = {"plain": "1", "long-name": "2", "holdall_61": "3", "1st": "4"}
    colour(store).put("k", b"", PutOptions(metadata=names))
    assert dict(colour(store).head("k").metadata) == names
    colour(store).set_metadata("k", {"other-name": "x"})
    assert dict(colour(store).head("k").metadata) == {"other-name": "x"}


def test_backslashes_are_refused(store: AzureStore, colour: Colour):
    with pytest.raises(InvalidKeyError, match="Azure"):
        colour(store).put("a\\b", b"")


def test_faults(azurite_container: Container, colour: Colour):
    path = urllib.parse.urlsplit(azurite_container.server.endpoint).path
    with FaultProxy(azurite_container.server.endpoint) as proxy:
        with contained(azurite_container, endpoint_url=proxy.url + path, timeout=2.0) as store:
            verbs = colour(store)
            proxy.fail(Fault(lose_reply=True), method="PUT")
            result = verbs.put("k", b"mine", PutOptions(mode="create"))
            assert result.etag == store.head("k").etag
            assert requests(proxy)[:3] == ["PUT", "PUT", "HEAD"]
            proxy.fail(Fault(answer=500), times=2)
            verbs.put("a//b", b"1")
            proxy.fail(Fault(answer=503), times=2)
            assert {meta.key for page in verbs.list() for meta in page.objects} == {"a//b", "k"}
            proxy.fail(Fault(drop_reply_after=0), method="GET")
            with pytest.raises((IntegrityError, UnavailableError)), verbs.get("a//b") as result:
                result.bytes()
            proxy.heal()
            proxy.fail(Fault(drop_reply_after=1), method="GET")
            store.put("plain", b"12")
            with verbs.get("plain") as result:  # which obstore takes up again
                assert result.bytes() == b"12"
        with contained(azurite_container, endpoint_url=proxy.url + path, timeout=0.3, retries=0) as store:
            proxy.fail(Fault(blackhole=True), times=100)
            for key in ("k", "a//b"):
                with pytest.raises(StoreTimeoutError):
                    colour(store).get(key)
            proxy.down()
            for key in ("k", "a//b"):
                with pytest.raises(UnavailableError):
                    colour(store).get(key)


def test_an_instance_of_the_users(azurite_container: Container, colour: Colour):
    """Without a side channel: what obstore can, and no more."""
    server = azurite_container.server
    native = obstore.store.AzureStore(
        azurite_container.name,
        account_name=server.account,
        account_key=server.key,
        endpoint=server.endpoint,
        client_options={"allow_http": True},
    )
    azurite_container.ground.write_many({"d/": b"", "d/x": b"1", "e": b"", "logs/1": b"x", "logs/2": b"x"})
    with ObstoreStore(native) as store:
        verbs = colour(store)
        assert {meta.key for page in verbs.list() for meta in page.objects} == {"d/", "d/x", "e", "logs/1", "logs/2"}
        assert [meta.key for page in verbs.list("logs/2") for meta in page.objects] == ["logs/2"]
        verbs.put("k", b"1", PutOptions(mode="create"))
        with pytest.raises(AlreadyExistsError):
            verbs.put("k", b"1", PutOptions(mode="create"))
        verbs.put("k", b"2", PutOptions(if_match=store.head("k").etag))
        for call in (lambda: verbs.get("a//b"), lambda: verbs.put("d2/", b""), lambda: verbs.delete("d/")):
            with pytest.raises(InvalidKeyError):
                call()
        with pytest.raises(NotSupportedError):
            verbs.copy("k", "l", CopyOptions(if_match="x"))
        assert obstore.head(native, "k")["size"] == 1


WRITER = """
import asyncio, json, sys, time
from holdall.drivers.objects import AzureStore
options, colour = json.loads(sys.argv[1])
store = AzureStore(**options)
def chunks():
    for _ in range(24):
        yield bytes(1 << 20)
    print("under way", flush=True)
    time.sleep(600)
async def write():
    await store.put_async("k", chunks())
asyncio.run(write()) if colour == "async" else store.put("k", chunks())
"""


def test_a_writer_that_is_killed_leaves_the_old_object(azurite_container: Container, store: AzureStore, colour: Colour):
    server = azurite_container.server
    azurite_container.ground.write("k", b"old")
    options = {"container": azurite_container.name, "account_name": server.account, "account_key": server.key}
    described = json.dumps([options | {"endpoint_url": server.endpoint}, colour.name])
    with subprocess.Popen([sys.executable, "-c", WRITER, described], stdout=subprocess.PIPE) as writer:
        try:
            ready, _, _ = select.select([writer.stdout], [], [], 100)
            assert ready, "the writer does not begin"
            assert writer.stdout.readline() == b"under way\n"
        finally:
            writer.send_signal(signal.SIGKILL)
    verbs = colour(store)
    assert azurite_container.ground.snapshot() == {"k": b"old"}
    assert [meta.key for page in verbs.list() for meta in page.objects] == ["k"]
    verbs.put("k", b"new")
    assert azurite_container.ground.read("k") == b"new"


@pytest.mark.parametrize("mode", ["create", "overwrite"])
@pytest.mark.parametrize("size", [9 * MIB, 20 * MIB])
def test_uploads_at_once_are_not_mixed(store: AzureStore, mode: str, size: int):
    """Blocks that nobody committed yet belong to the blob, not to an upload: whoever wins has all of its own."""

    async def race(key: str) -> list[object]:
        wanted = PutOptions(mode="create") if mode == "create" else None
        uploads = [store.put_async(key, bytes([n]) * size, wanted) for n in range(4)]
        return await asyncio.gather(*uploads, return_exceptions=True)

    for turn in range(4):
        answers = asyncio.run(race(f"{turn}"))
        data = store.get(f"{turn}").bytes()
        assert len(data) == size
        assert data.count(data[:1]) == size, "of one writer alone"
        won = [n for n, answer in enumerate(answers) if not isinstance(answer, BaseException)]
        for answer in answers:
            if isinstance(answer, BaseException):
                assert isinstance(answer, AlreadyExistsError if mode == "create" else UnavailableError), answer
        assert data[0] in won, "and it was told so"
        if mode == "create":
            assert len(won) == 1
