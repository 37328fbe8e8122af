"""`mock_aws`: three libraries see one fresh S3, and everything is as before afterwards."""

import os

import pytest

boto3 = pytest.importorskip("boto3")
obstore = pytest.importorskip("obstore")
s3fs = pytest.importorskip("s3fs")
from holdall.testing import mock_aws  # noqa: E402


def test_three_libraries_see_one_s3():
    before = dict(os.environ)
    with mock_aws() as aws:
        assert os.environ["AWS_ENDPOINT_URL"] == aws.endpoint
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="by/boto3", Body=b"1")
        filesystem = s3fs.S3FileSystem()
        assert filesystem.cat_file("bucket/by/boto3") == b"1"
        filesystem.pipe_file("bucket/by/s3fs", b"2")
        store = obstore.store.S3Store("bucket")
        assert bytes(obstore.get(store, "by/s3fs").bytes()) == b"2"
        obstore.put(store, "by/obstore", b"3")
        assert sorted(filesystem.ls("bucket/by")) == ["bucket/by/boto3", "bucket/by/obstore", "bucket/by/s3fs"]
        client.close()
    assert dict(os.environ) == before
    with mock_aws():
        client = boto3.client("s3")
        assert client.list_buckets()["Buckets"] == []
        assert s3fs.S3FileSystem() is not filesystem
        client.close()


def test_restores_on_an_error(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(ZeroDivisionError), mock_aws():  # the context is what is tested
        assert "AWS_PROFILE" not in os.environ
        raise ZeroDivisionError
    assert os.environ["AWS_PROFILE"] == "mine"
    assert "AWS_ENDPOINT_URL" not in os.environ


@mock_aws()
def test_decorator():
    client = boto3.client("s3")
    client.create_bucket(Bucket="only")
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["only"]
    client.close()


test_decorator_again = test_decorator
