"""A03 in all other tests: no secret is told, whatever they do."""

import pytest
from tests.told import no_secret_told


@pytest.fixture(autouse=True)
def _no_secret_told(monkeypatch):
    with no_secret_told(monkeypatch):
        yield
