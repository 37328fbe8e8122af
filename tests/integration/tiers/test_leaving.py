"""A33: no socket, file or thread is left after `close`; a child that is forked after use gets right results or a clear refusal."""

import contextlib
import json
import subprocess
import sys

from tests.integration.tiers import forking, leaving
from tests.tier_places import KINDS, tier_place


def test_a33_nothing_is_left_after_close(request, tmp_path):
    """Over every kind of storage at once, in a process of its own, where nobody else has any."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(tier_place(kind, request)).url(f"place-{kind}") for kind in KINDS]
        command = [sys.executable, "-W", "ignore", leaving.__file__, str(tmp_path), *urls]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"sockets": [], "files": [], "threads": []}


def test_a33_a_fork_after_use(request):
    """Over every kind of storage: right results or `ForkedProcessError`, never a hang; and the parent goes on."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(tier_place(kind, request)).url(f"place-{kind}") for kind in KINDS]
        command = [sys.executable, "-W", "ignore", forking.__file__, *urls]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert len(found) == 2 * len(KINDS)
    assert set(found.values()) <= {"right", "refused"}, found
    assert {found[f"{name} place-file"] for name in ("blocking", "async")} == {"right"}
