"""Served nodes: one table of requests on three storages and both colours, real clients, and what a server needs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import threading
import tracemalloc
import urllib.request
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.mounts.serving import asgi_server, asked, through_asgi, through_wsgi, wsgi_server
from tests.unit.core.test_responses import AFTER, BEFORE, CONDITION_CASES, IF_RANGE_CASES, LM, META, RANGE_CASES

from holdall import StorageManager
from holdall.core.responses import format_date
from holdall.errors import IsDirectoryError, NotSupportedError, PreconditionError
from holdall.serve import ASGIApp, WSGIApp

DATA = b"0123456789"


# -- the table (A32) ---------------------------------------------------------------------------------------------------


def test_a32_one_table_of_requests_on_every_storage_and_both_colours(storage):
    node = storage.node("here:dir/file.txt")
    node.put(DATA, content_type="text/plain")
    etag, modified = node.stat().etag, node.stat().last_modified
    dates = {
        LM: format_date(modified),
        BEFORE: format_date(modified - timedelta(days=1)),
        AFTER: format_date(modified + timedelta(days=1)),
        "Friday, 20-Nov-26 08:30:15 GMT": modified.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        "Fri Nov 20 08:30:15 2026": modified.strftime("%a %b %e %H:%M:%S %Y"),
        "Thu Nov 19 08:30:15 2026": (modified - timedelta(days=1)).strftime("%a %b %e %H:%M:%S %Y"),
    }

    def ours(headers):
        return {name: dates.get(value, value.replace('"abc"', f'"{etag}"')) for name, value in headers.items()}

    cases = [({"range": value}, status) for value, status, _ in RANGE_CASES if value.isascii()]
    cases += [(ours(headers), status) for headers, meta, status in CONDITION_CASES if meta is META]
    cases += [
        (ours({"range": "bytes=0-1", "if-range": value}), status)
        for value, meta, status in IF_RANGE_CASES
        if meta is META and value not in {LM, "Friday, 20-Nov-26 08:30:15 GMT"}  # a date of this very second is weak
    ]
    for headers, meta, status in CONDITION_CASES:
        if meta is META:  # conditions come before ranges, whether these can be satisfied or not
            cases.append((ours({**headers, "range": "bytes=2-4"}), 206 if status == 200 else status))
            cases.append((ours({**headers, "range": "bytes=10-"}), 416 if status == 200 else status))
    assert len(cases) > 145
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        got, head, _ = asked(node, method)
        assert (got, dict(head)["allow"]) == (405, "GET, HEAD")
    for headers, status in cases:
        got, head, data = asked(node, "GET", headers)
        told = dict(head)
        assert got == status, (headers, told)
        if got == 304:
            assert not data and told["etag"] == f'"{etag}"' and not {"content-length", "content-type"} & told.keys()
        else:
            assert "boundary" in str(head) or len(data) == int(told["content-length"])
            assert told["x-content-type-options"] == "nosniff"
        wanted = 200 if status in {206, 416} else status
        got, head, data = asked(node, "HEAD", headers)
        assert (got, data) == (wanted, b""), headers
    ranged = {value: (status, spans) for value, status, spans in RANGE_CASES}
    for value in ("bytes=2-4", "bytes=-3", "bytes=0-1,4-5"):
        _, _, data = asked(node, "GET", {"range": value})
        assert all(DATA[start:end] in data for start, end in ranged[value][1]) if value in ranged else b"--B" in data


def test_w22_ranges_head_dates_and_any_etag_are_understood(storage):
    node = storage.node("here:a.txt")
    node.write("hello")
    assert asked(node, headers={"range": "bytes=1-2"})[::2] == (206, b"el")
    assert asked(node, "HEAD")[::2] == (200, b"")
    assert dict(asked(node)[1])["last-modified"] == format_date(node.stat().last_modified)
    assert asked(node, headers={"if-none-match": "*"})[0] == 304
    assert asked(node, headers={"if-none-match": f'W/"{node.stat().etag}"'})[0] == 304


def test_options_of_serve(storage):
    node = storage.node("here:a.txt")
    node.write("hello")
    assert dict(asked(node, cache_max_age=60)[1])["cache-control"] == "max-age=60"
    assert dict(asked(node, cache_control="no-store")[1])["cache-control"] == "no-store"
    assert dict(asked(node, content_type="text/x-thing")[1])["content-type"] == "text/x-thing"
    assert dict(asked(node, download=True)[1])["content-disposition"] == 'attachment; filename="a.txt"'
    told = dict(asked(node, download_name="naïve.txt")[1])["content-disposition"]
    assert "filename*=UTF-8''na%C3%AFve.txt" in told
    with pytest.raises(ValueError, match="control"):
        through_wsgi(node, cache_control="a\r\nb: c")
    with pytest.raises(TypeError):
        through_wsgi(node, nonsense=1)


def test_directories_are_refused_before_anything_is_sent_and_what_is_missing_is_404(storage):
    storage.node("here:dir/a.txt").write("a")
    started = []
    for node in (storage.node("here:dir"), storage.node("here:")):
        with pytest.raises(IsDirectoryError):
            node.serve({"REQUEST_METHOD": "GET"}, lambda *head: started.append(head))
        with pytest.raises(IsDirectoryError):
            through_asgi(node)
        assert not started
    assert asked(storage.node("here:nothing"))[0] == 404


def test_snapshots_are_served_as_they_were():
    storage = StorageManager({"old": {"type": "memory", "versioned": True}})
    node = storage.node("old:a.txt")
    node.write("first")
    node.write("second")
    status, head, data = asked(node.at(0))
    assert (status, data, dict(head)["etag"]) == (200, b"first", f'"{node.at(0).stat().etag}"')
    assert asked(node.at(0), headers={"range": "bytes=1-2"})[2] == b"ir"
    assert asked(node, headers={"if-none-match": f'"{node.at(0).stat().etag}"'})[0] == 200
    assert asked(node.at(7))[0] == 404
    assert asked(storage.node("old:b.txt", version=-1))[0] == 404


def test_a28_nodes_of_nodes_and_inline_content_are_served(storage):
    for name in "ab":
        storage.node(f"here:{name}.txt").write(name * 3)
    both = storage.iternode("here:a.txt", "here:b.txt")
    assert asked(both, headers={"range": "bytes=2-3"})[::2] == (206, b"ab")
    assert "etag" not in dict(asked(both)[1])
    difference = storage.diffnode("here:a.txt", "here:b.txt")
    status, head, data = asked(difference)
    assert (status, dict(head)["content-type"], data) == (200, "text/x-diff", difference.read_bytes())
    storage.add_mount("inline", {"type": "base64"})
    node = storage.node("inline:aGVsbG8=")
    assert asked(node, headers={"range": "bytes=1-3"})[2] == b"ell"
    assert dict(asked(node, download=True)[1])["content-disposition"] == 'attachment; filename="content"'


names = st.text(max_size=40)


@pytest.fixture(params=["ram", "disk", "radosgw"])
def place(request, everywhere, s3_mount):
    """Makes nodes of a mount; for S3 it is Ceph's gateway, as moto answers 500 to control characters in a key."""
    if request.param == "radosgw":
        everywhere.add_mount("radosgw", s3_mount(request.getfixturevalue("radosgw_bucket")))
    return partial(everywhere.node, request.param)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names, key=names, kind=names)
