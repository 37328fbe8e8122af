"""What obstore and boto3 raise, as our errors: real failures of a loopback server that answers as told."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
import obstore.store
import pytest

from holdall import errors
from holdall.drivers.azure import AzureStore
from holdall.drivers.gcs import GCSStore
from holdall.drivers.objects_errors import Facts, facts_of, failure, masked
from holdall.drivers.s3 import S3Store
from holdall.drivers.s3errors import boto_error, boto_facts

ANSWERS = [
    (404, "NoSuchKey", errors.NotFoundError),
    (404, "", errors.NotFoundError),
    (404, "NoSuchBucket", errors.MissingPlaceError),
    (404, "ContainerNotFound", errors.MissingPlaceError),
    (403, "AccessDenied", errors.PermissionDeniedError),
    (403, "", errors.PermissionDeniedError),
    (403, "InvalidAccessKeyId", errors.UnauthenticatedError),
    (403, "SignatureDoesNotMatch", errors.UnauthenticatedError),
    (403, "RequestTimeTooSkewed", errors.UnauthenticatedError),
    (400, "ExpiredToken", errors.UnauthenticatedError),
    (401, "", errors.UnauthenticatedError),
    (403, "InvalidObjectState", errors.UnavailableError),
    (403, "QuotaExceeded", errors.StorageFullError),
    (507, "", errors.StorageFullError),
    (412, "PreconditionFailed", errors.PreconditionError),
    (304, "", errors.NotModifiedError),
    (416, "InvalidRange", errors.RangeNotSatisfiableError),
    (429, "", errors.ThrottledError),
    (503, "SlowDown", errors.ThrottledError),
    (503, "", errors.UnavailableError),
    (500, "InternalError", errors.UnavailableError),
    (504, "", errors.StoreTimeoutError),
    (408, "RequestTimeout", errors.StoreTimeoutError),
    (501, "NotImplemented", errors.NotSupportedError),
    (405, "MethodNotAllowed", errors.NotSupportedError),
    (400, "InvalidStorageClass", errors.ConfigError),
    (400, "KeyTooLongError", errors.InvalidKeyError),
    (400, "InvalidBlockList", errors.UnavailableError),
    (301, "PermanentRedirect", errors.ConfigError),
    (409, "OperationAborted", errors.UnavailableError),
]


class Told(BaseHTTPRequestHandler):
    """Answers with the status and code that the path names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, status, code = self.path.split("?")[0].rsplit("/", 2)
        if status == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.send_header("ETag", '"e"')
            self.send_header("Last-Modified", "Tue, 01 Dec 2020 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(b"x" * 50)
            self.close_connection = True
            return
        body = f"<Error><Code>{code[1:]}</Code><Message>As told.</Message></Error>".encode() if code != "-" else b""
        if status == "304":
            body = b""
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def told():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def native(url, **options):
    return obstore.store.S3Store(
        "b",
        endpoint=url,
        access_key_id="AKIDEXAMPLE",
        secret_access_key="topsecret",
        region="us-east-1",
        client_options={"allow_http": True, "timeout": "5s"} | options,
        retry_config={"max_retries": 0},
    )


def raised(call) -> Exception:
    with pytest.raises(Exception) as caught:  # which one is what is tested
        call()
    return caught.value


@pytest.mark.parametrize(("status", "code", "kind"), ANSWERS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_answers_through_obstore(told, status, code, kind):
    facts = facts_of(raised(lambda: native(told).get(f"{status}/-{code}")))
    error = failure(facts, verb="read", key="k", store="S")
    assert type(error) is kind
    assert (error.key, error.store) == ("k", "S")
    assert facts.transient == (status in {429, 503, 500, 504, 408} or code == "OperationAborted")


@pytest.mark.parametrize(("status", "code", "kind"), ANSWERS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_answers_through_boto(told, status, code, kind):
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=told,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="topsecret",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    error = raised(lambda: client.get_object(Bucket="b", Key=f"{status}/-{code}"))
    client.close()
    assert type(boto_error(error, "read", "k")) is kind
    assert boto_facts(error).transient == (status in {429, 503, 500, 504, 408} or code == "OperationAborted")


def test_a_version_that_is_not_there():
    for facts in (Facts(answer="not_found", status=404), Facts(status=400, code="InvalidArgument"), Facts(status=405)):
        error = failure(facts, verb="read", key="k", version="v1")
        assert type(error) is errors.VersionNotFoundError
        assert "v1" in str(error)
    missing = failure(Facts(status=404, code="NoSuchBucket"), verb="read", key="k", version="v")
    assert type(missing) is errors.MissingPlaceError
    closed = failure(Facts(status=409, code="ContainerBeingDeleted"), verb="read", key="k")
    assert type(closed) is errors.UnavailableError, "there, but not available"


def test_transport(told):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        cases = {
            errors.StoreTimeoutError: lambda: native(f"http://127.0.0.1:{port}", read_timeout="200ms").get("k"),
            errors.IntegrityError: lambda: native(told).get("cut/-").bytes(),
            errors.ConfigError: lambda: native("http://127.0.0.1:1", allow_http=False).get("k"),
        }
        for kind, call in cases.items():
            assert type(failure(facts_of(raised(call)), verb="read", key="k")) is kind
    cut = facts_of(raised(cases[errors.IntegrityError]))
    for verb in ("write", "delete", "copy", "list"):
        error = failure(cut, verb=verb, key="k")
        assert type(error) is errors.UnavailableError, "nobody knows what was done"
        assert "the answer ended" in str(error)
    refused = facts_of(raised(lambda: native("http://127.0.0.1:1").get("k")))
    assert type(failure(refused, verb="read")) is errors.UnavailableError
    assert refused.unsent
    assert refused.transient


def test_local_disk(tmp_path):
    store = obstore.store.LocalStore(tmp_path)
    store.put("a/b", b"1")
    below = facts_of(raised(lambda: store.get("a/b/c")))
    assert type(failure(below, verb="read", key="a/b/c")) is errors.NotFoundError
    assert type(failure(below, verb="write", key="a/b/c")) is errors.NotDirectoryError
    assert type(failure(facts_of(raised(lambda: store.put("a", b""))), verb="write", key="a")) is errors.IsDirectoryError
    assert (
        type(failure(facts_of(raised(lambda: store.put("x" * 300, b""))), verb="write", key="x")) is errors.InvalidKeyError
    )


def test_causes_hold_no_secret(told):
    cause = raised(lambda: native(f"{told}/404/-NoSuchKey?sig=abcdef").get("k"))
    shown = masked(cause)
    assert type(shown) is type(cause)
    assert "Debug source" not in str(shown)
    assert "abcdef" not in str(shown)
    assert str(masked(ValueError("at https://h/b/k?X-Amz-Signature=abc, again"))) == "at https://h/b/k?***, again"
    assert str(masked(ValueError("<StringToSign>AWS4 x\ny</StringToSign>"))) == "<StringToSign>***</StringToSign>"

    class OddError(Exception):
        def __init__(self, one, two):
            super().__init__(one, two)

    assert str(masked(OddError("a?x=1", 2))) == "OddError: ('a?***', 2)"


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """No credentials of AWS anywhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize(
    ("store", "kind", "said"),
    [
        (lambda _: S3Store("b", region="us-east-1"), errors.UnauthenticatedError, "no AWS credentials|locate credentials"),
        (lambda _: AzureStore("cc", account_name="a", account_key="not!base64"), errors.ConfigError, "account_key is not"),
        (lambda _: AzureStore("cc", account_name="a", sas_token="senseless"), errors.ConfigError, "sas_token is not"),
        (lambda file: GCSStore("b", token=file), errors.ConfigError, "key file of the service account"),
    ],
)
def test_credentials_that_are_none_are_told_as_such(nobody, tmp_path, colour, store, kind, said):
    (tmp_path / "key.json").write_text("no JSON")
    with store(str(tmp_path / "key.json")) as opened:
        verbs = colour(opened)
        acts = [lambda: verbs.get("k"), lambda: verbs.put("k", b""), lambda: list(verbs.list())]
        for act in acts[:2] if "sas_token" in said else acts:  # a listing sends the signature as it is
            with pytest.raises(kind, match=said) as caught:
                act()
            assert "senseless" not in str(caught.value) and "not!base64" not in str(caught.value)
