"""Which files are taken, and which targets are current."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.choices import digest_reason, displaced, hidden, judge
from holdall.core.meta import ObjectMeta
from holdall.core.plans import TransferRules

NOW = datetime(2026, 1, 1, 12, 0, 0, 700_000, tzinfo=UTC)


def meta(size=3, when=NOW, **digests):
    return ObjectMeta(key="k", size=size, last_modified=when, digests=digests)


def test_include_comes_before_exclude_and_a_star_crosses_slashes():
    rules = TransferRules(include=["*.txt", "x/*"], exclude="x/secret*")
    assert [hidden(path, rules) for path in ("a.txt", "a/b/c.txt", "x/y", "a.csv", "x/secret.txt")] == [
        None,
        None,
        None,
        "not in include",
        "excluded",
    ]
    assert hidden("anything", TransferRules()) is None


def test_patterns_know_upper_from_lower_case():
    assert hidden("A.TXT", TransferRules(include="*.txt")) == "not in include"


@pytest.mark.parametrize(
    ("skip", "source", "target", "expected"),
    [
        ("never", meta(), meta(), ("copy", None)),
        ("exists", meta(1), meta(2), ("skip", "destination exists")),
        ("size", meta(1), meta(2), ("copy", None)),
        ("size", meta(), meta(), ("skip", "same size (3 bytes)")),
        ("hash", meta(1), meta(2), ("copy", None)),
        ("hash", meta(), meta(), ("compare", None)),
        ("hash", meta(md5="1a2b3c4d5e"), meta(sha256="1"), ("compare", None)),
        ("hash", meta(md5="1a2b3c4d5e"), meta(md5="1a2b3c4d5e"), ("skip", "same content (MD5: 1a2b3c4d...)")),
        ("hash", meta(md5="1"), meta(md5="2"), ("copy", None)),
    ],
)
def test_skip_strategies(skip, source, target, expected):
    assert judge(source, target, TransferRules(skip=skip)) == expected


OLD = NOW - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("compare", "source", "target", "expected"),
    [
        ("size", meta(1), meta(2), "copy"),
        ("size", meta(when=NOW), meta(when=OLD), "skip"),
        ("mtime", meta(when=NOW), meta(when=OLD), "copy"),
        ("mtime", meta(when=OLD), meta(when=NOW), "skip"),
        ("mtime", meta(when=NOW), meta(when=NOW), "skip"),
        ("mtime", meta(1, when=OLD), meta(2, when=NOW), "copy"),
        ("mtime", meta(when=None), meta(when=NOW), "compare"),
        ("hash", meta(when=OLD), meta(when=NOW), "compare"),
        ("auto", meta(when=NOW), meta(when=OLD), "copy"),
        ("auto", meta(when=NOW, md5="1"), meta(when=OLD, md5="1"), "skip"),
        ("auto", meta(when=OLD, md5="1"), meta(when=NOW, md5="2"), "copy"),
        # S3 keeps whole seconds: what was uploaded within the second is not new
        ("auto", meta(when=NOW), meta(when=NOW.replace(microsecond=0)), "skip"),
        ("auto", meta(when=NOW + timedelta(seconds=1)), meta(when=NOW.replace(microsecond=0)), "copy"),
    ],
)
def test_sync_compares(compare, source, target, expected):
    assert judge(source, target, TransferRules(compare=compare))[0] == expected


def test_reasons_name_the_algorithm():
    assert digest_reason("sha256", "0123456789") == "same content (SHA256: 01234567...)"


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(st.lists(NAMES), st.lists(st.tuples(NAMES, st.sampled_from(["", "/"])).map("".join)))
def test_what_goes_makes_room_above_below_and_where_it_stands(paths, doomed):
    def meet(path, name):
        path, name = f"{path}/", f"{name.rstrip('/')}/"
        return path.startswith(name) or name.startswith(path)

    assert displaced(paths, doomed) == {path for path in paths if any(meet(path, name) for name in doomed)}
