"""The end of a process that used obstore by tasks: threads of its runtime are let out of Python first."""

import _thread
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from holdall.drivers.objects_exit import let_go

PROGRAM = """
import asyncio, sys
from holdall.drivers.s3 import S3Store

async def main():
    store = S3Store("bench", endpoint_url=sys.argv[1], access_key_id="test", secret_access_key="testtest", region="us-east-1")
    await asyncio.gather(*(store.put_async(f"exit/{i}", b"x" * 100_000) for i in range(8)))

asyncio.run(main())
"""


def test_a_thread_that_python_did_not_start_is_waited_for():
    begun, done = _thread.allocate_lock(), []
    begun.acquire()

    def stranger():
        begun.release()
        for _ in range(20):
            time.sleep(0.001)
        done.append(True)

    _thread.start_new_thread(stranger, ())
    begun.acquire()
    let_go(5.0)  # runtimes that other tests of this process use may stay for as long
    assert done == [True]


def test_a_thread_that_stays_is_waited_for_only_so_long():
    gate = _thread.allocate_lock()
    gate.acquire()
    _thread.start_new_thread(gate.acquire, ())
    try:
        let_go(0.01)
    finally:
        gate.release()


def test_a_program_that_ends_after_its_last_await_is_not_aborted(nginx_s3_stub):
    def once(_):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, nginx_s3_stub.endpoint],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stderr

    with ThreadPoolExecutor(4) as pool:  # a busy machine shows it: one of ten was aborted
        assert list(pool.map(once, range(8))) == [(0, "")] * 8
