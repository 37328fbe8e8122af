"""Values, ids, records and conditions that engines get wrong."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from holdall.records import And, Filter, Not, Or, Record

__all__ = ["CONDITIONS", "IDS", "NO_NUMBERS", "SORTS", "VALUES", "people"]

NO_NUMBERS = {"nan", "no_decimal", "signaling"}
"""Which of the values equal nothing."""
VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "false": False,
    "int": 42,
    "big": 2**70,
    "negative": -(2**63) - 1,
    "beyond": 2**53 + 1,
    "float": 1.5,
    "tiny": 5e-324,
    "minus_zero": -0.0,
    "nan": math.nan,
    "inf": math.inf,
    "minus_inf": -math.inf,
    "text": "hello",
    "empty": "",
    "unicode": "é ✓ 💾 \u2028",
    "nul": "a\0b",
    "quotes": "'\"\\%_",
    "bytes": b"\x00\xff",
    "no_bytes": b"",
    "naive": datetime(2024, 5, 6, 7, 8, 9, 123456),  # noqa: DTZ001  # stays naive
    "aware": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
    "offset": datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "year_one": datetime(1, 1, 1, tzinfo=UTC),
    "year_last": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "date": date(2024, 2, 29),
    "time": time(23, 59, 59, 1),
    "decimal": Decimal("0.10"),
    "no_decimal": Decimal("NaN"),
    "signaling": Decimal("sNaN"),
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "list": [1, "two", None, [3.0, b"4"], {"five": date(2020, 1, 1)}],
    "dict": {"a": {"b": [{"c": 1}]}, "$bytes": "not a tag", "": 0},
    "dollar": {"$date": "2020-01-01"},
    "no_list": [],
    "no_dict": {},
}
"""A value of every kind, extremes included."""

IDS = [
    "plain", "a/b/../c", "x/y.json.z", "%2F", ".hidden", "..", " space ", "emoji-💾", "é", "~tilde", "a+b&c=d?e#f",
    "UPPER", "upper", "x" * 200, "y" * 500, "new\nline", "quote'\"", "back\\slash", "a.json", "-", "0",
]  # fmt: skip
"""Ids that layouts of keys and SQL get wrong."""


def people() -> list[Record]:
    """Return records with fields that are missing, null, and of several types."""
    return [
        Record({"id": "ada", "name": "Ada", "age": 36, "city": "London", "active": True, "tags": ["math", "engine"]}),
        Record({"id": "bob", "name": "Bob", "age": 17, "city": "Ghent", "active": False, "address": {"zip": "9000"}}),
        Record({"id": "cy", "name": "Cy", "age": 36.0, "city": None, "joined": datetime(2024, 1, 1, tzinfo=UTC)}),
        Record({"id": "di", "name": "di", "age": "36", "active": 1, "tags": []}),
        Record({"id": "eve", "name": "Eve_%", "age": None, "city": "Ghent", "joined": "2024-06-01T00:00:00+00:00"}),
        Record({"id": "flo", "name": "Flo", "age": Decimal("17.5"), "address": {"zip": "1000", "lines": ["a", "b"]}}),
        Record({"id": "gus", "age": math.nan, "name": "a.c", "joined": date(2023, 5, 5)}, {"team": "x"}),
        Record({"id": "hal", "age": True, "name": "(paren"}, {"team": "y", "version": "1.0"}),
    ]


CONDITIONS: list[Any] = [
    Filter("age", "=", 36),
    Filter("age", "!=", 36),
    ~Filter("age", "=", 36),
    Filter("age", ">", 17),
    Filter("age", "<=", 17.5),
    Filter("age", "between", (17, 36)),
    Filter("age", "not between", (17, 36)),
    Filter("age", "in", [36, None]),
    Filter("age", "not in", [36, True]),
    Filter("age", "exists"),
    Filter("age", "not exists"),
    Filter("age", "=", None),
    Filter("active", "=", True),
    Filter("active", "=", 1),
    Filter("city", "!=", "Ghent"),
    Not(Filter("city", "=", "Ghent")),
    Filter("city", "in", []),
    Filter("name", "like", "%a%"),
    Filter("name", "like", "a.c"),
    Filter("name", "like", "ADA"),
    Filter("name", "like", r"Eve\_\%"),
    Filter("name", "like", "(%"),
    Filter("name", "not like", "_d%"),
    Filter("name", "regex", "^[A-C]"),
    Filter("name", "startswith", "E"),
    Filter("tags", "contains", "math"),
    Filter("tags", "=", []),
    Filter("address.zip", ">", "1"),
    Filter("address.lines.0", "=", "a"),
    Filter("joined", ">=", datetime(2024, 1, 1, tzinfo=UTC)),
    Filter("joined", "<", "2024-01-01"),
    Filter("metadata.team", "=", "x"),
    Filter("fields.id", "=", "ada"),
    Filter("id", "=", "ada"),
    Filter("id", "in", ["ada", "nobody", "hal"]),
    Filter("id", "startswith", "e"),
    Filter("id", ">", "d"),
    And(Filter("age", ">=", 17), Or(Filter("city", "=", "Ghent"), ~Filter("active", "=", True))),
    And(),
    Or(),
]
SORTS = [
    (),
    (("age", "ASC"),),
    (("age", "desc"), ("name", "ASC")),
    (("joined", "DESC"),),
    (("id", "DESC"),),
    (("city", "ASC"),),
]
