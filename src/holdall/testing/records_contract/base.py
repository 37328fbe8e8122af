"""What all parts of `DatabaseContract` share: its fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdall.errors import MissingExtraError
from holdall.records import Database
from holdall.testing.colour import NAMES, Colour, colour_named

try:
    import pytest
except ImportError as error:  # pragma: no cover  # the suite itself runs on pytest
    raise MissingExtraError('the contract suite needs pytest: pip install "holdall[testing]"') from error

__all__ = ["RecordsContractBase"]


class RecordsContractBase:
    """Base of the parts of `DatabaseContract`: a subclass gives the fixture ``database``.

    Attributes:
        one_place: Whether a record lies in one place. Over several, an update may leave a copy behind the delete that it races.
    """

    one_place: bool = True

    @pytest.fixture(params=NAMES)
    def colour(self, request: Any) -> Iterator[Colour]:
        """Each colour in turn."""
        with colour_named(request.param) as colour:
            yield colour

    @pytest.fixture
    def db(self, database: Database, colour: Colour) -> Database:
        """The database under test, seen in this test's colour."""
        return colour(database)
