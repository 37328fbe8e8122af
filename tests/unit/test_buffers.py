import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall import _buffers
from holdall._buffers import gathered, room


@given(st.lists(st.binary(max_size=50)))
def test_parts_are_gathered(parts):
    whole = b"".join(parts)
    given_parts = [memoryview(part) if at % 2 else part for at, part in enumerate(parts)]
    assert gathered(given_parts) == whole
    assert given_parts == [], "nobody holds them any longer"


@pytest.mark.parametrize("written", [0, 1, 9, 10, 11, 50])
@pytest.mark.parametrize("most", [4, 1000])
def test_a_room_is_as_large_as_what_was_written(monkeypatch, written, most):
    """Also where less came than was announced, or more, or more was announced than anybody sets aside."""
    monkeypatch.setattr(_buffers, "MOST", most)
    with room(10) as buffer:
        for _ in range(written):
            buffer.write(b"x")
        buffer.truncate()
        assert buffer.getvalue() == b"x" * written
