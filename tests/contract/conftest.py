"""Buckets that one test of the contract after another uses.

What a store learns of a bucket of no known service (which conditions it honours) costs a dozen requests and a client of boto3:
in a bucket of its own each of two thousand tests would learn it anew. Tests that learn it on purpose have buckets of their own.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from holdall.testing.servers import Bucket
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


def _kept(server: str, *, versioned: bool = False) -> Any:
    """Return a fixture: a bucket on the server of that fixture."""

    @pytest.fixture
    def kept(keep: Keep, request: pytest.FixtureRequest) -> Bucket:
        return keep(request.getfixturevalue(server), versioned=versioned)

    return kept


kept_moto, kept_moto_versioned = _kept("moto"), _kept("moto", versioned=True)
kept_localstack, kept_localstack_versioned = _kept("localstack"), _kept("localstack", versioned=True)
kept_radosgw, kept_radosgw_versioned = _kept("radosgw"), _kept("radosgw", versioned=True)
