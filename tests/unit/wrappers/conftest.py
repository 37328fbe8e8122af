"""What tests of wrappers share."""

import os
import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import os, signal, sys
signal.alarm(40)  # whatever hangs is killed by the system, a child included

def in_child(check):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 2
        try:
            code = 0 if check() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
"""


@pytest.fixture
def interpreter(tmp_path):
    """Run a script in an interpreter of its own, as coverage's lock does not survive a fork; it must end well."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork on this system")

    def run(script):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run
