"""Blocks of an SFTP file: all of a piece, up to the end, in a bounded number of requests whatever a server says it takes."""

import asyncio

import pytest

from holdall.drivers.sftp_requests import LEAST, read_blocks, write_blocks
from holdall.results import CHUNK


class File:
    """An open file of a server that takes so many bytes in a request."""

    def __init__(self, data, limit):
        self.data, self.read_len, self.write_len, self.requests = bytearray(data), limit, limit, 0

    async def read(self, size, offset):
        self.requests += 1
        return bytes(self.data[offset : offset + size])

    async def write(self, data, offset):
        self.requests += 1
        self.data[offset : offset + len(data)] = data


@pytest.mark.parametrize("limit", [1, LEAST - 1, 261_120, 2**63])
def test_pieces_are_whole_in_few_requests(limit):
    data = bytes(range(256)) * (CHUNK // 256)
    file = File(data + b"behind", limit)
    assert asyncio.run(read_blocks(file, 0, CHUNK)) == data
    assert asyncio.run(read_blocks(file, 7, CHUNK)) == (data + b"behind")[7 : 7 + CHUNK]
    assert asyncio.run(read_blocks(file, CHUNK, CHUNK)) == b"behind"
    asyncio.run(write_blocks(file, data[::-1], 3))
    assert bytes(file.data) == data[:3] + data[::-1] + b"ind"
    assert file.requests <= 4 * (CHUNK // LEAST + 1)


def test_what_follows_a_short_block_is_not_joined_to_it():
    """The file was cut while it was being read, and grew again."""
    file = File(b"x" * 4 * LEAST, LEAST)
    genuine = file.read

    async def read(size, offset):
        return b"cut" if offset == LEAST else await genuine(size, offset)

    file.read = read
    assert asyncio.run(read_blocks(file, 0, 4 * LEAST)) == b"x" * LEAST + b"cut"


def test_every_answer_is_awaited_before_an_error_is_told():
    done = []

    class Broken(File):
        async def write(self, data, offset):
            await asyncio.sleep(0.01 if offset else 0)
            done.append(offset)
            raise ConnectionError("lost")

    with pytest.raises(ConnectionError):
        asyncio.run(write_blocks(Broken(b"", LEAST), b"x" * 3 * LEAST, 0))
    assert sorted(done) == [0, LEAST, 2 * LEAST]
