"""Policies of retry and breaker: arithmetic, without a clock."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.core.retry import (
    Breaker,
    BreakerPolicy,
    Budget,
    Latencies,
    RetryPolicy,
    Timeouts,
    could_not_be_asked,
    retry_after,
)
from holdall.errors import CircuitOpenError, ConfigError, IntegrityError, NotFoundError, StoreTimeoutError, ThrottledError


@settings(deadline=None)
@given(
    failures=st.integers(1, 200),
    chance=st.floats(0, 1),
    first=st.floats(0, 10),
    factor=st.floats(1, 10),
    cap=st.floats(0, 20),
)
def test_pauses_stay_in_their_bounds(failures, chance, first, factor, cap):
    policy = RetryPolicy(first=first, factor=factor, cap=cap)
    longest = RetryPolicy(first=first, factor=factor, cap=cap, jitter="none").pause(failures, chance=chance)
    assert 0 <= policy.pause(failures, chance=chance) <= longest <= cap


def test_pauses_double():
    policy = RetryPolicy(jitter="none", cap=0.5)
    assert [policy.pause(n, chance=0) for n in range(1, 6)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_what_a_server_asks_for_is_obeyed_up_to_the_cap():
    policy = RetryPolicy(cap=5)
    assert policy.pause(1, chance=0, asked=3) == 3
    assert policy.pause(1, chance=0, asked=60) == 5


def test_retry_after_is_a_number_or_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("12", now) == 12.0
    assert retry_after("Thu, 01 Jan 2026 00:01:30 GMT", now) == 90.0
    assert retry_after("Thu, 01 Jan 2026 00:01:30 -0000", now) is None
    assert [retry_after(text, now) for text in (None, "", "soon", "-5", "1.5", "²")] == [None] * 6


def test_attempts_and_deadline_end_it():
    policy = RetryPolicy(attempts=3, jitter="none", deadline=1)
    assert policy.next(1, elapsed=0, chance=1) == 0.1
    assert policy.next(2, elapsed=0.1, chance=1) == 0.2
    assert policy.next(3, elapsed=0.3, chance=1) is None
    assert policy.next(1, elapsed=0.95, chance=1) is None


def test_defaults_make_sense():
    assert Timeouts() == Timeouts(connect=5, stall=30)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RetryPolicy(attempts=0),
        lambda: RetryPolicy(attempts=True),
        lambda: RetryPolicy(first=-1),
        lambda: RetryPolicy(factor=0.5),
        lambda: RetryPolicy(cap=-1),
        lambda: RetryPolicy(deadline=0),
        lambda: RetryPolicy(jitter="some"),
        lambda: BreakerPolicy(failures=0),
        lambda: BreakerPolicy(first=0),
        lambda: BreakerPolicy(factor=0),
        lambda: BreakerPolicy(cap=0),
        lambda: Timeouts(connect=0),
        lambda: Timeouts(stall=0),
    ],
)
def test_numbers_that_make_no_sense(make):
    with pytest.raises(ConfigError):
        make()


def test_breaker_opens_probes_and_closes():
    breaker = Breaker(BreakerPolicy(failures=3, first=1, cap=4))
    for moment in (0, 1):
        assert breaker.admits(moment)
        breaker.failed(moment, 1)
        assert not breaker.open
    breaker.failed(2, 1)
    assert breaker.open
    assert not breaker.admits(2.5)
    assert not breaker.due(2.5)
    assert breaker.left(2.5) == 0.5
    breaker.failed(2.6, 1)  # a call that was under way changes nothing
    assert breaker.left(2.5) == 0.5
    assert breaker.due(3.1)
    assert not breaker.due(3.1)  # one probe at a time
    breaker.failed(3.2, 1)
    assert breaker.left(3.2) == 2  # twice as long
    assert breaker.due(6)
    breaker.succeeded()
    assert not breaker.open
    assert breaker.admits(6)
    assert breaker.failures == 0


def test_a_sole_location_is_probed_at_once():
    breaker = Breaker(BreakerPolicy(failures=1))
    breaker.failed(0, 0)
    assert not breaker.admits(0.1)
    assert breaker.admits(0.1, sole=True)
    assert not breaker.admits(0.1, sole=True)
    assert breaker.admits(100, sole=True)  # nobody heard of that probe again


def test_times_of_a_breaker_are_bounded():
    breaker = Breaker(BreakerPolicy(failures=1, cap=30))
    now = 0.0
    for _ in range(80):
        breaker.failed(now, 1)
        assert breaker.left(now) <= 30
        now += 31
        assert breaker.due(now)


def test_budget():
    budget = Budget()
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(5):
        budget.called()
    assert budget.take()
    for _ in range(100):
        budget.called()
    assert [budget.take() for _ in range(11)].count(True) == 10


def test_latencies():
    latencies = Latencies(size=3)
    assert latencies.quantile(0.5) is None
    for seconds in (9, 1, 2, 3):
        latencies.add(seconds)
    assert [latencies.quantile(share) for share in (0, 0.5, 0.95, 1)] == [1, 2, 3, 3]


def test_what_may_be_asked_again():
    assert could_not_be_asked(StoreTimeoutError("late"))
    assert could_not_be_asked(ThrottledError("slow down"))
    assert could_not_be_asked(IntegrityError("short"))
    assert not could_not_be_asked(CircuitOpenError("left alone", retry_after=1))
    assert not could_not_be_asked(NotFoundError("nothing"))
    assert not could_not_be_asked(ValueError())
