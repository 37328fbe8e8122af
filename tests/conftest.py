"""Fixtures of the whole suite: both colours, and the real servers."""

import gc

pytest_plugins = ["holdall.testing.fixtures"]


def pytest_collection_finish(session):
    """Let no later collection walk the twenty thousand tests themselves: tests of dropped results collect often."""
    gc.collect()
    gc.freeze()
