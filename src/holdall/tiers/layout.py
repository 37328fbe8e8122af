"""How names become keys in a location: `Flat`, `Sharded`, and the store that applies a layout."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from holdall.core.keys import ReservedKey, check_key
from holdall.errors import ConfigError

__all__ = ["FLAT", "SHARDED", "Flat", "Layout", "Sharded", "layout_of"]

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_HEX = re.compile(r"[0-9a-fA-F]+")


@runtime_checkable
class Layout(Protocol):
    """Names to keys and back; `to_name` returns ``None`` for a key that no name leads to."""

    def to_key(self, name: str) -> str:
        """Return the key of a name."""
        ...

    def to_name(self, key: str) -> str | None:
        """Return the name of a key."""
        ...


class Flat:
    """The name is the key."""

    def to_key(self, name: str) -> str:
        """Return the name."""
        return name

    def to_name(self, key: str) -> str | None:
        """Return the key."""
        return key

    def to_prefixes(self, prefix: str) -> tuple[str, ...]:
        """Return the key prefixes below which the names of a prefix lie."""
        return (prefix,)

    def __repr__(self) -> str:
        return "Flat()"


class Sharded:
    """A name of 64 hex digits lies at ``a/b/c/d/abcd…``, every other name is its own key.

    Example:
        >>> layout = Sharded()
        >>> layout.to_key("0123" + "f" * 60)[:12], layout.to_key("upload/a")
        ('0/1/2/3/0123', 'upload/a')
        >>> layout.to_prefixes("01234")
        ('01234', '0/1/2/3/01234')
    """

    def to_key(self, name: str) -> str:
        """Return the key of a name."""
        if len(name) != 64 or not _HASH.fullmatch(name):
            return name
        return f"{name[0]}/{name[1]}/{name[2]}/{name[3]}/{name}"

    def to_name(self, key: str) -> str | None:
        """Return the name of a key; ``None`` for a bare hash at the top, which no name leads to."""
        if len(key) == 72 and key[1:8:2] == "////" and key[:8:2] == key[8:12] and _HASH.fullmatch(key, 8):
            return key[8:]
        return None if len(key) == 64 and _HASH.fullmatch(key) else key

    def to_prefixes(self, prefix: str) -> tuple[str, ...]:
        """Return the key prefixes below which the names of a prefix lie: its flat names, and its sharded ones."""
        if not prefix:
            return ("",)
        if len(prefix) > 64 or not _HEX.fullmatch(prefix):
            return (prefix,)
        below = "/".join(prefix[:4])
        return (prefix, f"{below}/{prefix}" if len(prefix) >= 4 else f"{below}/")

    def __repr__(self) -> str:
        return "Sharded()"


FLAT = Flat()
SHARDED = Sharded()
_NAMED: dict[str, Layout] = {"flat": FLAT, "sharded": SHARDED}


def layout_of(layout: object) -> Layout:
    """Return a layout by name, or the given one.

    Raises:
        ConfigError: Neither.
    """
    if isinstance(layout, str):
        if layout not in _NAMED:
            raise ConfigError(f"layout is 'flat', 'sharded' or an object with to_key and to_name, not {layout!r}")
        return _NAMED[layout]
    if isinstance(layout, Layout):
        return layout
    raise ConfigError(f"layout is 'flat', 'sharded' or an object with to_key and to_name, not {type(layout).__name__}")


def prefixes_of(layout: Layout, prefix: str) -> tuple[str, ...]:
    """Return the key prefixes to list for a prefix of names; the whole store where a layout does not say."""
    ask = getattr(layout, "to_prefixes", None)
    found: tuple[str, ...] = ask(prefix) if ask is not None else ("",)
    return tuple(ReservedKey(p) for p in found) if isinstance(prefix, ReservedKey) else found


def key_of(layout: Layout, name: str) -> str:
    """Return the checked key of a checked name.

    Raises:
        InvalidKeyError: The name, or what a layout of the user's made of it, is no key.
    """
    check_key(name)
    if layout is FLAT or isinstance(name, ReservedKey):
        return name
    key = layout.to_key(name)
    return key if layout is SHARDED else check_key(key)  # of a name that is a key, ours makes a key
