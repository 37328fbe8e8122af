"""Conditions, as RFC 9110 section 13 has them."""

from datetime import UTC, datetime, timedelta

import pytest

from holdall.core.options import GetOptions, PutOptions
from holdall.core.preconditions import check_get, check_put, etag_matches, missing, strip_etag
from holdall.errors import AlreadyExistsError, NotFoundError, NotModifiedError, PreconditionError

THEN = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = THEN + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("etag", "plain"),
    [('"a"', "a"), ("a", "a"), ('W/"a"', "W/a"), (None, None), ("", ""), ('"', '"'), ('a"', 'a"'), ('""', "")],
)
def test_etags_without_quotes(etag, plain):
    assert strip_etag(etag) == plain


@pytest.mark.parametrize(
    ("etag", "wanted", "matches"),
    [
        ("a", "a", True),
        ("a", '"a"', True),
        ("a", "b", False),
        ("W/a", "W/a", False),
        ("W/a", "a", False),
        (None, "a", False),
        (None, "*", True),
        ("a", "*", True),
    ],
)
def test_strong_comparison(etag, wanted, matches):
    assert etag_matches(etag, wanted) is matches


def get(etag="a", modified=THEN, **options):
    check_get(GetOptions(**options), key="k", etag=etag, last_modified=modified, store="S()")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"if_match": "a"},
        {"if_match": "*"},
        {"if_unmodified_since": THEN},
        {"if_unmodified_since": LATER},
        {"if_none_match": "b"},
        {"if_modified_since": THEN - timedelta(seconds=1)},
        # if_match wins over if_unmodified_since, if_none_match over if_modified_since
        {"if_match": "a", "if_unmodified_since": THEN - timedelta(days=1)},
        {"if_none_match": "b", "if_modified_since": LATER},
    ],
)
def test_reads_that_may_go_on(options):
    get(**options)


@pytest.mark.parametrize(
    "options", [{"if_match": "b"}, {"if_match": "W/a"}, {"if_unmodified_since": THEN - timedelta(seconds=1)}]
)
def test_reads_of_something_else(options):
    with pytest.raises(PreconditionError) as caught:
        get(**options)
    assert (caught.value.key, caught.value.store) == ("k", "S()")


@pytest.mark.parametrize(
    "options", [{"if_none_match": "a"}, {"if_none_match": "*"}, {"if_none_match": 'W/"a"'}, {"if_modified_since": THEN}]
)
def test_reads_of_what_the_caller_has(options):
    with pytest.raises(NotModifiedError):
        get(**options)


def test_fractions_of_a_second_do_not_count():
    get(modified=THEN + timedelta(microseconds=5), if_unmodified_since=THEN)
    with pytest.raises(NotModifiedError):
        get(modified=THEN + timedelta(microseconds=5), if_modified_since=THEN)


def test_what_the_store_does_not_know_decides_nothing():
    get(etag=None, modified=None, if_unmodified_since=THEN, if_modified_since=THEN)
    get(etag=None, if_none_match="a")
    with pytest.raises(PreconditionError):
        get(etag=None, if_match="a")


def put(exists=True, etag="a", **options):
    check_put(PutOptions(**options), key="k", exists=exists, etag=etag)


def test_writes():
    put()
    put(exists=False, etag=None)
    put(exists=False, etag=None, mode="create")
    put(if_match="a")
    put(if_match="*")
    with pytest.raises(AlreadyExistsError):
        put(mode="create")
    with pytest.raises(PreconditionError, match="not the version"):
        put(if_match="b")
    with pytest.raises(PreconditionError, match="is gone"):
        put(exists=False, etag=None, if_match="a")
    with pytest.raises(PreconditionError, match="is gone"):
        put(exists=False, etag=None, if_match="*")


def test_missing():
    error = missing("k", store="S()", what=" (version 1)")
    assert isinstance(error, NotFoundError)
    assert str(error) == "nothing at 'k' (version 1) [S()]"
