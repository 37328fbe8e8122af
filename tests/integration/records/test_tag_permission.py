"""Tags on S3: which databases write them, what is said when they are refused, and how often what they have no place for is told."""

import contextlib
import warnings

import pytest
from tests.integration.records.s3 import opened

from holdall.drivers.memory import MemoryStore
from holdall.errors import PermissionDeniedError, UnauthenticatedError
from holdall.records import BatchError, Database, ObjectDatabase, Record, S3Database, TagsOmittedWarning
from holdall.testing import Fault, FaultProxy

DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>not authorized to perform: s3:PutObjectTagging</Message></Error>"


@pytest.fixture
def proxy(moto_bucket):
    with FaultProxy(moto_bucket.server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def deny(proxy):
    """Refuses what has tags, as a policy without ``s3:PutObjectTagging`` does."""

    def deny():
        for method in ("PUT", "POST"):
            proxy.fail(Fault(answer=403, body=DENIED), times=50, method=method)

    return deny


@pytest.mark.parametrize(
    "write",
    [
        lambda db: db.create(Record({}, {"team": "x"}, id="new")),
        lambda db: db.update("a", Record({}, {"team": "y"})),
        lambda db: db.upsert("a", Record({}, {"team": "y"})),
        lambda db: db.create(Record({"data": "x" * 6_000_000}, id="large")),
    ],
    ids=["create", "update", "upsert", "large"],
)
def test_a24_a_refused_permission_names_the_way_out(moto_bucket, proxy, deny, colour, write):
    with opened(moto_bucket, proxy=proxy, mirror="memory") as db:
        db.create(Record({}, {"team": "x"}, id="a"))
        deny()
        with pytest.raises(PermissionDeniedError, match="tags") as caught:
            write(colour(db))
        assert 'tags="off"' in str(caught.value)
        assert "s3:PutObjectTagging" in str(caught.value)
        assert caught.value.kind == "permission_denied"
        assert caught.value.key.startswith(db.prefix)


def test_a24_a_batch_names_the_way_out(moto_bucket, proxy, deny, colour):
    with opened(moto_bucket, proxy=proxy, mirror="memory", max_workers=2) as db:
        deny()
        with pytest.raises(BatchError, match='tags="off"') as caught:
            colour(db).batch_create([Record({"id": f"{n}"}) for n in range(40)])
        assert {outcome.status for outcome in caught.value.outcomes} == {"failed", "not_tried"}


def test_a24_without_tags_nothing_is_said_of_them(moto_bucket, proxy, deny, colour):
    with opened(moto_bucket, proxy=proxy, mirror="memory", tags="off") as db:
        deny()
        with pytest.raises(PermissionDeniedError) as caught:
            colour(db).create(Record({"id": "a"}, {"team": "x"}))
        assert "tags=" not in str(caught.value)


def test_a24_unknown_credentials_are_no_matter_of_tags(moto_bucket, proxy, colour):
    with opened(moto_bucket, proxy=proxy, mirror="memory") as db:
        proxy.fail(Fault(answer=403, body=b"<Error><Code>InvalidAccessKeyId</Code></Error>"), times=50, method="PUT")
        with pytest.raises(UnauthenticatedError) as caught:
            colour(db).create(Record({"id": "a"}, {"team": "x"}))
        assert "tags" not in str(caught.value)


# -- one warning per call ----------------------------------------------------------------------------------------------


def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(BatchError):
            call()
    assert {each.category for each in caught} <= {TagsOmittedWarning}
    assert {each.filename for each in caught} <= {__file__}, "a warning points to who wrote"
    return [str(each.message) for each in caught]


def bad(count, names=1):
    return [Record({"id": f"r{n:04}"}, {f"bad{k:02}": "a?b" for k in range(names)}) for n in range(count)]


@pytest.fixture
def db():
    return ObjectDatabase(MemoryStore(), tags="fit", mirror="memory")


def test_a24_one_warning_for_a_batch(db, colour):
    seen = colour(db)
    writes = [
        lambda: seen.batch_create(bad(20)),
        lambda: seen.batch_upsert(bad(20)),
        lambda: seen.batch_update([(record.id, record) for record in bad(20)]),
    ]
    for write in writes:
        [text] = told(write)
        assert "the tags of 20 records" in text
        assert "bad00 ('r0003')" in text
        assert text.endswith(" and 10 more")
        assert text.count("'r0") == 10


def test_a24_the_warning_stays_short(db, colour):
    """Over several chunks, and with many names in each record."""
    [text] = told(lambda: colour(db).batch_create(bad(2_500, names=30)))
    assert "the tags of 2500 records" in text
    assert "bad09 and 20 more ('r" in text
    assert "bad10" not in text
    assert len(text) < 1_500


def test_a24_a_single_write_names_them_all(db, colour):
    [text] = told(lambda: colour(db).create(bad(1, names=3)[0]))
    assert text == "these do not fit into the tags of 'r0000' and are in its body alone: bad00, bad01, bad02"
    assert told(lambda: colour(db).modify("r0000", lambda record: record)) == [text]
    assert told(lambda: colour(db).upsert("fine", Record({}, {"team": "x"}))) == []


def test_a24_what_was_not_written_is_not_told_of(db, colour):
    seen = colour(db)
    told(lambda: seen.create(bad(1)[0]))
    [text] = told(lambda: seen.batch_create(bad(2)))
    assert text == "these do not fit into the tags of 'r0001' and are in its body alone: bad00"
    assert told(lambda: seen.update("absent", bad(1)[0])) == []
    assert told(lambda: seen.batch_update([("absent", bad(1)[0])])) == []


# -- who writes tags ---------------------------------------------------------------------------------------------------


def policy(db):
    with db:
        return db._state.options.tags


def test_a24_the_default_is_fit_on_s3_and_off_elsewhere():
    assert policy(Database.open("s3://b/p?region=eu-west-1")) == "fit"
    assert policy(S3Database("b", region="eu-west-1")) == "fit"
    assert policy(Database.open("memory://")) == "off"
    assert policy(ObjectDatabase(MemoryStore())) == "off"


@pytest.mark.parametrize(
    ("said", "meant"), [("off", "off"), ("strict", "strict"), ("fit", "fit"), ("team,c%20d", ("team", "c d"))]
)
def test_a24_a_url_says_which_tags(said, meant):
    assert policy(Database.open(f"s3://b/p?tags={said}&region=eu-west-1")) == meant
    assert policy(Database.open(f"s3://b/p?region=eu-west-1&tags={said}", tags="off")) == "off"


def test_a24_a_database_by_url_writes_tags(moto_bucket, colour, monkeypatch):
    server = moto_bucket.server
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    url = f"s3://{moto_bucket.name}/p?region={server.region}&endpoint_url={server.endpoint}"
    with Database.open(url, mirror="memory") as db:
        colour(db).create(Record({"id": "a"}, {"team": "x"}))
        assert colour(db).tags("a")["team"] == "x"
    with Database.open(f"{url}&tags=off", mirror="memory") as db:
        colour(db).upsert("a", Record({}, {"team": "x"}))
        assert colour(db).tags("a") == {}
