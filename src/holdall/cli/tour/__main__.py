"""``python -m holdall.cli.tour``."""

from __future__ import annotations

import sys

from holdall.cli.tour import main

if __name__ == "__main__":
    sys.exit(main())
