"""The contract suite notices stores that break it: each mutant of the memory driver fails the test that is there for it."""

import asyncio
import dataclasses
import threading
import time

import pytest

from holdall.core.meta import ListPage
from holdall.core.ranges import ByteRange
from holdall.drivers.memory import MemoryStore
from holdall.errors import InvalidKeyError, NotFoundError
from holdall.results import GetResult
from holdall.sources import iter_chunks
from holdall.testing import MemoryGround, StoreContract
from holdall.testing.colour import NAMES, colour_named


class Mutant(MemoryStore):
    """Both colours alike: the async verbs run the blocking ones, so that a mutation shows in both."""

    async def get_async(self, key, options=None):
        return self.get(key, options)

    async def put_async(self, key, source, options=None):
        if hasattr(source, "__aiter__"):
            source = [chunk async for chunk in source]
        return self.put(key, source, options)

    async def head_async(self, key, *, version=None):
        return self.head(key, version=version)


class Torn(Mutant):
    """Publishes chunk by chunk."""

    def put(self, key, source, options=None):
        sent = b""
        for chunk in iter_chunks(source, 1000):
            sent += chunk
            super().put(key, sent)
        return super().put(key, sent, options)


class Litterer(Mutant):
    """Leaves a temporary object when the source fails."""

    def put(self, key, source, options=None):
        if not isinstance(source, bytes):
            super().put(f"{key}.tmp", b"")
        result = super().put(key, source, options)
        self.delete(f"{key}.tmp")
        return result


class Swallower(Mutant):
    """Takes a source's failure for its end."""

    def put(self, key, source, options=None):
        sent = b""
        try:
            for chunk in iter_chunks(source):
                sent += chunk
        except Exception:
            pass
        return super().put(key, sent, options)


class Forgetter(Mutant):
    """Drops metadata without a word."""

    def put(self, key, source, options=None):
        return super().put(key, source, dataclasses.replace(options, metadata={}) if options else None)


class Dropper(Mutant):
    """Says that it has no tags, and takes them all the same."""

    @property
    def capabilities(self):
        return super().capabilities.narrowed(tags=False)


class LateChecker(Mutant):
    """Looks before it leaps: create and update are no longer one step."""

    def put(self, key, source, options=None):
        if options is not None and options.mode != "overwrite":
            data = source if isinstance(source, bytes) else b"".join(iter_chunks(source))
            try:
                there = self.head(key)
            except NotFoundError:
                there = None
            time.sleep(0.02)
            if there is None or there.etag == options.if_match:
                return super().put(key, data)
        return super().put(key, source, options)

    async def put_async(self, key, source, options=None):
        return await asyncio.to_thread(self.put, key, source, options)


class AnyEtag(Mutant):
    """Replaces whatever is there."""

    def put(self, key, source, options=None):
        return super().put(key, source, options.unconditional() if options else None)


class OtherEtag(Mutant):
    """Tells another etag when writing than when reading."""

    def put(self, key, source, options=None):
        return dataclasses.replace(super().put(key, source, options), etag="other")


class Inclusive(Mutant):
    """Takes the end of a range to be inclusive."""

    def get(self, key, options=None):
        if options is not None and options.range is not None and options.byte_range.end is not None:
            wanted = options.byte_range
            options = dataclasses.replace(options, range=ByteRange(wanted.start, wanted.end + 1))
        return super().get(key, options)


class Sorter(Mutant):
    """Answers ranges in their own order."""

    def get_ranges(self, key, ranges, **options):
        return super().get_ranges(key, sorted(ranges), **options)


class Unsatisfied(Mutant):
    """Gives nothing for a range behind the end."""

    def get(self, key, options=None):
        try:
            return super().get(key, options)
        except ValueError as error:
            if isinstance(error, InvalidKeyError):
                raise
            return GetResult(self.head(key), b"", range=(0, 0))


class NaiveTime(Mutant):
    """Tells the time without a zone."""

    def head(self, key, *, version=None):
        meta = super().head(key, version=version)
        return dataclasses.replace(meta, last_modified=meta.last_modified.replace(tzinfo=None))


class Segments(Mutant):
    """Lists by whole segments."""

    def list(self, prefix="", *, delimiter=None, start_after=None):
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        return super().list(prefix, delimiter=delimiter, start_after=start_after)


class Eager(Mutant):
    """Lists everything in one page."""

    def list(self, prefix="", *, delimiter=None, start_after=None):
        pages = list(super().list(prefix, delimiter=delimiter, start_after=start_after))
        yield ListPage([meta for page in pages for meta in page.objects], [text for page in pages for text in page.prefixes])


class Unordered(Mutant):
    """Says that its listing is ordered; it is not."""

    def list(self, prefix="", *, delimiter=None, start_after=None):
        for page in super().list(prefix, delimiter=delimiter, start_after=start_after):
            yield ListPage(page.objects[::-1], page.prefixes)


