"""One location of a tiered store, and the words by which locations are chosen."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from holdall.core.convert import closest
from holdall.errors import ConfigError, HoldallError
from holdall.store import Store
from holdall.tiers.layout import Layout, key_of
from holdall.wrappers.resilient import Line, ResilientStore

__all__ = ["WORDS", "Location", "Where", "choose"]

WORDS = ("near", "far", "all", "any")
"""The words for positions; no location may be named so."""


@dataclass(frozen=True, slots=True, eq=False)
class Location:
    """One place of a tiered store.

    Attributes:
        name: Unique among the locations.
        index: Its position in the order of reading.
        url: Where it is, secrets masked; ``None`` if it was given as a store.
        store: The store, with retry and breaker.
        read_only: Never written to.
        layout: How names become keys in it.
    """

    name: str
    index: int
    url: str | None
    store: ResilientStore
    read_only: bool
    layout: Layout
    once: Store = field(repr=False)
    """Asks once, and not at all while the breaker is open: others can be asked."""
    among: Store = field(repr=False)
    """Repeats, but not while the breaker is open."""
    local: bool = False
    """Objects are plain local files."""
    quick: bool = False
    """Asking it is a matter of microseconds: no thread is worth it."""

    @classmethod
    def of(
        cls, bare: Store, *, name: str, index: int, url: str | None, read_only: bool, layout: Layout, line: Line
    ) -> Location:
        """Make a location around a store that does not repeat by itself."""
        can = bare.capabilities
        return cls(
            name,
            index,
            url,
            ResilientStore(bare, line=line, sole=True),
            read_only or not can.write,
            layout,
            ResilientStore(bare, line=line, patient=False),
            ResilientStore(bare, line=line),
            can.local,
            can.local or can.temporary,
        )

    @property
    def bare(self) -> Store:
        """The store without retry and breaker."""
        return self.store.inner

    @property
    def line(self) -> Line:
        """What is known of it from the calls so far."""
        return self.store.line

    def key(self, name: str) -> str:
        """Return the key of a name.

        Raises:
            InvalidKeyError: No store would take it.
        """
        return key_of(self.layout, name)

    def glance(self, key: str) -> os.stat_result | Literal[False] | None:
        """Look for a file at a glance, where files are local: return what the system says of it, or ``False`` if nothing is there.

        ``None`` proves nothing: whoever asks properly is told.
        """
        try:
            seen = self.bare.glance(key)
        except HoldallError:
            return None
        if seen is None:
            return False
        return seen if isinstance(seen, os.stat_result) and stat.S_ISREG(seen.st_mode) else None

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Location({self.name!r}, {self.index}, {self.url or self.bare!r}{', read_only' if self.read_only else ''})"


Where = str | int | Location | Sequence[Any]
"""What names locations: a word, a name, an index, a `Location`, or a sequence of these."""


def choose(locations: Sequence[Location], where: Any) -> tuple[Location, ...]:
    """Return the locations that a caller means, in the order of reading.

    Raises:
        ConfigError: No such location; the message lists the names.
    """
    if isinstance(where, str):
        word = where.lower()
        if word in {"all", "any"}:
            return tuple(locations)
        if word in {"near", "far"}:
            return (locations[0 if word == "near" else -1],)
        for location in locations:
            if location.name == word:
                return (location,)
        raise _unknown(locations, where)
    if isinstance(where, bool):
        raise ConfigError(f"a location is a word, a name or an index, not {where!r}")
    if isinstance(where, int):
        try:
            return (locations[where],)
        except IndexError:
            raise _unknown(locations, where) from None
    if isinstance(where, Location):
        if where not in locations:
            raise _unknown(locations, where.name)
        return (where,)
    if isinstance(where, Iterable):
        chosen = {location for item in where for location in choose(locations, item)}
        if not chosen:
            raise ConfigError("no location was chosen")
        return tuple(location for location in locations if location in chosen)
    raise ConfigError(f"a location is a word, a name or an index, not {type(where).__name__}")


def _unknown(locations: Sequence[Location], where: object) -> ConfigError:
    names = [location.name for location in locations]
    near = closest(where, [*names, *WORDS]) if isinstance(where, str) else None
    guess = f", did you mean {near!r}?" if near else ""
    return ConfigError(f"unknown location {where!r}{guess} (known: {', '.join([*names, *WORDS])})")
