"""A program whose sixteen children create one key at once: ``python creators.py URL URL KEY...``; prints who won each key.

Every other child writes in the async colour.
"""

import asyncio
import os
import sys

from holdall.errors import AlreadyExistsError
from holdall.tiers import FileStore

PROCESSES = 16


def main(urls: list[str], keys: list[str]) -> None:
    ready, starts = os.pipe(), {key: os.pipe() for key in keys}
    children = []
    for number in range(PROCESSES):
        child = os.fork()  # of a process with one thread
        if child:
            children.append(child)
            continue
        code = 1
        try:
            with FileStore(*urls) as fs, asyncio.Runner() as runner:
                if number % 2:
                    runner.run(fs.exists_async("nothing yet"))  # connects
                else:
                    fs.exists("nothing yet")
                for key in keys:
                    os.write(ready[1], b".")
                    os.read(starts[key][0], 1)
                    try:
                        content = f"{number} ".encode() * 500
                        if number % 2:
                            runner.run(fs.put_async(key, content, mode="create"))
                        else:
                            fs.put(key, content, mode="create")
                    except AlreadyExistsError:
                        continue
                    os.write(1, f"{key} {number}\n".encode())
                code = 0
        finally:
            os._exit(code)
    os.close(ready[1])
    for key in keys:
        for _ in range(PROCESSES):
            os.read(ready[0], 1)  # no byte if all of them failed
        os.write(starts[key][1], b"!" * PROCESSES)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(any(codes))


if __name__ == "__main__":
    from preloading import preload  # it lies beside this program

    preload(sys.argv[1:3])
    main(sys.argv[1:3], sys.argv[3:])
