"""A33: no socket, file or thread is left after `close`."""

import contextlib
import json
import subprocess
import sys

from tests.integration.tiers import leaving
from tests.tier_places import KINDS, tier_place


def test_a33_nothing_is_left_after_close(request, tmp_path):
    """Over every kind of storage at once, in a process of its own, where nobody else has any."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(tier_place(kind, request)).url(f"place-{kind}") for kind in KINDS]
        command = [sys.executable, "-W", "ignore", leaving.__file__, str(tmp_path), *urls]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"sockets": [], "files": [], "threads": []}
