"""The face in both colours."""

import pytest

from holdall import containers


@pytest.fixture
def face(colour):
    """The module's functions in one colour: ``face.dump(…)`` is ``dump(…)``, or ``dump_async(…)`` run to its end."""
    return colour(containers)
