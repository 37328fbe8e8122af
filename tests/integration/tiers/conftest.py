"""A03 in all other tests: no secret is told, whatever they do. Pauses that are noted instead of made."""

import pytest
from tests.told import no_secret_told

from holdall.wrappers import _resilient, _resilient_async


@pytest.fixture(autouse=True)
def _no_secret_told(monkeypatch):
    with no_secret_told(monkeypatch):
        yield


@pytest.fixture
def pauses(monkeypatch):
    """The pauses before repetitions, which are noted and not made."""
    pauses = []

    async def noted(pause):
        pauses.append(pause)

    monkeypatch.setattr(_resilient, "sleep", pauses.append)
    monkeypatch.setattr(_resilient_async, "sleep_async", noted)
    return pauses
