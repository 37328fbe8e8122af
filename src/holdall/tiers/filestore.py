"""`FileStore`: one file store over several places."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Literal, Self

from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange
from holdall.core.retry import BreakerPolicy, RetryPolicy, Timeouts
from holdall.engine.async_streams import Opening, open_file_async
from holdall.engine.streams import open_file
from holdall.errors import ConfigError, NotSupportedError
from holdall.tiers import calls, calls_async
from holdall.tiers.asking import settled
from holdall.tiers.content import Digest
from holdall.tiers.locations import Location, Where
from holdall.tiers.moving import Promoter
from holdall.tiers.opening import open_locations, refuse_literal
from holdall.tiers.reports import StoreStatus
from holdall.tiers.settings import Existing, Rules, Tiers
from holdall.tiers.store import TieredStore
from holdall.tiers.streaming import ChunkStream

__all__ = ["FileStore"]


class FileStore(calls_async.Calls, calls.Calls):
    """One file store over several places: fast ones in front, slow ones behind, configured by URL alone.

    Reads find an object wherever it is; writes reach every place or say exactly which they missed. A place that could not be asked is
    never taken for an empty one. Every method has an ``_async`` twin. Nothing is connected before it is needed.

    Args:
        locations: URLs, stores, paths, mounts (``"uploads:sub"``), or mappings with ``url`` or ``store`` and ``name``, ``read_only``,
            ``layout``; in the order of reading.
        names: Names in order; otherwise ``?name=`` of the URL, or scheme and index (``file-0``).
        layout: ``flat``, ``sharded``, or an object with ``to_key`` and ``to_name``.
        existing: A location that has the key already: ``compare`` skips equal content, ``keep`` skips by name, ``replace`` writes.
        immutable: Names never change content (they are hashes of it): cheaper rules apply.
        promote_on_read: Copy what was found further back to the nearest location, in the background.
        degraded: An earlier location could not be asked but a later one has the object: ``serve`` it, or ``raise``.
        digest: Kept beside each object where the location can: ``sha256``, ``crc32`` or ``None``.
        verify_reads: Check it on whole reads.
        arbiter: Name or index of the location that decides conditional writes; the first writable one that can if ``None``.
        confirm: Compare all locations after an overwrite, so that concurrent writers leave them equal; ``False`` for a single writer.
        retry, breaker, timeouts: Policies.
        connection_attempts: Attempts in all, instead of those of the policy.
        concurrency: Items of a batch, and locations, at once.
        hedge_after: Seconds after which a slow `get`, `exists` or `stat` also asks the next location; what that serves counts as degraded.
        connect: ``lazy``; ``eager`` asks every location now, and raises if one does not answer.

    Raises:
        ConfigError: No location, a name twice or reserved, or a value that makes no sense.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> with FileStore(MemoryStore(), MemoryStore(), names=["hot", "cold"]) as fs:
        ...     [location.name for location in fs.put("myfile", b"content")], fs.get("myfile"), fs.put("myfile", b"content")
        (['hot', 'cold'], b'content', [])
    """

    def __init__(
        self,
        *locations: Any,
        names: Sequence[str] | None = None,
        layout: Any = "flat",
        existing: Existing = "compare",
        immutable: bool = False,
        promote_on_read: bool = False,
        degraded: Literal["serve", "raise"] = "serve",
        digest: Digest | None = "sha256",
        verify_reads: bool = False,
        arbiter: str | int | None = None,
        confirm: bool = True,
        retry: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
        timeouts: Timeouts | None = None,
        connection_attempts: int | None = None,
        concurrency: int = 16,
        hedge_after: float | None = None,
        connect: Literal["lazy", "eager"] = "lazy",
    ) -> None:
        if connect not in {"lazy", "eager"}:
            raise ConfigError(f"connect is 'lazy' or 'eager', not {connect!r}")
        policy = RetryPolicy() if retry is None else retry
        if connection_attempts is not None:
            if retry is not None:
                raise ConfigError("either retry or connection_attempts")
            policy = RetryPolicy(attempts=connection_attempts)
        rules = Rules(
            existing=existing,
            immutable=immutable,
            promote_on_read=promote_on_read,
            degraded=degraded,
            digest=digest,
            verify_reads=verify_reads,
            confirm=confirm,
            concurrency=concurrency,
            hedge_after=hedge_after,
            retry=policy,
            breaker=BreakerPolicy() if breaker is None else breaker,
            timeouts=Timeouts() if timeouts is None else timeouts,
        )
        given: dict[str, Any] = {
            "names": names, "layout": layout, "existing": existing, "immutable": immutable, "promote_on_read": promote_on_read,
            "degraded": degraded, "digest": digest, "verify_reads": verify_reads, "arbiter": arbiter, "confirm": confirm,
            "retry": policy, "breaker": breaker, "timeouts": timeouts, "concurrency": concurrency, "hedge_after": hedge_after,
        }  # fmt: skip
        self._view = tuple(open_locations(locations, names=names, layout=layout, rules=rules))
        self._tiers = Tiers(self._view, rules)
        self._tiers.given = locations, given
        if arbiter is not None:
            self._tiers.arbiter = self._judge(arbiter)
        self.store = TieredStore(self._tiers)
        if connect == "eager":
            self._connect()

    def _judge(self, arbiter: str | int) -> Location:
        chosen = self._choose(arbiter)
        if len(chosen) != 1:
            raise ConfigError(f"the arbiter is one location, not {arbiter!r}")
        if chosen[0].read_only or not chosen[0].bare.capabilities.create:
            raise ConfigError(f"location {chosen[0].name!r} cannot be the arbiter: it cannot create race-free")
        return chosen[0]

    def _connect(self) -> None:
        """Ask every location now; raise with each failure, and let go of the others."""
        found = self._tiers.background.health(self._view, self._tiers.rules.timeouts.connect + 1)
        failures = {location: error for location, error in found.items() if error is not None}
        if failures:
            self.close(0)
            raise settled("", {}, failures, self)

    # -- parts and other shapes ---------------------------------------------------------------------------------------

    def at(self, location: Where) -> FileStore:
        """Return a view limited to some locations; words and indexes count among them.

        Example:
            >>> from holdall.drivers.memory import MemoryStore
            >>> FileStore(MemoryStore(), MemoryStore(), MemoryStore()).at(["near", "far"]).locations[1].name
            'memory-2'
        """
        chosen = self._choose(location)
        view = object.__new__(FileStore)
        view.__dict__.update(self.__dict__)
        view._view = chosen
        view.store = TieredStore(self._tiers, chosen)
        return view

    def stream(
        self, path: str, location: Where = "any", *, range: tuple[int, int] | None = None, chunk_size: int = 1 << 20
    ) -> ChunkStream:
        """Return a context manager over the chunks of an object, in either colour.

        A transfer that breaks goes on with the rest of the same version, or raises.

        Args:
            path: Its name.
            location: Which locations to ask, in their order.
            range: ``(start, end)``; all of it if ``None``.
            chunk_size: Bytes per chunk.

        Example:
            >>> from holdall.drivers.memory import MemoryStore
            >>> fs = FileStore(MemoryStore())
            >>> _ = fs.put("a", b"hello")
            >>> with fs.stream("a", chunk_size=3) as chunks:
            ...     list(chunks)
            [b'hel', b'lo']
        """
        options = None if range is None else GetOptions(range=ByteRange(*range))
        return ChunkStream(TieredStore(self._tiers, self._choose(location)), path, options, chunk_size)

    def stream_async(
        self, path: str, location: Where = "any", *, range: tuple[int, int] | None = None, chunk_size: int = 1 << 20
    ) -> ChunkStream:
        """Return an async context manager over the chunks of an object. See `stream`."""
        return self.stream(path, location, range=range, chunk_size=chunk_size)

    def open(self, path: str, mode: str = "rb", location: Where | None = None) -> IO[Any]:
        """Open an object as a file; what is written is published in all selected locations by a clean exit only.

        Args:
            path: Its name.
            mode: As for `open`.
            location: Any to read, all to write if ``None``.
        """
        return open_file(self._opened(mode, location), path, mode)

    def open_async(self, path: str, mode: str = "rb", location: Where | None = None) -> Opening:
        """Open an object as an async file. See `open`."""
        return open_file_async(self._opened(mode, location), path, mode)

    def _opened(self, mode: str, location: Where | None) -> TieredStore:
        reads = set(mode) <= set("rbt")
        return TieredStore(self._tiers, self._choose(location if location is not None else "any" if reads else "all"))

    # -- how it fares -------------------------------------------------------------------------------------------------

    def status(self) -> StoreStatus:
        """Return how the locations fared so far; nothing is asked."""
        return self._status()

    def pending(self) -> int:
        """Return how many copies in the background are not done."""
        return self._tiers.background.pending()

    def _promote(self, path: str, near: Location, source: Location) -> None:
        promoter = Promoter(self._tiers, (source,))

        def task() -> None:
            with suppress(NotSupportedError):
                promoter.promote(path, near)

        self._tiers.background.submit(task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()

    def __reduce__(self) -> tuple[Any, ...]:
        given, options = self._tiers.given
        refuse_literal(given)
        return _again, (given, options, [location.index for location in self._view])

    def __repr__(self) -> str:
        return f"FileStore({', '.join(f'{loc.name}={loc.url or loc.bare!r}' for loc in self._view)})"


def _again(locations: tuple[Any, ...], options: dict[str, Any], view: list[int]) -> FileStore:
    whole = FileStore(*locations, **options)
    return whole if len(view) == len(whole.locations) else whole.at(view)
