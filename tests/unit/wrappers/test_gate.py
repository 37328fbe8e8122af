"""`Gate`: one queue for threads and tasks of any loop, in order, without traces of those who give up."""

import asyncio
import gc
import itertools
import random
import signal
import threading
import time
from collections import Counter

import pytest

from holdall.wrappers._gate import Gate

WAIT = 20.0


def until(condition):
    """Wait until something holds; the test fails if it never does."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


async def until_async(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.001)


def idle(gate):
    """Tell whether nobody is inside or waits."""
    return gate._free == gate.width and not gate._queue and not gate._left and not gate._nested


def in_thread(target, *arguments):
    thread = threading.Thread(target=target, args=arguments)
    thread.start()
    return thread


def joined(*threads):
    for thread in threads:
        thread.join(WAIT)
    return not any(thread.is_alive() for thread in threads)


def test_threads_and_tasks_wait_in_one_queue_in_order():
    gate, order = Gate(1), []
    holder = gate.enter()
    threads = []

    def thread(name):
        admission = gate.enter()
        order.append(name)
        admission.leave()

    async def task(name):
        admission = await gate.enter_async()
        order.append(name)
        admission.leave()

    for number in range(12):
        if number % 3 == 0:
            threads.append(in_thread(thread, number))
        else:  # each task on an event loop of its own
            threads.append(in_thread(lambda n=number: asyncio.run(task(n))))
        until(lambda n=number: gate.waiting == n + 1)
    holder.leave()
    assert joined(*threads)
    assert order == list(range(12))
    assert idle(gate)


def test_a_late_comer_does_not_pass_those_who_wait():
    gate, came = Gate(1), []
    holder = gate.enter()
    waiter = in_thread(lambda: came.append(gate.enter()))
    until(lambda: gate.waiting == 1)
    assert gate.try_enter() is None
    holder.leave()
    assert gate.try_enter() is None  # the room was handed over, whether the waiter has woken up or not
    assert joined(waiter)
    came[0].leave()
    assert gate.try_enter() is not None


# -- within another admission -----------------------------------------------------------------------------------------


def test_who_is_inside_does_not_wait_for_itself():
    gate = Gate(1)
    outer = gate.enter()
    nested = gate.enter(outer)
    deeper = gate.enter(nested)
    assert gate.try_enter() is None
    for admission in (deeper, nested, outer):
        assert gate.try_enter() is None
        admission.leave()
    assert idle(gate)


def test_room_is_shared_one_at_a_time():
    gate, order = Gate(1), []
    outer = gate.enter()
    first = gate.enter(outer)

    def nested(name):
        admission = gate.enter(outer)
        order.append((name, gate.waiting))
        admission.leave()

    threads = []
    for name in range(3):
        threads.append(in_thread(nested, name))
        until(lambda n=name: gate.waiting == n + 1)
    stranger = in_thread(lambda: gate.enter().leave())
    until(lambda: gate.waiting == 4)
    first.leave()
    assert joined(*threads)
    assert [name for name, _ in order] == [0, 1, 2]
    assert gate.waiting == 1  # the stranger waits for room, not for a share of it
    outer.leave()
    assert joined(stranger)
    assert idle(gate)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_who_stays_keeps_the_room(order):
    gate = Gate(1)
    outer = gate.enter()
    nested = gate.enter(outer)
    chain = [outer, nested, gate.enter(nested)]
    for number in order:
        assert gate.try_enter() is None
        chain[number].leave()
    assert idle(gate)


def test_an_admission_of_another_gate_lends_nothing():
    one, two = Gate(1), Gate(1)
    outer, other = one.enter(), two.enter()
    entered = in_thread(lambda: one.enter(other).leave())
    until(lambda: one.waiting == 1)
    outer.leave()
    assert joined(entered)
    other.leave()
    assert idle(one)
    assert idle(two)


def test_a_waiter_is_let_in_beside_the_nearest_that_is_left():
    """Its outer admission leaves while it waits: the one outside that takes its place."""
    gate = Gate(1)
    outermost = gate.enter()
    outer = gate.enter(outermost)
    busy = gate.enter(outer)
    came = []
    waiter = in_thread(lambda: came.append(gate.enter(outer)))
    until(lambda: gate.waiting == 1)
    outer.leave()
    assert gate.waiting == 1
    busy.leave()
    assert joined(waiter)
    came[0].leave()
    outermost.leave()
    assert idle(gate)


# -- giving up --------------------------------------------------------------------------------------------------------


def test_a_cancelled_task_leaves_no_trace():
    async def run():
        gate = Gate(1)
        holder = gate.enter()
        tasks = [asyncio.create_task(gate.enter_async()) for _ in range(3)]
        await until_async(lambda: gate.waiting == 3)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        assert gate.waiting == 2
        holder.leave()
        tasks[1].cancel()  # it has been let in, and is cancelled before it could notice
        last = await asyncio.wait_for(tasks[2], WAIT)
        assert tasks[0].cancelled()
        assert tasks[1].cancelled()
        last.leave()
        assert idle(gate)

    asyncio.run(run())


def test_a_loop_that_was_closed_is_passed_over():
    gate, came = Gate(1), []
    holder = gate.enter()
    loop = asyncio.new_event_loop()
    waiting = gate.enter_async()
    task = loop.create_task(waiting)
    loop.run_until_complete(asyncio.sleep(0))
    assert gate.waiting == 1
    loop.close()
    passed = in_thread(lambda: came.append(gate.enter()))
    until(lambda: gate.waiting == 2)
    holder.leave()
    assert joined(passed)
    came[0].leave()
    task._log_destroy_pending = False  # it died with its loop: that is what is tested
    del task, waiting
    gc.collect()
    assert idle(gate)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_an_interrupted_thread_leaves_no_trace():
    class InterruptError(Exception):
        pass

    def interrupt(*_):
        raise InterruptError

    gate = Gate(1)
    holder = gate.enter()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptError):
            gate.enter()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert gate.waiting == 0
    holder.leave()
    assert idle(gate)


def test_leaving_never_blocks():
    """As from a finaliser that runs in the midst of another call, in the very thread that has the lock."""
    gate = Gate(1)
    admission = gate.enter()
    with gate._lock:
        admission.leave()
    assert gate.try_enter() is None  # this call finds the lock free again and books the leaving
    assert gate.try_enter() is not None


def test_stress():
    """Threads and tasks of several loops, nested and not, many cancelled: never too many inside, nobody lost."""
    gate, inside, most, done = Gate(3), Counter(), [0], []
    lock = threading.Lock()

    def came(chain):
        with lock:
            inside[chain] += 1
            most[0] = max(most[0], len(inside))

    def went(chain, admission):
        with lock:
            inside[chain] -= 1
            if not inside[chain]:
                del inside[chain]
            done.append(chain)
        admission.leave()

    def thread(name):
        for turn in range(40):
            chain = (name, turn)
            outer = gate.enter()
            came(chain)
            nested = gate.enter(outer)
            came(chain)
            time.sleep(0.0001)
            for admission in (outer, nested) if turn % 2 else (nested, outer):
                went(chain, admission)

    async def task(name):
        outer = await gate.enter_async()
        came(name)
        try:
            await asyncio.sleep(0.0002)
            nested = await gate.enter_async(outer)
            came(name)
            try:
                await asyncio.sleep(0)
            finally:
                went(name, nested)
        finally:
            went(name, outer)

    async def loop(name, dice):
        tasks = [asyncio.create_task(task((name, i))) for i in range(120)]
        while not all(t.done() for t in tasks):
            await asyncio.sleep(0.0005)
            if dice.random() < 0.4:
                dice.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    threads = [in_thread(thread, f"thread{i}") for i in range(4)]
    threads += [in_thread(lambda i=i: asyncio.run(loop(f"loop{i}", random.Random(i)))) for i in range(4)]
    assert joined(*threads)
    # A nested one may take free room: so there may be fewer chains than rooms, never more.
    assert most[0] == 3
    assert len(done) >= 320
    assert idle(gate)


# -- a value per process ----------------------------------------------------------------------------------------------


CHILDREN = """
    import threading
    from holdall.wrappers._gate import PerProcess

    value = PerProcess(lambda: {"pid": os.getpid()})
    assert value.get() is value.get()
    assert value.get()["pid"] == os.getpid()

    def own():
        return value.get()["pid"] == os.getpid() and value.get() is value.get()

    def child():
        if in_child(own) != 0:  # a grandchild: it inherits the cell of its grandparent, unused by its parent
            return False
        seen = []
        threads = [threading.Thread(target=lambda: seen.append(value.get())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        return len(seen) == 8 and len({id(one) for one in seen}) == 1 and own()

    assert in_child(child) == 0
    assert own()
"""


def test_a_child_makes_its_own(interpreter):
    interpreter(CHILDREN)
