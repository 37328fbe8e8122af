"""A program that forks after it used a file store over several kinds of storage; prints what the child got from each location."""

import json
import os
import signal
import sys

from holdall.errors import ForkedProcessError
from holdall.testing import colour_named
from holdall.testing.colour import NAMES
from holdall.tiers import FileStore

DATA = b"content" * 1000


def said(call) -> str:
    try:
        return "right" if call() == DATA else "wrong"
    except ForkedProcessError as error:
        return "refused" if "spawn" in str(error) else str(error)


def main(urls: list[str]) -> None:
    with FileStore(*urls) as plain:
        for name in NAMES:
            with colour_named(name) as colour:
                colour(plain).put("k", DATA)
                assert {colour(plain).get("k", where) for where in range(len(urls))} == {DATA}
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            signal.alarm(100)  # a hang ends it
            found = {}
            for name in NAMES:
                with colour_named(name) as colour:
                    for where in range(len(urls)):
                        found[f"{name} {plain.locations[where].name}"] = said(lambda w=where, c=colour: c(plain).get("k", w))
            sys.stdout.write(json.dumps(found))
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert {plain.get("k", where) for where in range(len(urls))} == {DATA}  # the parent goes on
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
