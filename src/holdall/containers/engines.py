"""The quick way from values to bytes and back: one call into C for many items, `wire` for what C cannot do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, Protocol

from holdall.containers import wire
from holdall.containers.arrays import decode_ext, decode_tag
from holdall.containers.cbor import cbor_bytes
from holdall.containers.errors import FormatError
from holdall.containers.plain import KEY_TYPES, KEYS, Hook, Unusual, as_container, is_array, simplified
from holdall.containers.wire import CodecName

__all__ = ["Engine", "engine", "measured", "pieces"]


class Engine(Protocol):
    """Encodes and decodes whole values of one codec."""

    codec: CodecName

    def one(self, value: Any) -> bytes:
        """Encode one value, or raise `Unusual`."""
        ...

    def decode(self, data: bytes) -> Any:
        """Decode exactly one document, or raise `FormatError`."""
        ...

    def split(self, data: bytes) -> Sequence[Any]:
        """Return the items of an array, not decoded (each bytes-like), or raise `FormatError`."""
        ...


def engine(codec: CodecName, hook: Hook | None = None, *, max_depth: int = 10_000) -> Engine:
    """Return the engine of a codec.

    Args:
        codec: ``msgpack`` or ``cbor``.
        hook: Called with a value that is not built in; returns what to encode for it, or raises `Unusual`.
        max_depth: Deepest nesting that is decoded.
    """
    if hook is None:
        return _plain(codec, max_depth)
    return _Msgpack(hook, max_depth) if codec == "msgpack" else _Cbor(hook, max_depth)


@lru_cache(8)
def _plain(codec: CodecName, max_depth: int) -> Engine:
    return _Msgpack(None, max_depth) if codec == "msgpack" else _Cbor(None, max_depth)


def pieces(data: bytes, count: int, codec: CodecName) -> list[int]:
    """Return the sizes of so many items that stand back to back.

    Example:
        >>> pieces(bytes.fromhex("01a16102"), 3, "msgpack")
        [1, 2, 1]
    """
    return [memoryview(item).nbytes for item in engine(codec).split(wire.array_head(count, codec) + data)]


def measured(data: bytes | memoryview, *, is_map: bool) -> list[int]:
    """Return the sizes of the members of a msgpack container that we have encoded; of a map, of keys (texts) and values in turn.

    Example:
        >>> measured(bytes.fromhex("82a16101a3616263a178"), is_map=True)
        [2, 1, 4, 2]
    """
    decode_list, decode_map = _splitters()
    if not is_map:
        return [memoryview(item).nbytes for item in decode_list(data)]
    sizes: list[int] = []
    for key, value in decode_map(data).items():
        length = len(key) if key.isascii() else len(key.encode())
        sizes.append(length + (1 if length < 32 else 2 if length < 1 << 8 else 3 if length < 1 << 16 else 5))
        sizes.append(memoryview(value).nbytes)
    return sizes


@cache
def _splitters() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    import msgspec  # noqa: PLC0415

    return msgspec.msgpack.Decoder(list[msgspec.Raw]).decode, msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


class _Msgpack:
    """ormsgpack for what is plain through and through, where it is installed; else msgspec, after a look at the keys."""

    codec: CodecName = "msgpack"

    def __init__(self, hook: Hook | None, max_depth: int) -> None:
        import msgspec  # noqa: PLC0415  # third-party, on first use

        self._errors = (msgspec.MsgspecError, TypeError, OverflowError, ValueError, RecursionError)
        self._ext = msgspec.msgpack.Ext
        self._encode = msgspec.msgpack.Encoder(enc_hook=self._hooked).encode
        self._decode, self._split = _msgpack_decoders()
        self._decode_errors = (msgspec.MsgspecError, UnicodeDecodeError, ValueError, TypeError, OverflowError)
        self._hook = hook
        self._plain = _plain_encoder()
        self._max_depth = max_depth

    def one(self, value: Any) -> bytes:
        if self._plain is not None:
            try:
                return self._plain(value)
            except TypeError:  # keys or values that are not plain
                pass
        try:
            data: bytes = self._encode(value)
        except self._errors as error:
            raise Unusual(str(error)) from error
        if not keys_are_scalars(value):  # it came to an end above: no cycle
            raise Unusual(KEYS)
        return data

    def decode(self, data: bytes) -> Any:
        try:
            return self._decode(data)
        except RecursionError:
            return _whole(bytes(data), self.codec, self._max_depth)
        except self._decode_errors as error:
            raise FormatError(f"a value that cannot be decoded: {error}") from error

    def split(self, data: bytes) -> Sequence[Any]:
        try:
            items: Sequence[Any] = self._split(data)
            return items
        except RecursionError:
            return _split(data, self.codec)
        except self._decode_errors as error:
            raise FormatError(f"items that cannot be told apart: {error}") from error

    def _hooked(self, value: Any) -> Any:
        if as_container(value) is not None:
            raise Unusual
        plain = value if is_array(value) else simplified(value, rich=False)
        if plain is not value:
            return plain
        if self._hook is None:
            raise Unusual
        answer = self._hook(value)
        return self._ext(answer.code, answer.data) if isinstance(answer, wire.Ext) else answer


@cache
def _msgpack_decoders() -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """Return what decodes a document, and what tells the items of an array apart."""
    import msgspec  # noqa: PLC0415

    return msgspec.msgpack.Decoder(ext_hook=decode_ext).decode, msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


@cache
def _plain_encoder() -> Callable[[Any], bytes] | None:
    """Return an encoder of str-keyed maps, lists and scalars of the exact builtin types, which raises `TypeError` for all else."""
    try:
        import ormsgpack  # noqa: PLC0415  # optional
    except ImportError:
        return None
    option = (
        ormsgpack.OPT_PASSTHROUGH_DATACLASS
        | ormsgpack.OPT_PASSTHROUGH_DATETIME
        | ormsgpack.OPT_PASSTHROUGH_ENUM
        | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
        | ormsgpack.OPT_PASSTHROUGH_UUID
    )
    pack = ormsgpack.packb
    return lambda value: pack(value, None, option)


def keys_are_scalars(value: Any) -> bool:
    """Tell whether all keys of the maps in a value are scalars: the encoders in C take more, which nobody could read back."""
    containers = (dict, list, tuple)
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if not all(isinstance(key, KEY_TYPES) for key in item):
                return False
            stack.extend(member for member in item.values() if isinstance(member, containers))
        elif isinstance(item, (list, tuple)):
            stack.extend(member for member in item if isinstance(member, containers))
    return True


class _Cbor:
    """Item by item in Python: the C libraries for CBOR know tags that call constructors, and recurse."""

    codec: CodecName = "cbor"

    def __init__(self, hook: Hook | None, max_depth: int) -> None:
        self._hook = hook
        self._max_depth = max_depth

    def one(self, value: Any) -> bytes:
        return cbor_bytes(value, self._hook)

    def decode(self, data: bytes) -> Any:
        return _whole(data, self.codec, self._max_depth)

    def split(self, data: bytes) -> Sequence[Any]:
        return _split(data, self.codec)


def _split(data: bytes, codec: CodecName) -> list[bytes]:
    first = wire.head(data, 0, codec)
    at, items = first.end, list[bytes]()
    for _ in range(first.value):
        end = wire.skip(data, at, codec)
        items.append(data[at:end])
        at = end
    if at != len(data):
        raise FormatError(f"{len(data) - at} bytes behind a value", offset=at)
    return items


def _whole(data: bytes, codec: CodecName, max_depth: int) -> Any:
    value, end = wire.decode(data, codec, max_depth=max_depth, ext=decode_ext if codec == "msgpack" else decode_tag)
    if end != len(data):
        raise FormatError(f"{len(data) - end} bytes behind a value", offset=end)
    return value
