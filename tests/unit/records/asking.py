"""Random records and whole questions, and what the matcher alone answers: for the property that every engine equals it."""

from hypothesis import strategies as st
from tests.unit.records.pushing import NAMES, conditions, created, paths, values

from holdall.records import Query, Record
from holdall.records.encoding import iso
from holdall.records.matching import matches
from holdall.records.migration_report import content_of
from holdall.records.ordering import page


def _query(condition, sorting, skip, count):
    query = Query() if condition is None else Query().filter(condition)
    for name, order in sorting:
        query = query.sort(name, order)
    query = query.offset(skip)
    return query if count is None else query.limit(count)


queries = st.builds(
    _query,
    st.none() | conditions,
    st.one_of(
        st.lists(st.tuples(paths, st.sampled_from(["ASC", "DESC"])), max_size=3),
        st.sampled_from([[("id", "DESC")], [("a", "DESC")], [("b", "ASC"), ("id", "DESC")]]),
    ),
    st.integers(0, 2),
    st.none() | st.integers(0, 4),
)
contents = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from([*NAMES, "id"]), values, max_size=3),
        st.dictionaries(st.just("k"), values, max_size=1),
        created,
    ),
    min_size=1,
    max_size=6,
)


def agrees(runner, db, found, query):
    """Fill a database, and hold what it answers in both colours against the matcher over all that it holds."""
    db.clear()
    ids = [f"r{at}" for at in range(len(found))]
    db.batch_create(
        Record(data, {**metadata, "created_at": iso(moment)}, id=id)
        for id, (data, metadata, moment) in zip(ids, found, strict=True)
    )
    everything = db.batch_read(ids)
    matching = [record for record in everything if matches(query.condition, record)]
    wanted = page(query, matching)
    shown = [(record.id, content_of(record)) for record in wanted]

    async def asked():
        stream = [record.id async for record in db.stream_async(query, batch_size=2)]
        return await db.search_async(query), stream, await db.count_async(query)

    blocking = db.search(query), [record.id for record in db.stream(query, batch_size=2)], db.count(query)
    for search, stream, count in (blocking, runner.run(asked())):
        assert [(record.id, content_of(record)) for record in search] == shown
        assert stream == [record.id for record in wanted]
        assert count == len(matching)
        assert (search.cursor is not None) == bool(wanted and query.skip + len(wanted) < len(matching))
        if search.cursor is not None:
            whole = Query(query.conditions, query.sorting)
            rest = page(whole, matching)[query.skip + len(wanted) :]
            assert [record.id for record in db.search(whole.after(search.cursor))] == [record.id for record in rest]
