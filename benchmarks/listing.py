"""Listings of 100,000 keys: S3 and a local directory, against the bare libraries and the peers.

``python -m benchmarks.listing [--keys N] [--rounds N] [--json]``. S3's pages come ready-made from a small server in a process of its
own: so it is the client that is measured, at 1,000 keys a request as in S3. Each library runs in a process of its own.
"""

import os
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from benchmarks import measuring, s3

PAGE, FOLDER = 1000, 1000
S3, LOCAL = "S3", "local"


def obstore(endpoint, root):
    import obstore
    from obstore.store import LocalStore, S3Store

    options = {"allow_http": True}
    store = S3Store(
        s3.BUCKET, endpoint=endpoint, region="us-east-1", access_key_id="a", secret_access_key="b", client_options=options
    )
    local = LocalStore(root)
    return (
        lambda: sum(len(chunk) for chunk in obstore.list(store, chunk_size=PAGE)),
        lambda: sum(len(chunk) for chunk in obstore.list(local, chunk_size=PAGE)),
    )


def holdall(endpoint, root):
    from holdall.drivers.local import LocalStore
    from holdall.drivers.s3 import S3Store

    store = S3Store(s3.BUCKET, endpoint_url=endpoint, region="us-east-1", access_key_id="a", secret_access_key="b")
    local = LocalStore(root)
    return (
        lambda: sum(len(page.objects) for page in store.list()),
        lambda: sum(len(page.objects) for page in local.list()),
    )


def boto3(endpoint, _):
    pages = s3.client(endpoint).get_paginator("list_objects_v2")
    return lambda: sum(len(page["Contents"]) for page in pages.paginate(Bucket=s3.BUCKET)), None


def s3fs(endpoint, root):
    import fsspec
    import s3fs

    fs = s3fs.S3FileSystem(key="a", secret="b", endpoint_url=endpoint, use_listings_cache=False)
    local = fsspec.filesystem("file")
    return lambda: len(fs.find(s3.BUCKET, detail=True)), lambda: len(local.find(root, detail=True))


def os_walk(_, root):
    def walk():
        return sum(os.stat(os.path.join(at, name)).st_size >= 0 for at, _, names in os.walk(root) for name in names)

    return None, walk


LIBRARIES = {
    "obstore": obstore,
    "holdall": holdall,
    "boto3": boto3,
    "s3fs": s3fs,
    "os.walk": os_walk,
}


def work(library, keys, endpoint, root):
    """Be the process of one library."""
    ways = {row: (act, 1) for row, act in zip((S3, LOCAL), LIBRARIES[library](endpoint, root), strict=True) if act}
    for row, (act, _) in ways.items():
        if (found := act()) != int(keys):
            raise SystemExit(f"{library} lists {found} keys, not {keys} ({row})")
    measuring.answer(ways)


class Pages(BaseHTTPRequestHandler):
    """Answers listings with ready-made pages."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    keys = 0
    made = {}  # noqa: RUF012  # filled once per process

    def do_GET(self):
        page = int(parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0])
        if page not in self.made:
            items = "".join(
                f"<Contents><Key>many/{page:04}/{i:06}.bin</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
                f"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>4096</Size><StorageClass>STANDARD</StorageClass></Contents>"
                for i in range(min(PAGE, self.keys - page * PAGE))
            )
            more = (page + 1) * PAGE < self.keys
            token = f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if more else ""
            self.made[page] = (
                '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<Name>{s3.BUCKET}</Name><Prefix></Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys>"
                f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>"
            ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(self.made[page])))
        self.end_headers()
        self.wfile.write(self.made[page])

    def log_message(self, *_):
        pass


def serve(keys):
    """Serve pages until standard input closes, after printing the address."""
    import threading

    Pages.keys = keys
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


def main():
    asked = measuring.arguments(__doc__, keys=100_000)
    if asked.worker == ["pages"]:
        serve(asked.keys)
        return
    if asked.worker:
        work(*asked.worker)
        return
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    pages = [sys.executable, "-m", "benchmarks.listing", "--worker", "pages", "--keys", str(asked.keys)]
    with (
        tempfile.TemporaryDirectory(prefix="holdall-bench-", dir=memory) as root,
        subprocess.Popen(pages, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        for i in range(asked.keys):
            folder = os.path.join(root, f"{i // FOLDER:04}")
            if i % FOLDER == 0:
                os.mkdir(folder)
            os.close(os.open(os.path.join(folder, f"{i:06}.bin"), os.O_CREAT | os.O_WRONLY))
        endpoint = server.stdout.readline().strip()
        rows = {S3: 1, LOCAL: 1}
        libraries = list(LIBRARIES)
        found = measuring.alternate("benchmarks.listing", libraries, rows, asked.rounds, str(asked.keys), endpoint, root)
        server.stdin.close()
    found = {f"list {asked.keys:,} keys, {row}": values for row, values in found.items()}
    measuring.save("benchmarks.listing", found, as_json=asked.json)
    if not asked.json:
        for title, values in found.items():
            measuring.show_calls(title, values)


if __name__ == "__main__":
    main()
