"""The memory driver is like a dictionary, whatever is done to it; and the machine notices when a store is not."""

import contextlib

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from holdall.drivers.memory import MemoryStore
from holdall.testing.stateful import store_machine

TestMemoryStates = store_machine(MemoryStore).TestCase
TestVersionedMemoryStates = store_machine(lambda: MemoryStore(versioned=True)).TestCase


class Forgetful(MemoryStore):
    """Loses the last byte of what is copied."""

    def copy(self, src, dst, options=None, *, source=None):
        result = super().copy(src, dst, options, source=source)
        data = self.get(dst).bytes()
        return self.put(dst, data[:-1]) if data else result


class Fold(MemoryStore):
    """Takes a stale etag for a fresh one."""

    def put(self, key, source, options=None):
        return super().put(key, source, options.unconditional() if options else None)


@pytest.mark.parametrize("kind", [Forgetful, Fold])
def test_the_machine_notices(kind):
    machine = store_machine(lambda: contextlib.closing(kind()))
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=500, stateful_step_count=40, deadline=None, database=None, phases=[Phase.generate]
            ),
        )
