"""A small S3 in a process of its own, quick enough that clients are the limit: objects in memory, requests and bytes counted, a delay for each.

It speaks what databases of records need (PUT, GET, HEAD, DELETE with conditions, uploads in parts, listings, bulk deletes), makes copies of an object
(``POST key?copies=N``), looks at no signature, and is for benchmarks alone: tests run against moto, LocalStack and Ceph's gateway.
"""

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import uuid
from bisect import bisect_left, bisect_right
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape


class Traffic(NamedTuple):
    """What passed."""

    requests: range
    bytes_up: int
    bytes_down: int


class QuickS3:
    """The process of the server, with the few words of `holdall.testing.FaultProxy` that `benchmarks.counting` says."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *failure):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    @property
    def settings(self):
        """How to reach it, as a database or a store is told."""
        return {
            "bucket": "bench",
            "region": "us-east-1",
            "endpoint_url": self.url,
            "access_key_id": "testing",
            "secret_access_key": "testing",
        }

    def _ask(self, **said):
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def heal(self):
        """Answer at once."""
        self._ask(delay=0)

    def fail(self, fault, *, times):
        """Answer later."""
        self._ask(delay=fault.delay)

    @property
    def traffic(self):
        """What passed so far."""
        count, up, down = self._ask()
        return Traffic(range(count), up, down)


class Bucket:
    """Objects in memory."""

    def __init__(self):
        self.objects = {}
        self.keys = []

    def put(self, key, data):
        tag = '"' + hashlib.md5(data).hexdigest() + '"'
        if key not in self.objects:
            self.keys = None
        self.objects[key] = (data, tag, formatdate(usegmt=True))
        return tag

    def delete(self, key):
        if self.objects.pop(key, None) is not None:
            self.keys = None

    def page(self, prefix, after, most, delimiter):
        """Return keys and common prefixes behind a place, and the place where the next page begins."""
        if self.keys is None:
            self.keys = sorted(self.objects)
        at = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after) if after else 0)
        found, prefixes, last = [], [], None
        while at < len(self.keys) and self.keys[at].startswith(prefix):
            if len(found) + len(prefixes) == most:
                return found, prefixes, last
            last = key = self.keys[at]
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end >= 0:
                prefixes.append(key[: end + 1])
                last = key[: end + 1] + "\U0010ffff"
                at = bisect_right(self.keys, last)
            else:
                found.append(key)
                at += 1
        return found, prefixes, None


class Server:
    """One bucket, whatever its name, and what passed."""

    def __init__(self):
        self.bucket = Bucket()
        self.uploads, self.tags = {}, {}
        self.delay = self.requests = self.up = self.down = 0

    def answer(self, method, target, head, body):
        """Return status, headers and body."""
        parts = urlsplit(target)
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if "aws-chunked" in head.get("content-encoding", ""):
            body = unchunked(body)
        if "x-amz-tagging" in head:
            self.tags[key] = parse_qs(head["x-amz-tagging"])
        if "tagging" in asked:
            tags = ((name, values[0]) for name, values in self.tags.get(key, {}).items())
            told = "".join(f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>" for name, value in tags)
            return 200, {}, f"<Tagging><TagSet>{told}</TagSet></Tagging>".encode()
        if "uploads" in asked or "uploadId" in asked:
            return self.upload(method, key, asked, head, body)
        if method == "POST" and "delete" in asked:
            names = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for name in names:
                self.bucket.delete(unescape(name))
            told = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return 200, {}, f"<DeleteResult>{told}</DeleteResult>".encode()
        if method == "POST" and "copies" in asked:
            data, place = self.bucket.objects[key][0], key.rpartition("/")[0]
            for _ in range(int(asked["copies"])):
                self.bucket.put(f"{place}/{uuid.uuid4()}.json", data)
            return 200, {}, b""
        if not key:
            return (200, {}, self.listing(asked)) if method == "GET" else (200, {}, b"")
        there = self.bucket.objects.get(key)
        if method == "PUT":
            if self.refused(head, there):
                return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
            return 200, {"ETag": self.bucket.put(key, body)}, b""
        if method == "DELETE":
            wanted = head.get("if-match")
            if wanted and wanted != "*" and (there is None or there[1] != wanted):
                return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
            self.bucket.delete(key)
            return 204, {}, b""
        if there is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>" if method == "GET" else b""
        data, tag, changed = there
        return 200, {"ETag": tag, "Last-Modified": changed, "Content-Type": "application/json"}, data

    @staticmethod
    def refused(head, there):
        """Tell whether a write does not meet its condition."""
        wanted = head.get("if-match")
        return (head.get("if-none-match") == "*" and there) or (wanted and (there is None or there[1] != wanted))

    def upload(self, method, key, asked, head, body):
        """Begin, fill, publish or drop an upload in parts; return status, headers and body."""
        if "uploads" in asked:
            begun = uuid.uuid4().hex
            self.uploads[begun] = {}
            told = f"<InitiateMultipartUploadResult><UploadId>{begun}</UploadId></InitiateMultipartUploadResult>"
            return 200, {}, told.encode()
        parts = self.uploads.get(asked["uploadId"])
        if parts is None:
            return 404, {}, b"<Error><Code>NoSuchUpload</Code></Error>"
        if method == "PUT":
            parts[int(asked["partNumber"])] = body
            return 200, {"ETag": '"' + hashlib.md5(body).hexdigest() + '"'}, b""
        if method == "POST":
            if self.refused(head, self.bucket.objects.get(key)):
                return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
            tag = self.bucket.put(key, b"".join(parts[number] for number in sorted(parts)))
            answer = (
                200,
                {"ETag": tag},
                f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>".encode(),
            )
        else:
            answer = 204, {}, b""
        del self.uploads[asked["uploadId"]]
        return answer

    def listing(self, asked):
        """Return a page of keys."""
        most = int(asked.get("max-keys") or 1000)
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after = asked.get("continuation-token") or asked.get("start-after") or asked.get("marker") or ""
        keys, prefixes, last = self.bucket.page(prefix, after, most, delimiter)
        written = quote if asked.get("encoding-type") == "url" else escape
        lines = [
            f"<Contents><Key>{written(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{escape(tag)}</ETag>"
            f"<Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in keys
            for data, tag, _ in [self.bucket.objects[key]]
        ]
        lines += [f"<CommonPrefixes><Prefix>{written(one)}</Prefix></CommonPrefixes>" for one in prefixes]
        more = f"<NextContinuationToken>{written(last)}</NextContinuationToken>" if last else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>b</Name><Prefix>{written(prefix)}</Prefix><KeyCount>{len(keys)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{'true' if last else 'false'}</IsTruncated>{more}{''.join(lines)}</ListBucketResult>"
        ).encode()


def unchunked(body):
    """Return the data of a body in signed or unsigned chunks."""
    data, at = b"", 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if not size:
            return data
        data += body[end + 2 : end + 2 + size]
        at = end + 4 + size


class Connection(asyncio.Protocol):
    """One connection; a request at a time."""

    def __init__(self, server):
        self.server, self.held, self.head = server, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.server.up += len(data)
        self.held += data
        if self.head is None:
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return
            first, *lines = self.held[:end].decode("latin-1").split("\r\n")
            self.held = self.held[end + 4 :]
            self.head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self.method, self.target, _ = first.split(" ")
            if self.head.get("expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = int(self.head.get("content-length") or 0)
        if len(self.held) < size:
            return
        body, self.held = self.held[:size], self.held[size:]
        head, self.head = self.head, None
        self.server.requests += 1
        if self.server.delay:
            asyncio.get_running_loop().call_later(self.server.delay, self.reply, self.method, self.target, head, body)
        else:
            self.reply(self.method, self.target, head, body)

    def reply(self, method, target, head, body):
        status, headers, data = self.server.answer(method, target, head, body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        answer = f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(data)}\r\n\r\n".encode()
        answer += b"" if method == "HEAD" or status == 204 else data
        self.server.down += len(answer)
        self.transport.write(answer)


async def main():
    """Serve, and do what the parent says, until it closes the pipe."""
    loop = asyncio.get_running_loop()
    server = Server()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        server.delay = json.loads(line).get("delay", server.delay)
        print(json.dumps([server.requests, server.up, server.down]), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
