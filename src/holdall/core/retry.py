"""When a failed call is repeated, and when a storage is left alone for a while: policies and their arithmetic, without a clock.

Every function is given the time and a random number, so that a test can say both.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from holdall.errors import CircuitOpenError, ConfigError, IntegrityError, UnavailableError

__all__ = ["Breaker", "BreakerPolicy", "Budget", "Latencies", "RetryPolicy", "Timeouts", "could_not_be_asked", "retry_after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a failed call is repeated.

    Attributes:
        attempts: Calls in all, the first one included.
        first: Seconds before the second one.
        factor: What each further pause is multiplied with.
        cap: Longest pause.
        jitter: ``full`` draws each pause from nothing to its length, ``none`` takes its length.
        deadline: Seconds within which the last attempt must begin, counted from the first.

    Raises:
        ConfigError: A number that makes no sense.

    Example:
        >>> RetryPolicy(jitter="none").pause(3, chance=0.5)
        0.4
    """

    attempts: int = 4
    first: float = 0.1
    factor: float = 2.0
    cap: float = 5.0
    jitter: Literal["full", "none"] = "full"
    deadline: float = 30.0

    def __post_init__(self) -> None:
        attempts: object = self.attempts
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise ConfigError(f"attempts is at least 1, not {attempts!r}")
        if self.first < 0 or self.factor < 1 or self.cap < 0 or self.deadline <= 0:
            raise ConfigError(
                "a retry policy has pauses of at least 0 seconds, a factor of at least 1 and a deadline above 0"
            )
        if self.jitter not in {"full", "none"}:
            raise ConfigError(f"jitter is 'full' or 'none', not {self.jitter!r}")

    def pause(self, failures: int, *, chance: float, asked: float | None = None) -> float:
        """Return the seconds to wait after so many failures.

        Args:
            failures: At least 1.
            chance: A random number from 0 to 1.
            asked: What the server asked for (``Retry-After``); obeyed up to ``cap``.
        """
        if asked is not None:
            return min(asked, self.cap)
        length: float = min(self.cap, self.first * self.factor ** min(failures - 1, 64))
        return length * chance if self.jitter == "full" else length

    def next(self, failures: int, *, elapsed: float, chance: float, asked: float | None = None) -> float | None:
        """Return the pause before the next attempt, or ``None`` if there is to be none.

        Args:
            failures: Attempts that failed so far.
            elapsed: Seconds since the first one began.
            chance: A random number from 0 to 1.
            asked: What the server asked for.

        Example:
            >>> RetryPolicy(attempts=2).next(2, elapsed=0.1, chance=0.5) is None
            True
        """
        if failures >= self.attempts:
            return None
        pause = self.pause(failures, chance=chance, asked=asked)
        return pause if elapsed + pause < self.deadline else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a storage that cannot be asked is left alone, and for how long.

    Attributes:
        failures: Failures in a row that open the breaker.
        first: Seconds for which it is open the first time.
        factor: What that is multiplied with each further time.
        cap: Longest time.
    """

    failures: int = 5
    first: float = 1.0
    factor: float = 2.0
    cap: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1 or self.first <= 0 or self.factor < 1 or self.cap <= 0:
            raise ConfigError("a breaker opens after at least 1 failure, for more than 0 seconds, by a factor of at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a storage may keep silent.

    Attributes:
        connect: Seconds to connect.
        stall: Seconds without a byte.
    """

    connect: float = 5.0
    stall: float = 30.0

    def __post_init__(self) -> None:
        if self.connect <= 0 or self.stall <= 0:
            raise ConfigError("timeouts are above 0 seconds")


LEASE = 60.0
"""Seconds after which a probe that nobody heard of again is given up."""


