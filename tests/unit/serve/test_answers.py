"""WSGI and ASGI carry the same planned answer: the request table of `core.responses` through both, over a real store."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from tests.unit.core.test_responses import CONDITION_CASES, IF_RANGE_CASES, RANGE_CASES

from holdall import PutOptions
from holdall.core.responses import ServeOptions, format_date
from holdall.drivers.memory import MemoryStore
from holdall.engine.asgi import serve_asgi
from holdall.engine.wsgi import serve_wsgi
from holdall.errors import (
    IntegrityError,
    IsDirectoryError,
    NotSupportedError,
    PreconditionError,
    UnavailableError,
    UnknownMountError,
)
from holdall.results import GetResult
from holdall.serve import ASGIApp, WSGIApp

DATA = b"0123456789"


def wsgi(store, key, method="GET", headers=None, **options):
    environ = {"REQUEST_METHOD": method} | {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in (headers or {}).items()}
    started = []
    body = serve_wsgi(store, key, environ, lambda status, head: started.append((status, head)), ServeOptions(**options))
    try:
        data = b"".join(body)
    finally:
        body.close()
    status, head = started[0]
    return int(status.split()[0]), [(k.lower(), v) for k, v in head], data


def asgi(store, key, method="GET", headers=None, **options):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        await asyncio.sleep(60)

    scope = {
        "type": "http",
        "method": method,
        "headers": [(k.encode(), v.encode("latin-1", "replace")) for k, v in (headers or {}).items()],
    }
    asyncio.run(serve_asgi(store, key, scope, receive, send, ServeOptions(**options)))
    start, *rest = sent
    assert rest[-1]["more_body"] is False
    data = b"".join(m["body"] for m in rest)
    return start["status"], [(k.decode(), v.decode("latin-1")) for k, v in start["headers"]], data


@pytest.fixture
def store():
    store = MemoryStore()
    store.put("dir/file.txt", DATA, PutOptions(content_type="text/plain"))
    return store


def normal(answer):
    """An answer with its random boundary replaced."""
    status, headers, data = answer
    kind = dict(headers).get("content-type", "")
    if "boundary=" in kind:
        boundary = kind.partition("boundary=")[2]
        headers = [(k, v.replace(boundary, "B")) for k, v in headers]
        data = data.replace(boundary.encode(), b"B")
    return status, headers, data


def both(store, key="dir/file.txt", **more):
    one, two = normal(wsgi(store, key, **more)), normal(asgi(store, key, **more))
    assert one == two
    status, headers, data = one
    if status != 304:
        length = int(dict(headers)["content-length"])
        assert len(data) == (0 if more.get("method") == "HEAD" else length) or "boundary" in str(headers)
    return one


@pytest.mark.parametrize(("value", "status", "wanted"), [c for c in RANGE_CASES if c[0].isascii()])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_range_cases(store, value, status, wanted, method):
    got, _, data = both(store, headers={"range": value}, method=method)
    if method == "HEAD":
        assert (got, data) == (200, b"")
        return
    assert got == status
    if wanted is not None and len(wanted) == 1:
        assert data == DATA[slice(*wanted[0])]
    for start, end in wanted or ():
        assert DATA[start:end] in data


@pytest.mark.parametrize(
    ("headers", "status"), [(h, s) for h, m, s in CONDITION_CASES if m.key == "dir/file.txt" and "since" not in str(h)]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_condition_cases(store, headers, status, method):
    etag = store.head("dir/file.txt").etag
    headers = {k: v.replace("abc", etag) if '"' in v else v for k, v in headers.items()}
    got, head, data = both(store, headers=headers, method=method)
    assert got == status
    if status == 304:
        assert data == b"" and dict(head)["etag"] == f'"{etag}"'


def test_date_conditions(store):
    moment = store.head("dir/file.txt").last_modified
    assert both(store, headers={"if-modified-since": format_date(moment)})[0] == 304
    assert both(store, headers={"if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT"})[0] == 412
    store.set_modified("dir/file.txt", datetime(2020, 1, 1, tzinfo=UTC))
    assert both(store, headers={"if-range": "Wed, 01 Jan 2020 00:00:00 GMT", "range": "bytes=0-1"})[::2] == (206, b"01")


@pytest.mark.parametrize(("value", "meta", "status"), [c for c in IF_RANGE_CASES if c[0].startswith(('"', "W"))])
def test_if_range_cases(store, value, meta, status):
    etag = store.head("dir/file.txt").etag
    wanted = 206 if value == '"abc"' else 200
    assert both(store, headers={"range": "bytes=0-1", "if-range": value.replace("abc", etag)})[0] == wanted


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(store, method):
    status, headers, _ = both(store, method=method)
    assert status == 405 and dict(headers)["allow"] == "GET, HEAD"


def test_missing_and_type_by_name(store):
    assert both(store, key="nothing.txt")[0] == 404
    assert both(store, key="../secret")[0] == 404
    store.put("page.html", b"<p>")
    assert dict(both(store, key="page.html")[1])["content-type"] == "text/html"
    store.put("clip.mp4", b"x", PutOptions(content_type="binary/octet-stream"))  # S3's word for "none was given"
    assert dict(both(store, key="clip.mp4")[1])["content-type"] == "video/mp4"
    store.put("kept.mp4", b"x", PutOptions(content_type="application/octet-stream"))
    assert dict(both(store, key="kept.mp4")[1])["content-type"] == "application/octet-stream"
    store.put("a.tar.gz", b"x")
    assert dict(both(store, key="a.tar.gz")[1])["content-type"] == "application/octet-stream"


def test_empty_object(store):
    store.put("empty", b"")
    assert both(store, key="empty")[::2] == (200, b"")
    assert both(store, key="empty", headers={"range": "bytes=0-"})[0] == 416


def test_directory_raises_before_anything_is_sent(store):
    store.put("d/", b"")
    for serve in (wsgi, asgi):
        with pytest.raises(IsDirectoryError):
            serve(store, "d/")


class Broken(MemoryStore):
    """A store that answers as scripted."""

    error = None
    change = False
    short = False

    def get(self, key, options=None):
        if self.error:
            raise self.error
        if self.change:
            self.change = False
            self.put(key, b"another text")
        result = super().get(key, options)
        if self.short:
            return GetResult(result.meta, iter([b"01"]))
        return result

    async def get_async(self, key, options=None):
        result = self.get(key, options)
        if self.short:

            async def two():
                yield b"01"

            return GetResult(result.meta, two())
        return result


@pytest.mark.parametrize(("error", "status"), [(UnavailableError("gone"), 503), (PermissionError("no"), None)])
def test_unreachable(error, status):
    store = Broken()
    store.put("k", DATA)
    store.error = error
    if status is None:
        with pytest.raises(PermissionError):
            wsgi(store, "k")
        return
    got, headers, _ = both(store, key="k")
    assert got == 503 and dict(headers)["retry-after"]


def test_replaced_between_plan_and_open_is_planned_again():
    for serve in (wsgi, asgi):
        store = Broken()
        store.put("k", DATA)
        store.change = True
        status, headers, data = serve(store, "k", headers={"range": "bytes=0-3"})
        assert (status, data, dict(headers)["content-range"]) == (206, b"anot", "bytes 0-3/12")


def test_replaced_between_two_ranges_breaks_off():
    store = MemoryStore()
    store.put("k", DATA)
    environ = {"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=0-1,8-9"}
    body = iter(serve_wsgi(store, "k", environ, lambda *_: None))
    next(body), next(body)
    store.put("k", b"something else")
    with pytest.raises(PreconditionError):
        list(body)


def test_short_body_propagates():
    store = Broken()
    store.put("k", DATA)
    store.short = True
    for serve in (wsgi, asgi):
        with pytest.raises(IntegrityError):
            serve(store, "k")


def test_large_body_comes_in_pieces():
    store = MemoryStore()
    data = bytes(range(256)) * 4096 * 12  # 12 MiB
    store.put("big", data)
    assert both(store, key="big")[2] == data
    pieces = list(serve_wsgi(store, "big", {"REQUEST_METHOD": "GET"}, lambda *_: None))
    assert max(map(len, pieces)) <= 1 << 20 and len(pieces) >= 12


def test_redirect_without_signing(store):
    assert both(store, redirect="auto")[0] == 200
    for serve in (wsgi, asgi):
        with pytest.raises(NotSupportedError):
            serve(store, "dir/file.txt", redirect="always")


def test_disconnect_stops_reading():
    closed = []

    async def chunks():
        for _ in range(10_000):
            yield b"x" * 1024

    class Endless(MemoryStore):
        async def get_async(self, key, options=None):
            meta = self.head(key)
            return GetResult(meta, chunks(), close=lambda: closed.append(True))

    store = Endless()
    store.put("k", b"x" * 1024 * 10_000)
    sent = []

    async def main():
        gone = asyncio.Event()

        async def send(message):
            sent.append(message)
            if len(sent) == 5:
                gone.set()
            await asyncio.sleep(0.001)

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        await serve_asgi(store, "k", {"type": "http", "method": "GET", "headers": []}, receive, send)

    asyncio.run(main())
    assert closed == [True]
    assert len(sent) < 50


# -- the applications --------------------------------------------------------------------------------------------------


@pytest.fixture
def storage(store):
    """The least that a manager is: ``node(text)`` with ``store`` and ``key``."""
    store.put("index.html", b"root")
    store.put("sub/index.html", b"sub")
    store.put("a b/ü%2F.txt", b"odd")

    def node(text):
        mount, _, key = text.partition(":")
        if mount not in {"files", "other"}:
            raise UnknownMountError(mount)
        return SimpleNamespace(store=store, key=key)

    return SimpleNamespace(node=node)


def through_wsgi(app, path, method="GET", headers=None):
    started = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path.encode().decode("latin-1")}
    environ |= {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in (headers or {}).items()}
    data = b"".join(app(environ, lambda status, head: started.append(status)))
    return int(started[0].split()[0]), data


def through_asgi(app, path, method="GET", headers=None):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        await asyncio.sleep(60)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(m["body"] for m in sent[1:])


def through_both(storage, path, *, method="GET", headers=None, **options):
    one = through_wsgi(WSGIApp(storage, **options), path, method, headers)
    assert through_asgi(ASGIApp(storage, **options), path, method, headers) == one
    return one


@pytest.mark.parametrize(
    ("path", "status", "data"),
    [
        ("/files/dir/file.txt", 200, DATA),
        ("/files/a b/ü%2F.txt", 200, b"odd"),
        ("/files/nothing", 404, None),
        ("/nowhere/dir/file.txt", 404, None),
        ("/files/../other/dir/file.txt", 404, None),
        ("/files/..", 404, None),
        ("/files/dir/./file.txt", 404, None),
        ("/files/dir//file.txt", 404, None),
        ("/files\\dir/file.txt", 404, None),
        ("/files/.holdall/x", 404, None),
        ("/files/dir/.holdall/x", 404, None),
        ("/files/a\0b", 404, None),
        ("/files:dir/file.txt", 404, None),
        ("//files/dir/file.txt", 404, None),
        ("/", 404, None),
        ("", 404, None),
        ("/files", 404, None),
        ("/files/sub", 404, None),
        ("/files/sub/", 404, None),
    ],
)
def test_app_paths(storage, path, status, data):
    got, body = through_both(storage, path)
    assert got == status
    if data is not None:
        assert body == data
    else:
        assert b"files" not in body


def test_app_index(storage):
    assert through_both(storage, "/files/", index="index.html") == (200, b"root")
    assert through_both(storage, "/files", index="index.html") == (200, b"root")
    assert through_both(storage, "/files/sub/", index="index.html") == (200, b"sub")
    assert through_both(storage, "/files/sub", index="index.html") == (200, b"sub")
    assert through_both(storage, "/files/dir/", index="index.html")[0] == 404


def test_app_prefix_and_mounts(storage):
    assert through_both(storage, "/static/files/dir/file.txt", prefix="/static/")[0] == 200
    assert through_both(storage, "/files/dir/file.txt", prefix="/static/")[0] == 404
    assert through_both(storage, "/staticfiles/dir/file.txt", prefix="static")[0] == 404
    assert through_both(storage, "/other/dir/file.txt", mounts=["files"])[0] == 404
    assert through_both(storage, "/files/dir/file.txt", mounts=["files"])[0] == 200


def test_app_authorize(storage):
    def allow(request, node):
        return request.headers.get("x-key") == "1" and node.key.startswith("dir/") and request.method == "GET"

    assert through_both(storage, "/files/dir/file.txt", authorize=allow)[0] == 403
    assert through_both(storage, "/files/dir/file.txt", authorize=allow, headers={"x-key": "1"})[0] == 200

    async def later(request, node):
        return False

    assert through_asgi(ASGIApp(storage, authorize=later), "/files/dir/file.txt")[0] == 403


def test_app_options(storage):
    started = []
    app = WSGIApp(storage, options=ServeOptions(cache_max_age=60))
    list(app({"REQUEST_METHOD": "GET", "PATH_INFO": "/files/dir/file.txt"}, lambda s, h: started.extend(h)))
    assert ("Cache-Control", "max-age=60") in started


def test_asgi_lifespan_and_websocket(storage):
    sent = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message["type"])

    asyncio.run(ASGIApp(storage)({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(ASGIApp(storage)({"type": "websocket"}, receive, send))
