"""What FTP servers say of files: machine-readable facts (RFC 3659), and the lists for people of servers without them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from holdall.drivers.tree import Entry

__all__ = ["entry_of_facts", "entry_of_line", "facts_of", "moment"]

_UNIX = re.compile(
    r"(?P<mode>[bcdlps-])[rwxsStTl-]{9}[.+@]?\s+(?:\d+\s+)?\S+\s+(?:\S+\s+)??(?P<size>\d+)\s+"
    r"(?:[A-Za-z]{3}\s+\d{1,2}|\d{1,2}\s+[A-Za-z]{3}|\d{4}-\d\d-\d\d)\s+(?:\d{4}|\d{1,2}:\d\d)\s(?P<name>.+)"
)
_DOS = re.compile(r"\d\d-\d\d-\d{2,4}\s+\d\d:\d\d(?:[AP]M)?\s+(?P<size><DIR>|\d+)\s(?P<name>.+)")
_TIME = re.compile(r"\d{14}(?:\.\d+)?")


def facts_of(line: str) -> tuple[dict[str, str], str]:
    """Return the facts and the name of one MLSD or MLST line.

    Example:
        >>> facts_of("Type=file;Size=3; a b.txt")
        ({'type': 'file', 'size': '3'}, 'a b.txt')
    """
    text, _, name = line.partition(" ")
    facts: dict[str, str] = {}
    for fact in text.rstrip(";").split(";"):
        key, _, value = fact.partition("=")
        facts[key.lower()] = value
    return facts, name


def entry_of_facts(name: str, facts: Mapping[str, str]) -> Entry | None:
    """Return what the facts describe, ``None`` for the directory itself and its parent.

    Times have whole seconds on most servers, so the etag is a weak one.

    Example:
        >>> entry_of_facts("a", {"type": "file", "size": "3", "modify": "20260102030405"}).etag
        'W/20260102030405-3'
    """
    kind: Literal["file", "directory", "other"]
    said = facts.get("type", "").lower()
    if said in {"cdir", "pdir"}:
        return None
    if said == "dir":
        return Entry(name=name, kind="directory", modified=moment(facts.get("modify")))
    kind = "file" if said == "file" else "other"
    size = facts.get("size", "")
    stamp = facts.get("modify", "")
    etag = f"W/{stamp}-{size}" if stamp and size else None
    return Entry(name=name, size=int(size) if size.isdigit() else 0, kind=kind, modified=moment(stamp), etag=etag)


def entry_of_line(line: str) -> Entry | None:
    """Return what one line of a ``LIST`` describes, ``None`` if it describes nothing.

    Such a line has no year or no time of day, and no zone: there is no time in the entry, and no etag.

    Example:
        >>> entry_of_line("-rw-r--r--    1 0        0              12 Nov 21 10:05 a b.txt")
        Entry(name='a b.txt', size=12, kind='file', modified=None, etag=None, version=None, attributes=...)
        >>> entry_of_line("11-21-26  10:05AM       <DIR>          sub").kind
        'directory'
    """
    found = _UNIX.match(line)
    if found:
        mode, name = found["mode"], found["name"]
        if mode == "l":
            name = name.partition(" -> ")[0]
        kind: Literal["file", "directory", "other"] = "directory" if mode == "d" else "file" if mode == "-" else "other"
        size = int(found["size"])
    else:
        found = _DOS.match(line)
        if not found:
            return None
        name = found["name"]
        kind = "directory" if found["size"] == "<DIR>" else "file"
        size = 0 if kind == "directory" else int(found["size"])
    if name in {".", ".."}:
        return None
    return Entry(name=name, size=size if kind == "file" else 0, kind=kind)


def moment(text: str | None) -> datetime | None:
    """Return the time that a ``modify`` fact or an ``MDTM`` reply means (always UTC, RFC 3659).

    Example:
        >>> moment("20260102030405.678")
        datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
    """
    if text is None or not _TIME.fullmatch(text):
        return None
    whole, _, fraction = text.partition(".")
    try:
        found = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return found.replace(microsecond=int(fraction[:6].ljust(6, "0"))) if fraction else found
