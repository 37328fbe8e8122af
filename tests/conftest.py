"""Fixtures of the whole suite: both colours, and the real servers."""

import gc

pytest_plugins = ["holdall.testing.fixtures"]


def pytest_collection_finish(session):
    """Let no later collection walk the twenty thousand tests themselves: tests of dropped results collect often."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
    """Say why a test was run once more: what passed in the end may still be a fault of ours."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"rerun: {report.nodeid}")
        terminalreporter.line(report.longreprtext)
