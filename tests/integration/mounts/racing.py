"""One of several processes that want the same key: run as a script by `test_processes`, and used by its threads and tasks."""

from __future__ import annotations

import asyncio
import json
import sys

from holdall import StorageManager
from holdall.errors import AlreadyExistsError, PreconditionError

LINES = 3


def claim(node, name):
    """Create the file; tell whether it was us."""
    try:
        with node.open("x") as file:
            file.write(name)
    except AlreadyExistsError:
        return False
    return True


async def claim_async(node, name):
    """Create the file; tell whether it was us."""
    try:
        async with node.open_async("x") as file:
            await file.write(name)
    except AlreadyExistsError:
        return False
    return True


def append(node, name):
    """Append lines; who lost a race begins that line anew."""
    for number in range(LINES):
        while True:
            try:
                with node.open("a") as file:
                    file.write(f"{name}-{number}\n")
            except PreconditionError:
                continue
            break


async def append_async(node, name):
    """Append lines; who lost a race begins that line anew."""
    for number in range(LINES):
        while True:
            try:
                async with node.open_async("a") as file:
                    await file.write(f"{name}-{number}\n")
            except PreconditionError:
                await asyncio.sleep(0)
                continue
            break


def main():
    """Say that we are ready, wait for the word, do one act, say how it ended."""
    mount, act, colour, name = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
    with StorageManager({"m": mount}) as storage:
        node = storage.node("m:race")
        assert not storage.node("m:nothing").exists  # connections are open before the start
        print("ready", flush=True)  # noqa: T201  # what the test waits for
        sys.stdin.readline()
        acts = {"claim": (claim, claim_async), "append": (append, append_async)}[act]
        done = acts[0](node, name) if colour == "blocking" else asyncio.run(acts[1](node, name))
    print(json.dumps(done), flush=True)  # noqa: T201  # what the test waits for


if __name__ == "__main__":
    main()
