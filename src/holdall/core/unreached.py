"""Why there is no connection, in words, from what libraries say: obstore's debug text, boto3's and Python's messages."""

from __future__ import annotations

import re

__all__ = ["refused_certificate", "unreached"]

_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(?:Other\(\s*OtherError\(\s*)?(\w+?)(?:Context)?\b")
_VERIFIED = re.compile(r"certificate verify failed: (.+?) \(_ssl|(?:hostname|IP) .{1,300}(doesn't match) ")
_NO_TLS = ("InvalidContentType", "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_UNKNOWN_HOST = (
    "failed to lookup address information",
    "Failed to resolve",
    "getaddrinfo failed",
    "[Errno -",
)  # negative: of getaddrinfo
_SYSTEM = re.compile(r"\bOs \{[^{}]*message: \"([^\"]+)\"|\[(?:Errno|WinError) -?\d+\] ([^)('\"\n]+)")
_WORDS = {
    "BadEncoding": "it cannot be understood",
    "BadSignature": "its signature is wrong",
    "CaUsedAsEndEntity": "it is an authority's, not a server's",
    "Expired": "it has expired",
    "NotValidForName": "it is for another name",
    "NotValidYet": "it is not valid yet",
    "Revoked": "it was revoked",
    "UnknownIssuer": "nobody who is trusted has signed it",
}


def refused_certificate(text: str) -> str | None:
    """Return what is wrong with a server's certificate, or ``None`` if the text is about something else.

    Example:
        >>> refused_certificate("InvalidCertificate(Expired)")
        'it has expired'
    """
    named, verified = _CERTIFICATE.search(text), _VERIFIED.search(text)
    if verified is not None:
        return verified[1] or _WORDS["NotValidForName"]
    return _WORDS.get(named[1], named[1]) if named is not None else None


def unreached(text: str) -> str:
    """Return a sentence about a connection that could not be made.

    Example:
        >>> unreached("[Errno 111] Connection refused")
        'no connection: connection refused'
    """
    if any(word in text for word in _NO_TLS):
        return "no connection: the server speaks no TLS here (http instead of https?)"
    if any(word in text for word in _UNKNOWN_HOST):
        return "no connection: the name of the server is not known"
    system = _SYSTEM.search(text)
    if system:
        return f"no connection: {(system[1] or system[2]).strip().lower()}"
    return "no connection"
