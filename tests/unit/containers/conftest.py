"""The face in both colours."""

import io

import pytest

from holdall import containers
from holdall.containers import WriteOptions
from holdall.drivers.memory import MemoryStore
from holdall.store import PartWriter


@pytest.fixture
def face(colour):
    """The module's functions in one colour: ``face.dump(…)`` is ``dump(…)``, or ``dump_async(…)`` run to its end."""
    return colour(containers)


@pytest.fixture
def packed(face):
    """``packed(document, **options)``: the bytes of an archive, written in one colour."""

    def pack(document, **options):
        target = io.BytesIO()
        face.dump(target, document, options=WriteOptions(**options))
        return target.getvalue()

    return pack


class Forgotten(PartWriter):
    """Parts that are counted and let go."""

    def __init__(self, inner):
        self.inner, self.sizes = inner, {}
        self.key, self.upload_id = inner.key, inner.upload_id

    def put_part(self, number, data):
        self.sizes[number] = len(data)

    async def put_part_async(self, number, data):
        self.sizes[number] = len(data)

    def sent(self):
        return {}

    async def sent_async(self):
        return {}

    def complete(self, *, mode=None, if_match=None):
        self.inner.put_part(1, b"what was written is gone")
        return self.inner.complete(mode=mode, if_match=if_match)

    async def complete_async(self, *, mode=None, if_match=None):
        return self.complete(mode=mode, if_match=if_match)

    def abort(self):
        self.inner.abort()

    async def abort_async(self):
        self.inner.abort()


class Void(MemoryStore):
    """A store that keeps nothing of large objects."""

    def parts(self, key, options=None, *, upload_id=None):
        self.last = Forgotten(super().parts(key, options, upload_id=upload_id))
        return self.last


@pytest.fixture
def void():
    """A store that keeps nothing of large objects; ``void.last.sizes`` are those of the parts that it was sent last."""
    return Void()
