"""``python -m holdall.testing.servers install``: install what needs no root. ``… run NAME``: run one until interrupted."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading

from holdall.errors import HoldallError
from holdall.testing.servers import SERVERS
from holdall.testing.servers.installing import APT_PACKAGES, install_all


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the number of faults."""
    parser = argparse.ArgumentParser(prog="python -m holdall.testing.servers", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("install", help="install the servers that need no root")
    verbs.add_parser("packages", help="print the Debian packages of the servers that need root to install")
    verbs.add_parser("run", help="run a server until interrupted").add_argument("name", choices=sorted(SERVERS))
    chosen = parser.parse_args(arguments)
    if chosen.verb == "packages":
        print(*APT_PACKAGES)  # noqa: T201
        return 0
    if chosen.verb == "install":
        faults = install_all()
        for fault in faults:
            print(f"not installed: {fault}", file=sys.stderr)  # noqa: T201
        return len(faults)
    try:
        with SERVERS[chosen.name].running() as server:
            print(json.dumps(server.to_dict(), indent=2), flush=True)  # noqa: T201
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
    except HoldallError as error:  # it is not installed, or does not start
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
