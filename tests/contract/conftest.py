"""Buckets that one test of the contract after another uses.

What a store learns of a bucket of no known service (which conditions it honours) costs a dozen requests and a client of boto3:
in a bucket of its own each of two thousand tests would learn it anew. Tests that learn it on purpose have buckets of their own.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from holdall.testing.servers import Bucket, LocalStack, Moto, Radosgw
from holdall.testing.servers.s3 import S3Server

Keep = Callable[..., Bucket]


@pytest.fixture(scope="session")
def keep(_servers: object) -> Iterator[Keep]:
    """Take an empty bucket of a server; there are two of a kind, so that what a test sends too late is not found by the next."""
    rings: dict[tuple[str, bool], Iterator[Bucket]] = {}
    with ExitStack() as stack:

        def take(server: S3Server, *, versioned: bool = False) -> Bucket:
            kind = server.name, versioned
            if kind not in rings:
                made = [stack.enter_context(server.bucket(versioned=versioned)) for _ in range(2)]
                rings[kind] = itertools.cycle(made)
            bucket = next(rings[kind])
            bucket.clear()
            return bucket

        yield take


@pytest.fixture
def kept_moto(keep: Keep, moto: Moto) -> Bucket:
    """A bucket on moto."""
    return keep(moto)


@pytest.fixture
def kept_moto_versioned(keep: Keep, moto: Moto) -> Bucket:
    """A versioned bucket on moto."""
    return keep(moto, versioned=True)


@pytest.fixture
def kept_localstack(keep: Keep, localstack: LocalStack) -> Bucket:
    """A bucket on LocalStack."""
    return keep(localstack)


@pytest.fixture
def kept_localstack_versioned(keep: Keep, localstack: LocalStack) -> Bucket:
    """A versioned bucket on LocalStack."""
    return keep(localstack, versioned=True)


@pytest.fixture
def kept_radosgw(keep: Keep, radosgw: Radosgw) -> Bucket:
    """A bucket on radosgw."""
    return keep(radosgw)


@pytest.fixture
def kept_radosgw_versioned(keep: Keep, radosgw: Radosgw) -> Bucket:
    """A versioned bucket on radosgw."""
    return keep(radosgw, versioned=True)
