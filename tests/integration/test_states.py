"""Random verbs on real stores, compared with a dictionary: local disk, and S3 on moto."""

import contextlib

import pytest
from hypothesis.stateful import run_state_machine_as_test

from holdall.drivers.local import LocalStore
from holdall.testing.servers import Moto
from holdall.testing.stateful import store_machine


@pytest.mark.slow
def test_local(tmp_path_factory):
    machine = store_machine(lambda: LocalStore(tmp_path_factory.mktemp("states") / "root", create=True), examples=20)
    run_state_machine_as_test(machine, settings=machine.TestCase.settings)


@pytest.mark.slow
def test_moto(moto: Moto):
    from holdall.drivers.objects import S3Store

    @contextlib.contextmanager
    def opened():
        server = moto
        with (
            server.bucket() as bucket,
            S3Store(
                bucket.name,
                endpoint_url=server.endpoint,
                region=server.region,
                access_key_id=server.access_key,
                secret_access_key=server.secret_key,
            ) as store,
        ):
            yield store

    machine = store_machine(opened, steps=20, examples=8)
    run_state_machine_as_test(machine, settings=machine.TestCase.settings)
