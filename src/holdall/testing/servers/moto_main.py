"""moto's server, one request at a time: ``python moto_main.py -H HOST -p PORT``.

moto answers in many threads, looks whether a condition holds and then stores, and throws an object's buffer away while another
thread reads it: of many who create one key two may win, and while one key is overwritten some are answered 500. S3 does
neither. A lock around the answer to a request, whose body has been read by then, makes them one step.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

from moto.s3.responses import S3Response
from moto.server import main


def serialise() -> None:
    """Let one answer of S3 be worked out at a time."""
    lock = threading.Lock()

    def locked(answer: Any) -> Any:
        @functools.wraps(answer)
        def alone(*arguments: Any) -> Any:
            with lock:
                return answer(*arguments)

        return alone

    for name in ("_key_response", "_bucket_response"):
        setattr(S3Response, name, locked(getattr(S3Response, name)))


if __name__ == "__main__":
    serialise()
    main(sys.argv[1:])
