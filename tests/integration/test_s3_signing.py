"""What a signature for S3 covers: the digest of what is sent is left out where nobody on the way can change it."""

import contextlib
import hashlib
import io
import socket
import socketserver
import ssl
import threading

import pytest
from botocore.awsrequest import AWSResponse
from tests.object_stores import opened
from urllib3 import HTTPResponse

from holdall.core.options import PutOptions
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.s3settings import S3Settings
from holdall.errors import HoldallError
from holdall.records import Record, S3Database
from holdall.testing import Colour
from holdall.testing.servers import Bucket
from holdall.testing.servers.files import certificate

SENT, CHANGED = b"what was sent", b"what was seen"


@pytest.mark.parametrize(
    ("endpoint", "given", "unsigned"),
    [
        (None, {}, True),
        (None, {"client": ClientSettings(verify=False)}, False),
        (None, {"sign_payload": True}, False),
        ("https://host:9000", {}, True),
        ("http://host:9000", {}, False),
        ("http://10.0.0.1:9000", {}, False),
        ("http://localhost.example.org", {}, False),
        ("http://host:9000", {"sign_payload": False}, True),
        ("http://localhost:9000", {}, True),
        ("http://s3.localhost:9000", {}, True),
        ("http://127.0.0.1:9000", {}, True),
        ("http://[::1]:9000", {}, True),
        ("http://127.0.0.1:9000", {"sign_payload": True}, False),
    ],
)
def test_only_a_way_that_others_can_change_needs_the_digest(endpoint, given, unsigned):
    settings = S3Settings(bucket="b", endpoint=endpoint, **{"client": ClientSettings(allow_http=True), **given})
    assert settings.unsigned is unsigned


@pytest.mark.parametrize(
    ("endpoint", "given", "signed"),
    [
        (None, {}, False),
        (None, {"sign_payload": True}, True),
        (None, {"client": ClientSettings(verify=False)}, True),
        ("http://host:9000", {}, True),
        ("https://host:9000", {"sign_payload": True}, True),
    ],
)
def test_boto3_signs_it_where_obstore_does(endpoint, given, signed):
    client = S3Settings(
        bucket="b",
        endpoint=endpoint,
        access_key_id="a",
        secret_access_key="b",
        **{"client": ClientSettings(allow_http=True), **given},
    ).boto_client()
    seen = []

    def answer(request, **_):
        seen.append(request.headers["X-Amz-Content-SHA256"])
        return AWSResponse(request.url, 200, {"ETag": '"1"'}, HTTPResponse(io.BytesIO(), preload_content=False))

    client.meta.events.register("before-send.s3", answer)
    client.put_object(Bucket="b", Key="k", Body=SENT)
    client.upload_part(Bucket="b", Key="k", UploadId="1", PartNumber=1, Body=SENT)
    assert [value == hashlib.sha256(SENT).hexdigest().encode() for value in map(_bytes, seen)] == [signed] * 2


def _bytes(value):
    return value if isinstance(value, bytes) else value.encode()


class Relay(socketserver.BaseRequestHandler):
    """Between a client and a server, changing what is sent."""

    upstream: tuple[str, int]
    digests: list[bytes]
    tls: ssl.SSLContext | None = None

    def handle(self):
        if self.tls is not None:
            try:
                self.request = self.tls.wrap_socket(self.request, server_side=True)
            except OSError:  # a client that does not trust us
                return
        with self.request, socket.create_connection(self.upstream) as server:
            back = threading.Thread(target=self.pump, args=(server, self.request, lambda data: data))
            back.start()
            self.pump(self.request, server, self.change)
            back.join()

    def change(self, data):
        self.digests += [line[22:] for line in data.lower().splitlines() if line.startswith(b"x-amz-content-sha256: ")]
        return data.replace(SENT, CHANGED)

    @staticmethod
    def pump(source, target, change):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(change(data))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def relaying(bucket: Bucket, tls: ssl.SSLContext | None = None):
    _, _, place = bucket.server.endpoint.partition("//")
    host, _, port = place.partition(":")
    kind = type("Between", (Relay,), {"upstream": (host, int(port)), "digests": [], "tls": tls})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        running.digests = kind.digests
        yield running
        running.shutdown()


@pytest.fixture
def relay(radosgw_bucket: Bucket):
    with relaying(radosgw_bucket) as running:
        yield running


@pytest.mark.parametrize("options", [PutOptions(), PutOptions(mode="create"), PutOptions(tags={"a": "b"})])
def test_a_signed_digest_tells_of_a_change_on_the_way(radosgw_bucket: Bucket, relay, colour: Colour, options):
    ground, address = radosgw_bucket.ground, f"http://127.0.0.1:{relay.server_address[1]}"
    with opened(radosgw_bucket, endpoint_url=address, sign_payload=True, retries=0) as store:
        with pytest.raises(HoldallError):
            colour(store).put("k", SENT, options)
        assert ground.everything() == set()
        colour(store).put("k", b"other", options)
        assert ground.read("k") == b"other"
    assert relay.digests
    assert b"unsigned-payload" not in relay.digests


def test_by_default_a_way_within_the_machine_is_trusted(radosgw_bucket: Bucket, relay, colour: Colour):
    address = f"http://127.0.0.1:{relay.server_address[1]}"
    with opened(radosgw_bucket, endpoint_url=address) as store:
        colour(store).put("k", SENT)
        assert colour(store).get("k").bytes() == CHANGED
    assert set(relay.digests) == {b"unsigned-payload"}


def test_tls(radosgw_bucket: Bucket, tmp_path, colour: Colour):
    """Certificates are checked by obstore, by boto3 and by requests of our own; then the digest is left out."""
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    ground = radosgw_bucket.ground
    with relaying(radosgw_bucket, context) as relay:
        address = f"https://127.0.0.1:{relay.server_address[1]}"
        with opened(radosgw_bucket, endpoint_url=address, ca_file=str(pem)) as store:
            verbs = colour(store)
            etag = verbs.put("k", b"1", PutOptions(mode="create", tags={"a": "b"})).etag
            assert verbs.put("l", bytes(9 * 1024 * 1024)).size == 9 * 1024 * 1024
            assert verbs.tags("k") == {"a": "b"}
            assert store.extra._deleted("k", f'"{etag}"')
            assert ground.everything() == {"l"}
            assert [meta.key for page in verbs.list() for meta in page.objects] == ["l"]
        server = radosgw_bucket.server
        keys = {"access_key_id": server.access_key, "secret_access_key": server.secret_key}
        for trust in ({"ca_file": str(pem)}, {"verify": "no", "create_bucket": "no", "tags": "off"}):
            with S3Database(radosgw_bucket.name, endpoint_url=address, mirror="off", **keys, **trust) as people:
                assert people.create(Record({"id": "a"})) == "a"
                assert people.delete("a")
        assert {digest for digest in relay.digests if len(digest) != 64} >= {b"unsigned-payload"}
        with opened(radosgw_bucket, endpoint_url=address, verify=False) as store:
            colour(store).put("k", b"2")
        with (
            opened(radosgw_bucket, endpoint_url=address, retries=1) as store,
            pytest.raises(HoldallError, match="certificate"),
        ):
            colour(store).put("k", b"3")
    assert ground.read("k") == b"2"
