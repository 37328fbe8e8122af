"""Options and results of containers: frozen, keyword-only, checked when made. There is no global configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from holdall.containers.header import MAGIC, pad_magic
from holdall.containers.steps import Layout
from holdall.containers.wire import CodecName
from holdall.core.options import PutOptions

__all__ = ["Codec", "KiB", "MiB", "ReadOptions", "ReadStats", "VerifyReport", "WriteOptions", "WriteResult"]

KiB = 1024
MiB = 1024 * 1024


class Codec(StrEnum):
    """The codecs of the format; their names do as well.

    Example:
        >>> WriteOptions(codec=Codec.CBOR) == WriteOptions(codec="cbor")
        True
    """

    MSGPACK = "msgpack"
    CBOR = "cbor"


def _no_meta() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How an archive is written (sizes in bytes).

    Attributes:
        codec: ``msgpack`` or ``cbor``, or a `Codec`.
        leaf_bytes: Values below this have no node of their own; runs of them make blocks of about this size.
        max_block: Largest block.
        index: ``compact``, or ``full`` for a node per entry of every large container.
        arrays: numpy arrays as ``typed`` bytes, or as nested ``lists``.
        checksum: Store CRC-32 of header, table and leaves.
        meta: Small map kept in the table of contents.
        default: Called with values of unknown types; returns what to store.
        max_depth: Deepest nesting.
        part_size: Bytes per part of a multipart upload; doubles every 1,000 parts.
        size_hint: About how large the archive will be, for the size of parts.
        in_flight: Parts on their way at once.
        equal_parts: Never let the size of parts grow; ``None`` goes by what the store says.
        spool: ``auto`` collects the archive first for stores that take an object in one piece only; ``never`` refuses those.
        spool_memory: Bytes of a spool kept in memory.
        put: Content type, metadata and so on of the object; its mode comes from the writer.
        magic: The archive's magic, at most 30 bytes.
    """

    codec: CodecName | Codec = "msgpack"
    leaf_bytes: int = 16 * KiB
    max_block: int = 1 * MiB
    index: Literal["compact", "full"] = "compact"
    arrays: Literal["typed", "lists"] = "typed"
    checksum: bool = True
    meta: Mapping[str, Any] = field(default_factory=_no_meta)
    default: Callable[[Any], Any] | None = None
    max_depth: int = 10_000
    part_size: int = 8 * MiB
    size_hint: int | None = None
    in_flight: int = 4
    equal_parts: bool | None = None
    spool: Literal["auto", "never"] = "auto"
    spool_memory: int = 64 * MiB
    put: PutOptions = field(default_factory=PutOptions)
    magic: bytes = MAGIC

    def __post_init__(self) -> None:
        _one_of("codec", self.codec, tuple(Codec))
        _one_of("index", self.index, ("compact", "full"))
        _one_of("arrays", self.arrays, ("typed", "lists"))
        _one_of("spool", self.spool, ("auto", "never"))
        _at_least("leaf_bytes", self.leaf_bytes, 64)
        _at_least("max_block", self.max_block, self.leaf_bytes)
        _at_least("max_depth", self.max_depth, 1)
        _at_least("part_size", self.part_size, 5 * MiB)
        _at_least("spool_memory", self.spool_memory, 0)
        _at_least("in_flight", self.in_flight, 1)
        if self.size_hint is not None:
            _at_least("size_hint", self.size_hint, 1)
        pad_magic(self.magic)
        if self.put.mode != "overwrite":
            raise ValueError("the mode is the writer's: mode='x' creates, if_match= updates")

    @property
    def codec_name(self) -> CodecName:
        """The codec by its name."""
        return "cbor" if self.codec == "cbor" else "msgpack"

    @property
    def layout(self) -> Layout:
        """How the encoder cuts the document."""
        return Layout(
            leaf_bytes=self.leaf_bytes,
            max_block=self.max_block,
            full_index=self.index == "full",
            checksum=self.checksum,
            max_depth=self.max_depth,
            typed_arrays=self.arrays == "typed",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How an archive is read (sizes in bytes).

    Attributes:
        verify: ``read`` checks the CRC of what is fetched whole; ``never`` does not.
        max_toc_bytes: Largest table of contents.
        max_value_bytes: Largest single value that is decoded at once.
        max_depth: Deepest nesting.
        legacy_arrays: Read the arrays that other writers stored as pickles, through a decoder that knows arrays alone.
        paths: ``python`` slices, or the three-part rules of ``msglc``.
        window: Bytes asked for at either end when opening.
        coalesce_gap: Ranges nearer than this are fetched as one.
        coalesce_max: Largest such fetch.
        concurrency: Fetches in flight.
        magic: The magic that the archive must have.
    """

    verify: Literal["read", "never"] = "read"
    max_toc_bytes: int = 256 * MiB
    max_value_bytes: int = 1024 * MiB
    max_depth: int = 10_000
    legacy_arrays: bool = False
    paths: Literal["python", "msglc"] = "python"
    window: int = 64 * KiB
    coalesce_gap: int = 32 * KiB
    coalesce_max: int = 8 * MiB
    concurrency: int = 16
    magic: bytes = MAGIC

    def __post_init__(self) -> None:
        _one_of("verify", self.verify, ("read", "never"))
        _one_of("paths", self.paths, ("python", "msglc"))
        for name in ("max_toc_bytes", "max_value_bytes", "max_depth", "coalesce_max", "concurrency"):
            _at_least(name, getattr(self, name), 1)
        _at_least("window", self.window, 50)
        _at_least("coalesce_gap", self.coalesce_gap, 0)
        pad_magic(self.magic)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What was published (sizes in bytes).

    Attributes:
        size: The whole archive.
        data_size: The document.
        toc_size: The table of contents.
        etag, version: Of the object, where the store has them.
        bytes_uploaded: Sent by this process.
        bytes_copied: Copied on the server's side.
        requests: Requests that writing took.
        spooled: Whether the archive was collected on disk first.
    """

    size: int
    data_size: int
    toc_size: int
    etag: str | None = None
    version: str | None = None
    bytes_uploaded: int = 0
    bytes_copied: int = 0
    requests: int = 0
    spooled: bool = False


@dataclass(slots=True)
class ReadStats:
    """What reading has cost so far.

    Attributes:
        requests: Requests to the store.
        bytes: Bytes fetched.
        serial_rounds: Waves of requests that had to wait for each other.
        cache_hits: Values served without a request.
    """

    requests: int = 0
    bytes: int = 0
    serial_rounds: int = 0
    cache_hits: int = 0

    @property
    def bytes_per_request(self) -> float:
        """Mean bytes per request, 0.0 before the first."""
        return self.bytes / self.requests if self.requests else 0.0

    def clear(self) -> None:
        """Start counting anew."""
        self.requests = self.bytes = self.serial_rounds = self.cache_hits = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What `LazyReader.verify` found to hold.

    Attributes:
        size: Bytes of the archive.
        leaves: Leaves and blocks read.
        checksums: How many of them had a CRC-32; 0 means that only the structure was checked.
        archives: Embedded archives included.
    """

    size: int
    leaves: int
    checksums: int
    archives: int = 1


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}")


def _at_least(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is a whole number of at least {least}, not {value!r}")
