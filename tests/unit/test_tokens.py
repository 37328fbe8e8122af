"""Random bytes: each is given once, to threads and forked children alike."""

import multiprocessing
import threading
import warnings

from holdall._tokens import random_bytes


def test_no_bytes_are_given_twice():
    found = []

    def take():
        found.extend([random_bytes(12) for _ in range(500)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 2000
    assert {len(each) for each in found} == {12}
    assert len(random_bytes(10_000)) == 10_000


def _give(queue):
    queue.put([random_bytes(12) for _ in range(50)])


def test_a_forked_child_has_bytes_of_its_own():
    random_bytes(1)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=_give, args=(queue,))
        child.start()
    theirs = queue.get(timeout=60)
    child.join(60)
    assert not set(theirs) & {random_bytes(12) for _ in range(50)}
