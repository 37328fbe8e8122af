"""Own writes in the mirror (S8, S9): intent, request, outcome. A doubt is never resolved by guessing: the row is read again."""

# ruff: noqa: S608  # texts of SQL are built of our own names alone; values are bound

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdall.records.mirror.rows import COLUMNS, Row

__all__ = ["Intent", "begin", "doubt", "end", "next_number", "store_row", "sweep"]

OLDEST = 3600.0
"""Seconds after which an intent ends as unknown, whoever began it."""
_SET = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])


@dataclass(frozen=True, slots=True)
class Intent:
    """One write that is under way."""

    ticket: int
    id: str


def next_number(connection: sqlite3.Connection) -> int:
    """Return the next number of the mirror's one counter."""
    (number,) = connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'seq' RETURNING value").fetchone()
    return int(number)


def begin(connection: sqlite3.Connection, process: str, ids: Iterable[str]) -> list[Intent]:
    """Note what is about to be written; intents that meet on one id overlap."""
    intents: list[Intent] = []
    for id in ids:
        others = connection.execute("UPDATE intent SET overlapped = 1 WHERE id = ?", (id,)).rowcount
        ticket = random.getrandbits(62)  # unique across files that replace each other
        connection.execute(
            "INSERT INTO intent VALUES (?, ?, ?, ?, ?, coalesce((SELECT rev FROM rec WHERE id = ?), 0))",
            (ticket, id, process, time.time(), int(others > 0), id),
        )
        intents.append(Intent(ticket, id))
    return intents


def end(connection: sqlite3.Connection, intents: Sequence[Intent], effects: Mapping[str, Row | None]) -> None:
    """Note the outcomes: a `Row` that is stored now (state ``gone`` if deleted), ``None`` or nothing if that is not sure."""
    for intent in intents:
        found = connection.execute(
            "DELETE FROM intent WHERE ticket = ? AND id = ? RETURNING overlapped, rev", (intent.ticket, intent.id)
        ).fetchone()
        row = connection.execute("SELECT rev FROM rec WHERE id = ?", (intent.id,)).fetchone()
        effect = effects.get(intent.id)
        number = next_number(connection)
        if effect is None or effect.etag == "" or found is None or found[0] or found[1] != (row[0] if row else 0):
            doubt(connection, intent.id, number)
        else:
            store_row(connection, effect, own=number, rev=number)


def doubt(connection: sqlite3.Connection, id: str, number: int) -> None:
    """Have a record read again: its state and etag are unknown."""
    connection.execute(
        "INSERT INTO rec (id, state, own, rev) VALUES (?, 'listed', ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " state = 'listed', etag = NULL, fields = NULL, metadata = NULL, own = excluded.own, rev = excluded.rev",
        (id, number, number),
    )


def store_row(connection: sqlite3.Connection, row: Row, *, own: int | None, rev: int) -> None:
    """Put a row; ``own`` is the number of a local write, ``None`` keeps what there is."""
    values = [getattr(row, name) for name in COLUMNS.split(", ")]
    marks = ", ".join("?" for _ in values)
    keep = "rec.own" if own is None else "excluded.own"
    connection.execute(
        f"INSERT INTO rec ({COLUMNS}, own, rev) VALUES ({marks}, ?, ?)"
        f" ON CONFLICT (id) DO UPDATE SET {_SET}, own = {keep}, rev = excluded.rev",
        (*values, own or 0, rev),
    )


def sweep(connection: sqlite3.Connection, dead: Callable[[str], bool]) -> None:
    """End the intents of dead processes, and very old ones, as unknown."""
    oldest = time.time() - OLDEST
    for (process,) in connection.execute("SELECT DISTINCT process FROM intent").fetchall():
        bound = float("inf") if dead(process) else oldest
        ended = connection.execute(
            "DELETE FROM intent WHERE process = ? AND started < ? RETURNING id", (process, bound)
        ).fetchall()
        for (id,) in ended:
            doubt(connection, id, next_number(connection))
