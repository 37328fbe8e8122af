"""What a page of a listing says, as files and directories. Pure.

A directory is an `ObjectMeta` whose ``kind`` says so and whose key has no trailing ``/``.
"""

from __future__ import annotations

from collections.abc import Iterator

from holdall.core.keys import check_key
from holdall.core.meta import ListPage, ObjectMeta
from holdall.errors import InvalidKeyError

__all__ = ["folder", "in_order", "invalid", "parents"]


def folder(key: str) -> ObjectMeta:
    """Return the description of a directory that is known by what lies in it."""
    return ObjectMeta(key=key, size=0, kind="directory")


def in_order(page: ListPage, below: str) -> list[ObjectMeta]:
    """Return a page's files and directories in key order, without the marker of the listed directory itself.

    Example:
        >>> page = ListPage((ObjectMeta(key="a/", size=0), ObjectMeta(key="a/z", size=1)), ("a/b/",))
        >>> [meta.key for meta in in_order(page, "a/")]
        ['a/b', 'a/z']
    """
    found = [meta for meta in page.objects if meta.key != below]
    if page.prefixes:
        found.extend(folder(prefix[:-1]) for prefix in page.prefixes)
        found.sort(key=lambda meta: meta.key)
    return found


def parents(key: str, start: int) -> Iterator[str]:
    """Yield the directories on the way to a key, outermost first, from the position ``start`` on.

    Example:
        >>> list(parents("a/b/c.txt", 0)), list(parents("a/b/", 2))
        (['a', 'a/b'], ['a/b'])
    """
    slash = key.find("/", start)
    while slash >= 0:
        yield key[:slash]
        slash = key.find("/", slash + 1)


def invalid(key: str) -> InvalidKeyError | None:
    """Return why no verb takes a key that a listing has shown, ``None`` if verbs take it.

    Example:
        >>> invalid("a/b"), invalid("a/../b")
        (None, InvalidKeyError("Parent directory traversal: 'a/../b' has a '..' segment"))
    """
    try:
        check_key(key)
    except InvalidKeyError as error:
        return error
    return None