def test_a33_no_name_or_stored_value_makes_another_header(place, name, key, kind):
    key = re.sub(r"[/\0]|^\.+$|^$", "x", key) or "x"
    node = place(key, raw=True)
    try:
        node.put(b"data", content_type=kind)
    except (ValueError, NotSupportedError):  # no header can carry it
        node.put(b"data")
    plain = asked(node)
    status, head, data = asked(node, download_name=name, download=True)
    assert (status, data) == (200, b"data")
    assert {k for k, _ in head} == {k for k, _ in plain[1]} | {"content-disposition"}
    for _, value in head:
        assert value.isprintable() or not value
        value.encode("latin-1")
    told = dict(head)["content-disposition"]
    assert re.fullmatch(r'attachment(; filename="(?:[^"\\]|\\.)*")?(; filename\*=UTF-8\'\'[\w!#$&+.^`|~%-]*)?', told)


# -- memory, release, sendfile (A34) -----------------------------------------------------------------------------------


def test_a34_a_large_file_is_served_in_bounded_memory(tmp_path):
    with open(tmp_path / "big", "wb") as file:
        file.truncate(1 << 30)
    node = StorageManager({"disk": {"type": "local", "path": str(tmp_path)}}).node("disk:big")

    async def count() -> int:
        total = 0

        async def send(message):
            nonlocal total
            total += len(message.get("body", b""))

        async def receive():
            await asyncio.Event().wait()

        await node.serve_async({"type": "http", "method": "GET", "headers": []}, receive, send)
        return total

    tracemalloc.start()
    try:
        assert sum(map(len, node.serve({"REQUEST_METHOD": "GET"}, lambda *_: None))) == 1 << 30
        assert asyncio.run(count()) == 1 << 30
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def open_files(path) -> int:
    return sum(str(path) == str(link.resolve()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())


def test_a34_close_and_disconnect_let_go_of_the_file(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * (8 << 20))
    node = StorageManager({"disk": {"type": "local", "path": str(tmp_path)}}).node("disk:big")
    body = node.serve({"REQUEST_METHOD": "GET"}, lambda *_: None)
    next(iter(body))
    assert open_files(tmp_path / "big") == 1
    body.close()
    assert open_files(tmp_path / "big") == 0

    async def leave() -> int:
        sent, gone = [], asyncio.Event()

        async def send(message):
            sent.append(message)
            if len(sent) == 3:
                gone.set()
                await asyncio.Event().wait()  # a client that takes nothing more: only the disconnect ends this

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        await node.serve_async({"type": "http", "method": "GET", "headers": []}, receive, send)
        return len(sent)

    assert asyncio.run(leave()) == 3
    assert open_files(tmp_path / "big") == 0


def test_a34_the_servers_own_way_to_send_files_is_used(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    node = StorageManager({"disk": {"type": "local", "path": str(tmp_path)}}).node("disk:a")

    def wrapped(headers=()):
        given = []
        environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": lambda file, size: given.append(file) or file}
        body = node.serve(environ | dict(headers), lambda *_: None)
        if not given:
            return None, b"".join(body)
        with given[0] as file:
            return file.name, file.read()

    path = str(tmp_path / "a")
    assert wrapped() == (path, DATA)
    assert wrapped({"HTTP_RANGE": "bytes=4-"}) == (path, DATA[4:])
    assert wrapped({"HTTP_RANGE": "bytes=4-5"}) == (None, DATA[4:6])

    async def sent(extensions):
        messages = []

        async def send(message):
            messages.append(message)

        async def receive():
            await asyncio.Event().wait()

        scope = {"type": "http", "method": "GET", "headers": [], "extensions": extensions}
        await node.serve_async(scope, receive, send)
        return messages[1:]

    assert asyncio.run(sent({"http.response.pathsend": {}})) == [{"type": "http.response.pathsend", "path": path}]
    assert asyncio.run(sent({}))[0]["body"] == DATA


def test_a34_a_redirect_fetches_the_right_bytes_and_name(storage):
    node = storage.node("here:dir/ä b.txt")
    node.put(DATA, content_type="text/plain")
    if "GET" not in node.store.capabilities.sign:
        assert asked(node, redirect="auto")[::2] == (200, DATA)
        for through in (through_wsgi, through_asgi):
            with pytest.raises(NotSupportedError):
                through(node, redirect="always")
        return
    for through in (through_wsgi, through_asgi):
        status, head, _ = through(node, redirect="always", download_name="named.txt", redirect_expires=120)
        assert status == 302 and dict(head)["cache-control"] == "private, max-age=60"
        with urllib.request.urlopen(dict(head)["location"], timeout=60) as answer:
            assert answer.read() == DATA
            assert answer.headers["Content-Disposition"] == 'attachment; filename="named.txt"'
        assert through(node, headers={"if-none-match": f'"{node.stat().etag}"'}, redirect="always")[0] == 304
        assert through(node, redirect="always", redirect_min_size=11)[::2] == (200, DATA)
        assert through(node, "HEAD", redirect="always")[0] == 200


def test_a_body_whose_file_was_replaced_breaks_off(storage):
    node = storage.node("here:a")
    node.write_bytes(b"a" * 100)
    body = iter(node.serve({"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=0-1,50-60"}, lambda *_: None))
    next(body), next(body)
    node.write_bytes(b"b" * 100)
    with pytest.raises(PreconditionError):
        list(body)


# -- the applications over a manager (A6) ------------------------------------------------------------------------------


def test_a06_no_request_leaves_the_mounts(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root/a.txt").write_text("a")
    (tmp_path / "root/link").symlink_to(tmp_path / "secret")
    storage = StorageManager({"files": {"type": "local", "path": str(tmp_path / "root")}, "other": {"type": "memory"}})
    paths = ["/files/../secret", "/files/%2e%2e/secret", "/files/..%2fsecret", "/files/link", "/files//etc/passwd"]
    paths += ["/files/.holdall/x", "/files/a.txt%00", "/files/..\\secret", "/other/a", "/nowhere/a.txt", "/files"]
    for running, app in ((wsgi_server, WSGIApp), (asgi_server, ASGIApp)):
        with running(app(storage, mounts=["files"])) as url:
            assert urllib.request.urlopen(f"{url}/files/a.txt", timeout=60).read() == b"a"
            for path in paths:
                with pytest.raises(urllib.error.HTTPError) as raised:
                    urllib.request.urlopen(url + path, timeout=60)
                with raised.value as answer:
                    assert answer.code in {403, 404}, path
                    assert b"secret" not in answer.read()


def test_internal_urls_are_resolved_by_the_applications(storage):
    storage.internal_base = "/stored"
    node = storage.node("here:a b/ü.txt")
    node.write("hello")
    for running, app in ((wsgi_server, WSGIApp), (asgi_server, ASGIApp)):
        with running(app(storage, prefix="/stored", mounts=["here"])) as url:
            for nocache in (False, True):
                path = node.internal_url(nocache=nocache)
                assert urllib.request.urlopen(url + path, timeout=60).read() == b"hello"


# -- real clients ------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    """A tree on disk, served in both colours."""
    root = tmp_path / "site"
    root.mkdir()
    (root / "big.bin").write_bytes(bytes(range(256)) * 8192)
    storage = StorageManager({"site": {"type": "local", "path": str(root)}})
    with wsgi_server(WSGIApp(storage)) as one, asgi_server(ASGIApp(storage)) as two:
        yield root, [f"{one}/site", f"{two}/site"]


def ran(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_curl_reads_resumes_and_revalidates(served, tmp_path):
    root, urls = served
    data = (root / "big.bin").read_bytes()
    for at, url in enumerate(urls):
        out = tmp_path / f"out{at}"
        ran("curl", "-sSf", "-o", str(out), f"{url}/big.bin")
        assert out.read_bytes() == data
        out.write_bytes(data[:1000])
        ran("curl", "-sSf", "-C", "-", "-o", str(out), f"{url}/big.bin")
        assert out.read_bytes() == data
        assert ran("curl", "-sSf", "-r", "10-19", "-w", "%{http_code}", "-o", str(out), f"{url}/big.bin") == "206"
        assert out.read_bytes() == data[10:20]
        tags = tmp_path / f"tags{at}"
        ran("curl", "-sSf", "--etag-save", str(tags), "-o", str(out), f"{url}/big.bin")
        code = ran("curl", "-sSf", "--etag-compare", str(tags), "-w", "%{http_code}", "-o", str(out), f"{url}/big.bin")
        assert code == "304"
        assert (
            ran("curl", "-sSf", "-z", str(root / "big.bin"), "-w", "%{http_code}", "-o", str(out), f"{url}/big.bin") == "304"
        )
        assert "content-length: 2097152" in ran("curl", "-sSfI", f"{url}/big.bin").lower()


def test_wget_goes_on_where_it_stopped(served, tmp_path):
    root, urls = served
    data = (root / "big.bin").read_bytes()
    for at, url in enumerate(urls):
        out = tmp_path / f"out{at}"
        out.write_bytes(data[: 1 << 20])
        done = subprocess.run(
            ["wget", "-c", "-S", "-O", str(out), f"{url}/big.bin"], capture_output=True, text=True, timeout=60, check=True
        )
        assert "206 Partial Content" in done.stderr
        assert f"Content-Range: bytes {1 << 20}-{len(data) - 1}/{len(data)}".lower() in done.stderr.lower()
        assert out.read_bytes() == data
        again = subprocess.run(
            ["wget", "-c", "-S", "-O", str(out), f"{url}/big.bin"], capture_output=True, text=True, timeout=60, check=True
        )
        assert "416" in again.stderr and out.read_bytes() == data


PAGE = """<!doctype html><script>
const event = (on, name) => new Promise((done, failed) => {
  on.addEventListener(name, done, {once: true}); on.addEventListener("error", () => failed(name), {once: true}); });
async function seek(url) {
  const video = document.createElement("video");
  video.muted = true; video.preload = "metadata"; document.body.append(video);
  const known = event(video, "loadedmetadata"); video.src = url; await known;
  const there = event(video, "seeked"); video.currentTime = video.duration * 0.9; await there;
  return [video.duration, video.currentTime, video.videoWidth, video.readyState];
}
addEventListener("load", async () => {
  const results = [];
  for (const url of URLS) { try { results.push(await seek(url)); } catch (error) { results.push(String(error)); } }
  await fetch("/result", {method: "POST", body: JSON.stringify(results)});
});
</script><body>"""


def test_chromium_seeks_in_a_video(tmp_path):
    """The video's index is at its end and its frames are noise: without ranges no browser gets to the ninth part of ten."""
    import imageio_ffmpeg

    if shutil.which("chromium") is None and "CI" not in os.environ:
        pytest.skip("chromium is not installed")
    root = tmp_path / "site"
    root.mkdir()
    noise = "color=size=320x240:rate=10:color=gray,noise=alls=100:allf=t"
    film = [
        "-f",
        "lavfi",
        "-i",
        noise,
        "-t",
        "20",
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-qp",
        "12",
    ]
    ran(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", *film, str(root / "film.mp4"))
    size = (root / "film.mp4").stat().st_size
    assert size > 10 << 20
    storage = StorageManager({"site": {"type": "local", "path": str(root)}})
    ranges: dict[str, list[str]] = {"wsgi": [], "asgi": []}
    told, page = threading.Event(), {}

    def wsgi(environ, start_response):
        if environ["PATH_INFO"] == "/result":
            page["result"] = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            told.set()
            start_response("204 No Content", [])
            return []
        if environ["PATH_INFO"] == "/":
            start_response("200 OK", [("Content-Type", "text/html")])
            return [page["text"]]
        ranges["wsgi"].append(environ.get("HTTP_RANGE", ""))
        return WSGIApp(storage)(environ, start_response)

    async def asgi(scope, receive, send):
        ranges["asgi"] += [value.decode() for name, value in scope.get("headers", ()) if name == b"range"]
        await ASGIApp(storage)(scope, receive, send)

    with wsgi_server(wsgi) as one, asgi_server(asgi) as two:
        urls = json.dumps([f"{one}/site/film.mp4", f"{two}/site/film.mp4"])
        page["text"] = PAGE.replace("URLS", urls).encode()
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
        ]
        flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"]
        with open(tmp_path / "chromium.log", "wb") as log:
            browser = subprocess.Popen(
                ["chromium", *flags, "--remote-debugging-port=0", f"--user-data-dir={tmp_path / 'profile'}", f"{one}/"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                assert told.wait(100), (tmp_path / "chromium.log").read_text()[-2000:]
            finally:
                browser.terminate()
                browser.wait(60)
    for duration, current, width, ready in page["result"]:
        assert duration == pytest.approx(20, abs=0.5)
        assert (current, width) == (pytest.approx(duration * 0.9, abs=0.5), 320)
        assert ready >= 2  # HAVE_CURRENT_DATA: the frame is there
    for asked_for in ranges.values():
        starts = [int(found[1]) for found in (re.fullmatch(r"bytes=(\d+)-.*", value) for value in asked_for) if found]
        assert max(starts) > size // 2