class Decoder(Mutant):
    """Decodes keys once too often."""

    def get(self, key, options=None):
        return super().get(key.replace("%2F", "/"), options)


class Lax(Mutant):
    """Checks no keys where it reads."""

    def head(self, key, *, version=None):
        return self._history["good"][-1].meta


class Bureaucrat(Mutant):
    """Complains of what is absent already."""

    def delete(self, keys, *, if_match=None):
        for key in [keys] if isinstance(keys, str) else (keys := list(keys)):
            self.head(key)
        return super().delete(keys, if_match=if_match)

    async def delete_async(self, keys, *, if_match=None):
        return self.delete(keys, if_match=if_match)


class Anonymous(Mutant):
    """Raises errors that do not say where."""

    def get(self, key, options=None):
        try:
            return super().get(key, options)
        except NotFoundError:
            raise NotFoundError("nothing there") from None


class Undead(Mutant):
    """Works after it was closed."""

    def close(self):
        """Stay open."""


class Leaker(Mutant):
    """Opens a file for every read, and forgets it."""

    kept: list = []  # noqa: RUF012

    def get(self, key, options=None):
        self.kept.append(open("/dev/null", "rb"))  # noqa: SIM115
        return super().get(key, options)


class OneThread(Mutant):
    """Belongs to the thread that made it."""

    def __init__(self):
        super().__init__()
        self._home = threading.get_ident()

    def head(self, key, *, version=None):
        assert threading.get_ident() == self._home
        return super().head(key, version=version)

    def get(self, key, options=None):
        self.head(key)
        return super().get(key, options)


class TwoFaced(MemoryStore):
    """Async puts go elsewhere: the colours have drifted apart."""

    async def put_async(self, key, source, options=None):
        return await super().put_async(f"x/{key}", source, options)


class Indiscreet(Mutant):
    """Shows its password."""

    def __repr__(self):
        return "Indiscreet(password='s3cret-passw0rd')"


MUTANTS = [
    (Torn, "test_source_that_fails", {"there": True, "large": False}),
    (Litterer, "test_source_that_fails", {"there": False, "large": False}),
    (Swallower, "test_source_that_fails", {"there": True, "large": True}),
    (Forgetter, "test_metadata", {}),
    (Dropper, "test_unsupported_options_are_refused", {}),
    (LateChecker, "test_create_race", {}),
    (LateChecker, "test_update_race", {}),
    (LateChecker, "test_counter", {}),
    (AnyEtag, "test_update", {}),
    (AnyEtag, "test_create", {}),
    (OtherEtag, "test_put", {}),
    (Inclusive, "test_range", {}),
    (Sorter, "test_get_ranges", {}),
    (Unsatisfied, "test_range_behind_the_end", {}),
    (NaiveTime, "test_head_describes", {}),
    (Segments, "test_prefix_is_literal", {}),
    (Eager, "test_many_keys", {}),
    (Unordered, "test_list_all", {}),
    (Decoder, "test_odd_keys_of_our_own", {}),
    (Lax, "test_bad_keys", {}),
    (Lax, "test_reserved_keys", {}),
    (Bureaucrat, "test_delete_is_idempotent", {}),
    (Anonymous, "test_get_missing", {}),
    (Undead, "test_closed", {}),
    (Leaker, "test_results_let_go", {}),
    (OneThread, "test_threads", {}),
    (Indiscreet, "test_no_secret_shows", {}),
]


class Contract(StoreContract):
    secrets = ("s3cret",)


def run(kind, test, given, name):
    """Run one test of the suite as pytest would, on a store of a kind."""
    with kind() as store, colour_named(name) as colour:
        method = getattr(Contract(), test)
        wrapped = getattr(method, "__wrapped__", method)
        wanted = wrapped.__code__.co_varnames[1 : wrapped.__code__.co_argcount]
        offered = {"store": store, "verbs": colour(store), "ground": MemoryGround(store), "colour": colour, "tree": None}
        if "tree" in wanted:
            from holdall.testing.contract.listing import TREE

            offered["tree"] = TREE
            offered["ground"].write_many({key: key.encode() for key in TREE})
        method(**{**{each: offered[each] for each in wanted if each in offered}, **given})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("kind", "test", "given"), MUTANTS, ids=lambda value: getattr(value, "__name__", None))
def test_notices(kind, test, given, name):
    run(MemoryStore, test, given, name)  # the test itself is sound
    with pytest.raises(BaseException) as caught:  # pytest.fail.Exception is no Exception
        run(kind, test, given, name)
    assert not isinstance(caught.value, (KeyboardInterrupt, SystemExit, KeyError, TypeError)), caught.value
    for file in Leaker.kept:
        file.close()
    Leaker.kept.clear()


def test_notices_colours_that_drift():
    run(TwoFaced, "test_put", {}, "blocking")
    with pytest.raises(AssertionError):
        run(TwoFaced, "test_put", {}, "async")
