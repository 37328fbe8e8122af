"""``python -m holdall.cli``: the same as the ``holdall`` command."""

from __future__ import annotations

import sys

from holdall.cli import main

if __name__ == "__main__":
    sys.exit(main())
