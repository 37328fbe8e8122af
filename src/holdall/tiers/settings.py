"""What a tiered store goes by: its locations, its rules, and whether it is still open."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from holdall.core.meta import NO_ATTRIBUTES, ObjectMeta
from holdall.core.options import PutMode, PutOptions
from holdall.core.retry import BreakerPolicy, RetryPolicy, Timeouts
from holdall.errors import ClosedError, ConfigError, NotSupportedError
from holdall.tiers.background import Background
from holdall.tiers.content import DIGEST_KEY, Digest, check_digest
from holdall.tiers.locations import Location

__all__ = ["Existing", "Rules", "Tiers", "digest_of", "parse_etag", "same_attributes", "shown_meta"]

Existing = Literal["compare", "keep", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a tiered store reads and writes. See `holdall.tiers.FileStore`.

    Raises:
        ConfigError: A value that none may have.
    """

    existing: Existing = "compare"
    immutable: bool = False
    promote_on_read: bool = False
    degraded: Literal["serve", "raise"] = "serve"
    digest: Digest | None = "sha256"
    verify_reads: bool = False
    confirm: bool = True
    concurrency: int = 16
    hedge_after: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        check_digest(self.digest)
        if self.existing not in {"compare", "keep", "replace"}:
            raise ConfigError(f"existing is 'compare', 'keep' or 'replace', not {self.existing!r}")
        if self.degraded not in {"serve", "raise"}:
            raise ConfigError(f"degraded is 'serve' or 'raise', not {self.degraded!r}")
        workers: object = self.concurrency
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ConfigError(f"concurrency is at least 1, not {workers!r}")
        seconds: object = self.hedge_after
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0):
            raise ConfigError(f"hedge_after is a positive number of seconds, or None, not {seconds!r}")
        for name in ("immutable", "promote_on_read", "verify_reads", "confirm"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is true or false, not {getattr(self, name)!r}")
        for name, kind in (("retry", RetryPolicy), ("breaker", BreakerPolicy), ("timeouts", Timeouts)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(f"{name} is a {kind.__name__}, not {getattr(self, name)!r}")


class Tiers:
    """The locations and the rules, shared by a `FileStore`, its views and its `TieredStore`.

    Args:
        locations: In the order of reading.
        rules: How to go about it.
        arbiter: Who decides conditional writes; the first writable location with race-free create if ``None``.
    """

    def __init__(self, locations: Sequence[Location], rules: Rules, arbiter: Location | None = None) -> None:
        self.locations = tuple(locations)
        self.rules = rules
        self.arbiter = arbiter
        self._digest_key = None if rules.digest is None else DIGEST_KEY.format(rules.digest)
        self.background = Background()
        self.given: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        """What makes the same again: the locations and options as a caller gave them."""
        self.closed = False

    def check_open(self) -> None:
        """Raise if the store was closed.

        Raises:
            ClosedError: It was.
        """
        if self.closed:
            raise ClosedError("the file store was closed", store=self)

    def writable(self, chosen: Sequence[Location]) -> tuple[Location, ...]:
        """Return the locations to write to.

        Raises:
            NotSupportedError: None of those chosen.
        """
        found = tuple([location for location in chosen if not location.read_only])
        if not found:
            names = ", ".join(location.name for location in chosen)
            raise NotSupportedError(f"read-only: no writable location among {names}", store=self)
        return found

    def judge(self, chosen: Sequence[Location]) -> Location | None:
        """Return the location that decides conditional writes among some, ``None`` if none of them can."""
        if self.arbiter is not None and self.arbiter in chosen:
            return self.arbiter
        return next((location for location in chosen if location.bare.capabilities.create), None)

    def quick(self, chosen: Sequence[Location], size: int = 0) -> bool:
        """Tell whether to ask one after the other in the caller's thread."""
        return size <= 1 << 20 and all(location.quick for location in chosen)

    def limit(self, chosen: Sequence[Location], size: int = 0) -> int:
        """Return how many locations to ask at once."""
        return 1 if self.quick(chosen, size) else self.rules.concurrency

    def options(
        self, location: Location, options: PutOptions | None, digest: str | None, *, create: bool = False
    ) -> PutOptions | None:
        """Return options for one location: the caller's, with the digest where it can be kept, and no condition but ``create``."""
        named = {} if digest is None or self._digest_key is None else {self._digest_key: digest}
        if named and not location.bare.capabilities.metadata:
            named = {}
        mode: PutMode = "create" if create else "overwrite"
        if options is None:
            return PutOptions(mode=mode, metadata=named) if named or create else None
        return replace(options, mode=mode, if_match=None, metadata={**options.metadata, **named})

    def check_options(self, chosen: Sequence[Location], options: PutOptions | None) -> None:
        """Raise if a location could not keep what is asked for.

        Raises:
            NotSupportedError: It could not.
        """
        if options is None:
            return
        for location in chosen:
            has = location.bare.capabilities
            wanted = {
                "metadata": bool(options.metadata) and not has.metadata,
                "tags": bool(options.tags),
                "storage_class": options.storage_class is not None and not has.storage_class,
                "headers": replace(options, metadata={}).annotated and not has.attributes,
            }
            missing = [name for name, absent in wanted.items() if absent]
            if missing:
                raise NotSupportedError(f"location {location.name!r} cannot keep {', '.join(missing)}", store=self)

    def __repr__(self) -> str:
        return f"FileStore({', '.join([location.name for location in self.locations])})"


def digest_of(meta: ObjectMeta, algorithm: str | None) -> str | None:
    """Return the digest that is known of an object: kept beside it by us, or vouched for by its store."""
    if algorithm is None:
        return None
    return meta.metadata.get(DIGEST_KEY.format(algorithm)) or meta.digests.get(algorithm)


def shown_meta(meta: ObjectMeta, location: Location, name: str) -> ObjectMeta:
    """Return a description as a tiered store gives it: its name, its etag with the location, our digests not as metadata."""
    ours = {key: value for key, value in meta.metadata.items() if key.startswith("holdall-")}
    attributes, digests = meta.attributes, meta.digests
    if ours:
        kept = {key: value for key, value in meta.metadata.items() if key not in ours}
        attributes = replace(attributes, metadata=kept)
        digests = {**digests, **{key.removeprefix("holdall-"): value for key, value in ours.items()}}
        digests.pop("write", None)
    etag = None if meta.etag is None else f"{location.name}:{meta.etag}"
    return replace(meta, key=os.fspath(name), etag=etag, version=None, attributes=attributes, digests=digests)


def same_attributes(found: ObjectMeta, options: PutOptions | None) -> bool:
    """Tell whether an object has the metadata that a write asks for, and every header that it names."""
    kept = {key: value for key, value in found.metadata.items() if not key.startswith("holdall-")}
    wanted = NO_ATTRIBUTES if options is None else options.attributes
    if kept != dict(wanted.metadata) or (options is not None and options.storage_class not in {None, found.storage_class}):
        return False
    return all(
        getattr(wanted, header.name) in {None, getattr(found.attributes, header.name)}
        for header in fields(wanted)
        if header.name != "metadata"
    )


def parse_etag(etag: str, locations: Sequence[Location]) -> tuple[Location, str] | None:
    """Return the location and its own etag, ``None`` for an etag that is none of ours.

    Example:
        >>> parse_etag("elsewhere:1", []) is None
        True
    """
    name, colon, own = etag.partition(":")
    found = next((location for location in locations if location.name == name), None)
    return (found, own) if colon and found is not None else None
