"""Stores on the servers of the tests: as they are, and behind a proxy that injects faults."""

from holdall.drivers.objects import AzureStore, S3Store
from holdall.testing import FaultProxy
from holdall.testing.contract.attributes import AttributeContract
from holdall.testing.contract.copying import CopyContract
from holdall.testing.contract.deletion import DeleteContract
from holdall.testing.contract.reading import ReadContract
from holdall.testing.contract.versioning import VersionContract
from holdall.testing.servers import Bucket, Container


class VersionedContract(ReadContract, DeleteContract, AttributeContract, CopyContract, VersionContract):
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
