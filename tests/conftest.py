"""Fixtures of the whole suite: both colours, and the real servers."""

pytest_plugins = ["holdall.testing.fixtures"]
