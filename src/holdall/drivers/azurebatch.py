"""The Blob Batch of Azure as text: many deletions in one request, the verdict on each in the answer. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email import message_from_bytes, message_from_string
from email.message import Message
from typing import Final
from uuid import uuid4

__all__ = ["MOST", "batch_of", "verdicts_of"]

MOST: Final = 256
"""Deletions in one request, the most that the service takes."""


def batch_of(targets: Iterable[tuple[str, Mapping[str, str]]]) -> tuple[str, bytes]:
    """Return the content type and the body of a batch.

    Args:
        targets: Path with query, and headers, of each deletion.
    """
    boundary = f"batch_{uuid4()}"
    lines: list[str] = []
    for number, (target, headers) in enumerate(targets):
        lines += [f"--{boundary}", "Content-Type: application/http", "Content-Transfer-Encoding: binary"]
        lines += [f"Content-ID: {number}", "", f"DELETE {target} HTTP/1.1"]
        lines += [*(f"{name}: {value}" for name, value in headers.items()), "Content-Length: 0", ""]
    lines += [f"--{boundary}--", ""]
    return f"multipart/mixed; boundary={boundary}", "\r\n".join(lines).encode()


def verdicts_of(content_type: str, body: bytes) -> dict[int, tuple[int, str | None]]:
    r"""Return status and service code by the number of the deletion; of one without a verdict there is nothing.

    Example:
        >>> lines = ["--x", "Content-ID: 1", "", "HTTP/1.1 404 Gone", "x-ms-error-code: BlobNotFound", "", "--x--"]
        >>> text = "\r\n".join(lines).encode()
        >>> verdicts_of("multipart/mixed; boundary=x", text)
        {1: (404, 'BlobNotFound')}
    """
    answer = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[int, tuple[int, str | None]] = {}
    for part in answer.walk():
        number, text = str(part["Content-ID"]), _text(part)
        line, _, rest = text.partition("\n")
        words = line.split()
        if number.isdecimal() and len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdecimal():
            code = message_from_string(rest)["x-ms-error-code"]
            found[int(number)] = (int(words[1]), None if code is None else str(code))
    return found


def _text(part: Message) -> str:
    payload = part.get_payload()
    return payload if isinstance(payload, str) else ""
