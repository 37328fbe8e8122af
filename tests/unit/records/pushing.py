"""Random records and conditions that meet, for the property of pushdown on real databases."""

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st

from holdall.records.documents import encode_document
from holdall.records.encoding import iso
from holdall.records.query import And, Filter, Not, Or
from holdall.records.record import Record

U = UUID("12345678-1234-5678-1234-567812345678")
EAST = timezone(timedelta(hours=14))
NAMES = ["a", "b", "metadata", "a.b", "metadata.k", "q\"u'o:te", "é", "$n", "a\0", "0"]
PATHS = [
    *NAMES,
    "id",
    "a.0",
    "a.00",
    "a.0.1",
    "a.b.0",
    "fields.a",
    "fields.a.b",
    "metadata.k.0",
    "metadata.created_at",
    "metadata.id",
    "a.$datetime",
    "fields.id",
    'a.q"',
    "a.-1",
    "a.",
    "metadata.",
    ".",
]
TEXTS = ["", "a", "ab", "A", "b%", "_", "'", ":x", "\0", "a\0b", '{"$text":"YQA="}', '{"$', "é", "\U0001f600", "\uffee", "\ue0000", "\u017f", "s", "i", "xIx", "\u0131", "\u0130", "%S\n%", "xs\ny", str(U), str(U).upper(), "2024-01-01", "2024-01-01T00:00:00+14:00", "1", "null", "r1", "{}", "[1]"]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 10**9, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**70, 10**400, 0.0, -0.0, 0.1, 1.0, 1.5, 1e22, 1e-7, 5e-324, 1e308, 1.7976931348623157e308, 0.30000000000000004, math.nan, math.inf, -math.inf, Decimal(1), Decimal("0.1"), Decimal("1.50"), Decimal("1e400"), Decimal("1e-400"), Decimal("Infinity"), float(2**53)]  # fmt: skip
MOMENTS = [date(2024, 1, 1), date.min, date.max, datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=EAST), datetime(2023, 12, 31, 10, tzinfo=UTC), datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(9999, 12, 31, tzinfo=timezone(timedelta(hours=-14))), time(1), time(1, tzinfo=EAST)]  # fmt: skip
texts, numbers, moments = st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.sampled_from(MOMENTS)
scalars = st.one_of(texts, numbers, moments, st.sampled_from([None, True, False, b"", b"a", U, UUID(int=1)]))
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(
        st.sampled_from(["b", "", "0", "$datetime", "$dict", "$text", 'q"', "-1", "k"]),
        st.one_of(scalars, st.lists(scalars, max_size=2)),
        max_size=2,
    ),
)
paths = st.sampled_from(PATHS)
filters = st.one_of(
    st.builds(Filter, paths, st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "contains"]), values),
    st.builds(Filter, paths, st.sampled_from(["exists", "not exists"])),
    st.builds(
        Filter,
        paths,
        st.sampled_from(["in", "not in"]),
        st.one_of(st.lists(values, max_size=3), st.lists(texts, max_size=3)),
    ),
    st.builds(Filter, paths, st.sampled_from(["like", "not like", "startswith"]), texts),
    st.builds(Filter, paths, st.just("regex"), st.sampled_from(["a", "^$", "b$"])),
    st.builds(Filter, paths, st.sampled_from(["between", "not between"]), st.tuples(scalars, scalars)),
)
conditions = st.recursive(
    filters,
    lambda inner: st.one_of(st.builds(Not, inner), st.builds(And, inner, inner), st.builds(Or, inner, inner)),
    max_leaves=4,
)
created = st.sampled_from(
    [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
)


def _record(data, metadata, moment):
    return Record(data, metadata)._stamp(None, None, moment, moment)


records = st.lists(
    st.builds(
        _record,
        st.dictionaries(st.sampled_from([*NAMES, "metadata.created_at", "id"]), values, max_size=3),
        st.dictionaries(st.just("k"), values, max_size=1),
        created,
    ),
    min_size=1,
    max_size=4,
)


def rows(found):
    """Return rows of id, fields, metadata, created_at, updated_at; the records become as a database gives them."""
    made = []
    for at, record in enumerate(found):
        fields, metadata = encode_document(record.data), encode_document(record.metadata, "metadata")
        moment = iso(record.created_at)
        record.id = f"r{at}"
        record.metadata.update(id=record.id, created_at=moment, updated_at=moment)
        made.append((record.id, fields, metadata, moment, moment))
    return made
