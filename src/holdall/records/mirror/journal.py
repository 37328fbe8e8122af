"""Own writes in the mirror (S8, S9): intent, request, outcome. A doubt is never resolved by guessing: the row is read again."""

# ruff: noqa: S608  # texts of SQL are built of our own names alone; values are bound

from __future__ import annotations

import json
import random
import sqlite3
import time
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdall._turns import in_turns
from holdall.records.mirror.rows import COLUMNS, Row

__all__ = ["Intent", "begin", "doubt", "end", "next_number", "store_row", "sweep"]

OLDEST = 3600.0
"""Seconds after which an intent ends as unknown, whoever began it."""
_SET = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])
_STORE, _STORE_OWN = (
    f"INSERT INTO rec ({COLUMNS}, own, rev) VALUES ({', '.join('?' * len(Row._fields))}, ?, ?)"
    f" ON CONFLICT (id) DO UPDATE SET {_SET}, own = {own}, rev = excluded.rev"
    for own in ("rec.own", "excluded.own")
)
_RANDOM = 30
_LOW = (1 << _RANDOM) - 1
_BUSY = "SELECT EXISTS (SELECT 1 FROM intent)"
_MEET = "UPDATE intent SET overlapped = 1 WHERE ticket BETWEEN ? AND ? AND id = ?"
_BEGIN = "INSERT INTO intent VALUES (?1, ?2, ?3, ?4, ?5, coalesce((SELECT rev FROM rec WHERE id = ?2), 0))"


@dataclass(frozen=True, slots=True)
class Intent:
    """One write that is under way."""

    ticket: int
    id: str


def next_number(connection: sqlite3.Connection, count: int = 1) -> int:
    """Return the next number of the mirror's one counter, the first of so many that are taken.

    Raises:
        sqlite3.DatabaseError: Somebody removed the counter.
    """
    sql = "UPDATE meta SET value = value + ? WHERE name = 'seq' RETURNING value"
    found = connection.execute(sql, (count,)).fetchone()
    if found is None or not isinstance(found[0], int):
        raise sqlite3.DatabaseError("the mirror has no counter")
    return int(found[0]) - count + 1


def begin(connection: sqlite3.Connection, process: str, ids: Sequence[str]) -> list[Intent]:
    """Note what is about to be written; intents that meet on one id overlap."""
    intents, now = [Intent(_ticket(id), id) for id in in_turns(ids)], time.time()
    if len(ids) > 1 and len(set(ids)) == len(ids) and not connection.execute(_BUSY).fetchone()[0]:  # nobody to meet
        connection.executemany(_BEGIN, ((intent.ticket, intent.id, process, now, 0) for intent in in_turns(intents)))
        return intents
    for intent in in_turns(intents):
        first = intent.ticket & ~_LOW
        others = connection.execute(_MEET, (first, first | _LOW, intent.id)).rowcount
        connection.execute(_BEGIN, (intent.ticket, intent.id, process, now, int(others > 0)))
    return intents


def _ticket(id: str) -> int:
    """Return a number for an intent: those of one id stand together, so that the table needs no index; unique across files that replace each other."""
    return zlib.crc32(id.encode("utf-8", "surrogatepass")) << _RANDOM | random.getrandbits(_RANDOM)


def end(connection: sqlite3.Connection, intents: Sequence[Intent], effects: Mapping[str, Row | None]) -> None:
    """Note the outcomes: a `Row` that is stored now (state ``gone`` if deleted), ``None`` or nothing if that is not sure."""
    if not intents:
        return
    if len(intents) == 1:
        ended = connection.execute(_END, (intents[0].ticket, intents[0].id)).fetchall()
    else:
        tickets = json.dumps([intent.ticket for intent in intents])
        ended = connection.execute(_ENDING, (tickets,)).fetchall()
        connection.execute("DELETE FROM intent WHERE ticket IN (SELECT value FROM json_each(?))", (tickets,))
    alone = {  # nobody else wrote this id, or listed, meanwhile
        ticket for ticket, overlapped, before, now in in_turns(ended) if not overlapped and before == now
    }
    sure: list[tuple[Any, ...]] = []
    others = set(effects).difference([intent.id for intent in intents])  # minted again, as what was minted first was taken
    first = next_number(connection, len(intents) + len(others))
    for number, intent in enumerate(in_turns(intents), first):
        effect = effects.get(intent.id)
        if effect is None or effect.etag == "" or intent.ticket not in alone:
            doubt(connection, intent.id, number)
        else:
            sure.append((*effect, number, number))
    connection.executemany(_STORE_OWN, in_turns(sure))
    for number, id in enumerate(others, first + len(intents)):
        doubt(connection, id, number)


_END = (
    "DELETE FROM intent WHERE ticket = ?1 RETURNING ticket, overlapped, rev,"
    " coalesce((SELECT rec.rev FROM rec WHERE rec.id = ?2), 0)"  # of a column SQLite would not know the type here, and scan
)
_ENDING = (
    "SELECT i.ticket, i.overlapped, i.rev, coalesce(r.rev, 0) FROM json_each(?) AS t"
    " CROSS JOIN intent AS i ON i.ticket = t.value LEFT JOIN rec AS r ON r.id = i.id"
)


def doubt(connection: sqlite3.Connection, id: str, number: int) -> None:
    """Have a record read again: its state and etag are unknown."""
    connection.execute(
        "INSERT INTO rec (id, state, own, rev) VALUES (?, 'listed', ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " state = 'listed', etag = NULL, fields = NULL, metadata = NULL, own = excluded.own, rev = excluded.rev",
        (id, number, number),
    )


def store_row(connection: sqlite3.Connection, row: Row, *, own: int | None, rev: int) -> None:
    """Put a row; ``own`` is the number of a local write, ``None`` keeps what there is."""
    connection.execute(_STORE if own is None else _STORE_OWN, (*row, own or 0, rev))


def sweep(connection: sqlite3.Connection, living: Collection[str]) -> None:
    """End the intents of dead processes, and very old ones, as unknown."""
    oldest = time.time() - OLDEST
    for (process,) in connection.execute("SELECT DISTINCT process FROM intent").fetchall():
        bound = oldest if process in living else float("inf")
        ended = connection.execute(
            "DELETE FROM intent WHERE process = ? AND started < ? RETURNING id", (process, bound)
        ).fetchall()
        for (id,) in ended:
            doubt(connection, id, next_number(connection))
