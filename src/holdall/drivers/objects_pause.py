"""How long a service that throttles wants to be left alone. Obstore tells no header of an answer, so the service is asked once more.

Neither the errors of obstore 0.12 nor its own repetitions know ``Retry-After``. The question is one HEAD of the same key, by a
request of our own, sent only when the service answered 429 or 503, and at most one at a time.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

from holdall.core.retry import retry_after
from holdall.drivers.objects_client import ClientSettings, NoRedirect

__all__ = ["THROTTLED", "Pause", "asked_pause"]

THROTTLED: Final = frozenset({429, 503})
"""Answers that may carry ``Retry-After``."""
TIMEOUT: Final = 2.0
"""Seconds of silence after which a question is given up."""
QUIET: Final = 60.0
"""Seconds for which a service that had no answer to the question is not asked again."""


class Pause:
    """Until when one service wants to be left alone, as far as it said so. Safe for threads.

    Args:
        clock: What tells the time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = self._heard = self._quiet = float("-inf")

    def seconds(self, question: Callable[[], float | None]) -> float | None:
        """Return the seconds to wait after a throttled request that failed just now; ``None`` if nothing is known. Blocks.

        Args:
            question: Asks the service: the seconds it wants, 0 if it answers as usual, ``None`` if it does not say.
        """
        failed = self._clock()
        with self._lock:
            now = self._clock()
            if self._until > now:
                return self._until - now
            if self._heard >= failed or self._quiet > now:  # others asked meanwhile, or it has nothing to say
                return None
            told = question()
            self._heard = now = self._clock()
            if told is None:
                self._quiet = now + QUIET
            else:
                self._until = now + told
            return told or None


def asked_pause(request: urllib.request.Request, client: ClientSettings) -> float | None:
    """Ask a service by a request: the seconds it wants, 0 if it answers as usual, ``None`` if it does not say."""
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=client.tls()), NoRedirect)
    try:
        opener.open(request, timeout=min(TIMEOUT, client.timeout)).close()
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return retry_after(error.headers.get("Retry-After")) if error.code in THROTTLED else 0.0
    except (OSError, http.client.HTTPException):
        return None
    return 0.0
