"""Which files of a transfer are taken and which targets are current: patterns, skip strategies, comparison. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

from holdall.core.meta import ObjectMeta
from holdall.core.plans import SkipStrategy, TransferRules

__all__ = ["Verdict", "digest_reason", "displaced", "hidden", "judge", "same_digest"]

Verdict = Literal["copy", "compare"]


def hidden(path: str, rules: TransferRules) -> str | None:
    """Return why the patterns leave a relative path out, or ``None``.

    Example:
        >>> rules = TransferRules(include="*.txt", exclude=["tmp/*"])
        >>> [hidden(path, rules) for path in ("a/b.txt", "a.csv", "tmp/a.txt")]
        [None, 'not in include', 'excluded']
    """
    if rules.include and not any(fnmatchcase(path, pattern) for pattern in rules.include):
        return "not in include"
    if rules.exclude and any(fnmatchcase(path, pattern) for pattern in rules.exclude):
        return "excluded"
    return None


def displaced(paths: Iterable[str], doomed: Iterable[str]) -> set[str]:
    """Return those paths whose place is taken by what goes: a file where they need a directory, or a directory where they are files.

    Example:
        >>> sorted(displaced(["a", "b/x", "c", "d"], ["a/y/z", "b", "cc", "d/"]))
        ['a', 'b/x', 'd']
    """
    names = {name.rstrip("/") for name in doomed}
    taken = names.union(*map(_parents, names))
    return {path for path in paths if (name := path.rstrip("/")) in taken or not names.isdisjoint(_parents(name))}


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def judge(
    source: ObjectMeta, target: ObjectMeta, rules: TransferRules
) -> tuple[Verdict, None] | tuple[Literal["skip"], str]:
    """Decide what to do about a target that exists: copy, skip (with the reason), or compare digests first.

    ``skip="custom"`` is the caller's to decide.

    Example:
        >>> one, two = ObjectMeta(key="a", size=3), ObjectMeta(key="b", size=3)
        >>> judge(one, two, TransferRules(skip="size"))
        ('skip', 'same size (3 bytes)')
    """
    if rules.compare is not None:
        return _current(source, target, rules)
    if rules.skip is SkipStrategy.EXISTS:
        return "skip", "destination exists"
    if rules.skip is SkipStrategy.NEVER or source.size != target.size:
        return "copy", None
    if rules.skip is SkipStrategy.SIZE:
        return "skip", _same_size(source)
    return _by_digest(source, target)


def same_digest(source: ObjectMeta, target: ObjectMeta) -> tuple[bool, str, str] | None:
    """Compare the digests that both sides vouch for: ``(equal, algorithm, digest)``, ``None`` if they share none."""
    for algorithm, digest in source.digests.items():
        other = target.digests.get(algorithm)
        if other is not None:
            return digest == other, algorithm, digest
    return None


def digest_reason(algorithm: str, digest: str) -> str:
    """Say that contents are equal.

    Example:
        >>> digest_reason("md5", "1a2b3c4d5e6f")
        'same content (MD5: 1a2b3c4d...)'
    """
    return f"same content ({algorithm.upper()}: {digest[:8]}...)"


def _same_size(source: ObjectMeta) -> str:
    return f"same size ({source.size} bytes)"


def _by_digest(source: ObjectMeta, target: ObjectMeta) -> tuple[Verdict, None] | tuple[Literal["skip"], str]:
    found = same_digest(source, target)
    if found is None:
        return "compare", None
    equal, algorithm, digest = found
    return ("skip", digest_reason(algorithm, digest)) if equal else ("copy", None)


def _current(
    source: ObjectMeta, target: ObjectMeta, rules: TransferRules
) -> tuple[Verdict, None] | tuple[Literal["skip"], str]:
    """Decide for `sync`: different sizes always differ."""
    if source.size != target.size:
        return "copy", None
    if rules.compare == "size":
        return "skip", _same_size(source)
    if rules.compare == "hash":
        return _by_digest(source, target)
    if rules.compare == "auto" and same_digest(source, target) is not None:
        return _by_digest(source, target)
    if source.last_modified is None or target.last_modified is None:
        return "compare", None  # nothing but the bytes can tell
    if _newer(source.last_modified, target.last_modified):
        return "copy", None
    return "skip", f"{_same_size(source)}, not newer"


def _newer(source: datetime, target: datetime) -> bool:
    """Tell whether the source is newer; a target that keeps whole seconds only is compared in whole seconds."""
    if target.microsecond == 0:
        source = source.replace(microsecond=0)
    return source > target