class Breaker:
    """Counts failures in a row; while open, calls are refused at no cost, but for one probe at a time.

    Single steps on single attributes: two threads at once may count one failure less or probe twice, which does no harm, and
    there is no lock that a fork could freeze.

    Example:
        >>> breaker = Breaker(BreakerPolicy(failures=1))
        >>> breaker.failed(now=0.0, chance=1.0)
        >>> breaker.admits(now=0.5), breaker.due(now=2.0)
        (False, True)
    """

    __slots__ = ("_openings", "_until", "failures", "policy", "probing")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.failures = 0
        self.probing = 0.0
        self._openings = 0
        self._until = 0.0

    @property
    def open(self) -> bool:
        """Whether calls are refused."""
        return self._openings > 0

    def admits(self, now: float, *, sole: bool = False) -> bool:
        """Tell whether a call may go out; the one that is let through while it is open is the probe.

        Args:
            now: The time.
            sole: Nobody else can be asked: the probe need not wait.
        """
        if not self._openings:
            return True
        return self._take(now) if sole else False

    def due(self, now: float) -> bool:
        """Tell whether it is time for a probe, which the caller then makes."""
        return self._openings > 0 and now >= self._until and self._take(now)

    def left(self, now: float) -> float:
        """Return the seconds until the next probe."""
        return max(0.0, self._until - now)

    def succeeded(self) -> None:
        """Note an answer, whatever it said."""
        self.failures = self._openings = 0
        self.probing = 0.0

    def failed(self, now: float, chance: float) -> None:
        """Note that no answer came."""
        self.failures += 1
        if self._openings and not self.probing:
            return  # a call that was under way when it opened
        if self._openings or self.failures >= self.policy.failures:
            length = min(self.policy.cap, self.policy.first * self.policy.factor ** min(self._openings, 64))
            self._openings += 1
            self._until = now + length * (0.5 + chance / 2)
            self.probing = 0.0

    def _take(self, now: float) -> bool:
        if self.probing > now:
            return False
        self.probing = now + LEASE
        return True


class Budget:
    """Tokens that repetitions cost, so that they do not multiply an outage: ten at first, one back for every five calls.

    Example:
        >>> budget = Budget(most=1)
        >>> budget.take(), budget.take()
        (True, False)
    """

    __slots__ = ("_most", "_tokens")

    def __init__(self, most: float = 10.0) -> None:
        self._most = self._tokens = most

    def called(self) -> None:
        """Note a call that was answered."""
        self._tokens = min(self._most, self._tokens + 0.2)

    def take(self) -> bool:
        """Pay for a repetition, if there is enough."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Latencies:
    """How long the latest calls took.

    Example:
        >>> latencies = Latencies()
        >>> for seconds in (0.1, 0.2, 0.3):
        ...     latencies.add(seconds)
        >>> latencies.quantile(0.5)
        0.2
    """

    __slots__ = ("_seconds",)

    def __init__(self, size: int = 256) -> None:
        self._seconds: deque[float] = deque(maxlen=size)

    def add(self, seconds: float) -> None:
        """Note one."""
        self._seconds.append(seconds)

    def quantile(self, share: float) -> float | None:
        """Return what that share of them did not exceed; ``None`` if there were none."""
        ordered = sorted(self._seconds.copy())
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: a number or a date; ``None`` if it is neither.

    Example:
        >>> retry_after("120"), retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), retry_after("soon")
        (120.0, 0.0, None)
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # seldom needed, and not small

    try:
        return max(0.0, (parsedate_to_datetime(header) - (now or datetime.now(UTC))).total_seconds())
    except (TypeError, ValueError):
        return None


def could_not_be_asked(error: BaseException) -> bool:
    """Tell whether an error says that the storage gave no answer, or a broken one: what a breaker counts, and what may be repeated.

    Example:
        >>> could_not_be_asked(UnavailableError("reset")), could_not_be_asked(CircuitOpenError("left alone"))
        (True, False)
    """
    return isinstance(error, (UnavailableError, IntegrityError)) and not isinstance(error, CircuitOpenError)
