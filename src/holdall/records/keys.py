"""Ids to object keys and back (K1 to K3): reversible, one segment, nothing below ``.holdall``."""

from __future__ import annotations

import re
from urllib.parse import quote

from holdall.core.keys import MAX_KEY_BYTES
from holdall.errors import InvalidKeyError

__all__ = ["SUFFIX", "id_to_key", "key_to_id", "normalise_prefix", "unlisted"]

SUFFIX = ".json"
_ANY = 1 << 30
_PLAIN = re.compile(r"[A-Za-z0-9\-_~][A-Za-z0-9\-_.~]*")
"""Names of which every character stands for itself."""


def normalise_prefix(prefix: str) -> str:
    """Return the prefix with one trailing ``/``, or empty.

    Example:
        >>> normalise_prefix("a/b"), normalise_prefix("/"), normalise_prefix("a//")
        ('a/b/', '', 'a/')
    """
    stripped = prefix.strip("/")
    return f"{stripped}/" if stripped else ""


def id_to_key(id: str, prefix: str = "", *, longest: int = MAX_KEY_BYTES) -> str:
    """Return the key of a record's id.

    Args:
        id: Any text.
        prefix: What stands before it.
        longest: Bytes that the name behind the prefix may have.

    Raises:
        InvalidKeyError: Empty, not encodable, or longer than the store's limit in bytes.

    Example:
        >>> id_to_key("a/b", "records/"), id_to_key(".x")
        ('records/a%2Fb.json', '%2Ex.json')
    """
    if not id:
        raise InvalidKeyError("a record's id cannot be empty", key=id)
    name = id
    if not _PLAIN.fullmatch(id):
        try:
            name = quote(id, safe="")
        except UnicodeEncodeError:
            raise InvalidKeyError(f"a record's id is text that UTF-8 can hold: {id!r}", key=id) from None
        if name.startswith("."):
            name = f"%2E{name[1:]}"
    if len(name) + len(SUFFIX) > longest:
        raise InvalidKeyError(f"the id makes a name of {len(name) + len(SUFFIX)} bytes, more than {longest}", key=id)
    return f"{prefix}{name}{SUFFIX}"


def key_to_id(key: str, prefix: str = "") -> str | None:
    """Return the id that a key stands for, or ``None`` for a foreign key (K3).

    Example:
        >>> key_to_id("records/a%2Fb.json", "records/"), key_to_id("records/a b.json", "records/")
        ('a/b', None)
    """
    if not key.startswith(prefix) or not key.endswith(SUFFIX):
        return None
    name = key[len(prefix) : len(key) - len(SUFFIX)]
    if _PLAIN.fullmatch(name):
        return name
    raw = bytearray()
    at = 0
    while at < len(name):
        if name[at] == "%":
            try:
                raw.append(int(name[at + 1 : at + 3], 16))
            except ValueError:
                return None
            at += 3
        else:
            raw += name[at].encode("utf-8", "surrogatepass")
            at += 1
    try:
        found = raw.decode()
        return found if found and id_to_key(found, prefix, longest=_ANY) == key else None
    except (UnicodeDecodeError, InvalidKeyError):
        return None


def unlisted(id: str) -> tuple[str, list[str]]:
    """Return which ids may still come in a listing that is ordered by keys and has come to an id.

    The order of keys is that of ids but for two things: what is escaped comes before all else, and an id comes after longer ones that go on with
    something before the ``.`` of ``.json``.

    Args:
        id: The last one that was listed.

    Returns:
        An id before which none will come, but for some: the beginnings of the last one that may.

    Example:
        >>> unlisted("user-7"), unlisted("a1"), unlisted("a:b")
        (('user-7', ['user']), ('a1', []), ('a-', ['a']))
    """
    key = id_to_key(id, longest=_ANY)
    later = [id[:end] for end in range(1, len(id)) if id_to_key(id[:end], longest=_ANY) > key]
    escaped = next(
        (at for at, sign in enumerate(id) if sign > "-" and not _PLAIN.fullmatch(f"{'x' if at else ''}{sign}")), None
    )
    return (id if escaped is None else f"{id[:escaped]}-"), later
