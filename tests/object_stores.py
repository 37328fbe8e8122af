"""Stores on the servers of the tests: as they are, and behind a proxy that injects faults."""

import functools

import pytest

from holdall.drivers import (
    fsspec_s3_verbs,
    fsspec_s3_verbs_async,
    objects_listing,
    objects_listing_async,
    objects_writing,
    objects_writing_async,
    s3extra,
)
from holdall.drivers.objects import AzureStore, S3Store
from holdall.testing import FaultProxy
from holdall.testing.contract.attributes import AttributeContract
from holdall.testing.contract.copying import CopyContract
from holdall.testing.contract.deletion import DeleteContract
from holdall.testing.contract.reading import ReadContract
from holdall.testing.contract.versioning import VersionContract
from holdall.testing.servers import Bucket, Container


class SmallPages:
    """Pages and batches of ten for what is otherwise shown with a thousand: by the plain buckets of the same services."""

    many = 45
    batch = 45
    counted = (
        (fsspec_s3_verbs, "BATCH"),
        (fsspec_s3_verbs_async, "BATCH"),
        (objects_listing, "PAGE"),
        (objects_listing_async, "PAGE"),
        (objects_writing, "BATCH"),
        (objects_writing_async, "BATCH"),
        (s3extra, "BATCH"),
    )

    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch):
        """Ten of whatever comes by the thousand."""
        for module, name in self.counted:
            monkeypatch.setattr(module, name, 10)


class VersionedContract(SmallPages, ReadContract, DeleteContract, AttributeContract, CopyContract, VersionContract):
    """What a bucket that keeps versions may do differently; the rest is shown on the plain bucket, and on moto for both."""


def opened(bucket: Bucket, **options) -> S3Store:
    """Return a store over a bucket."""
    server = bucket.server
    return S3Store(
        bucket.name,
        **{
            "endpoint_url": server.endpoint,
            "region": server.region,
            "access_key_id": server.access_key,
            "secret_access_key": server.secret_key,
            **options,
        },
    )


def pages_of(store: S3Store, size: int) -> None:
    """Have a store ask for listings in pages of so many keys: a thousand take long to make."""
    client = store.extra.client
    client.list_objects_v2 = functools.partial(client.list_objects_v2, MaxKeys=size)


def behind(proxy: FaultProxy, bucket: Bucket, **options) -> S3Store:
    """Return a store over a bucket, by way of a proxy."""
    return opened(bucket, **{"endpoint_url": proxy.url, "timeout": 5.0, **options})


def contained(container: Container, **options) -> AzureStore:
    """Return a store over a container."""
    server = container.server
    known = {"account_name": server.account, "account_key": server.key, "endpoint_url": server.endpoint}
    return AzureStore(container.name, **{**known, **options})


def requests(proxy: FaultProxy, since: int = 0) -> list[str]:
    """Return the methods of the requests that passed."""
    return [method for method, _ in proxy.traffic.requests[since:]]
