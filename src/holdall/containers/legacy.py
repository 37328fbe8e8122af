"""Arrays that other writers stored as pickles: read by a decoder that knows numpy's arrays and nothing else (format section 5)."""

from __future__ import annotations

import io
import pickle
from typing import Any

from holdall.containers.errors import FormatError

__all__ = ["restored"]

_MARK = b"multiarray"
_HEAD = 40


def restored(value: Any) -> Any:
    """Return a decoded value with its pickled arrays as arrays.

    Raises:
        FormatError: A pickle that is more than an array; nothing of it is executed.
    """
    if isinstance(value, bytes):
        return _array(value) if _MARK in value[:_HEAD] else value
    stack = [value] if isinstance(value, (list, dict)) else []
    while stack:
        container = stack.pop()
        for key, member in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(member, bytes) and _MARK in member[:_HEAD]:
                container[key] = _array(member)
            elif isinstance(member, (list, dict)):
                stack.append(member)
    return value


class _Arrays(pickle.Unpickler):
    """Knows four names, one of them under two spellings."""

    def find_class(self, module: str, name: str) -> Any:
        import _codecs  # noqa: PLC0415  # only for these

        import numpy as np  # noqa: PLC0415

        known = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
            ("_codecs", "encode"): _codecs.encode,
        }
        try:
            return known[module, name]
        except KeyError:
            raise FormatError(f"a pickle that names {module}.{name}") from None


def _reconstruct(kind: Any, shape: Any, _code: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    if kind is not np.ndarray or tuple(shape) != (0,):
        raise FormatError("a pickle that is no plain array")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _dtype(*arguments: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    dtype = np.dtype(*arguments)
    if dtype.hasobject or dtype.fields is not None:
        raise FormatError(f"a pickled array of dtype {dtype}")
    return dtype


def _array(data: bytes) -> Any:
    try:
        array = _Arrays(io.BytesIO(data)).load()
    except FormatError:
        raise
    except ImportError as error:
        raise FormatError("a pickled array needs numpy") from error
    except Exception as error:  # a pickle can fail in any way
        raise FormatError(f"a pickled array that cannot be read: {type(error).__name__}") from error
    import numpy as np  # noqa: PLC0415

    if type(array) is not np.ndarray or array.dtype.hasobject:
        raise FormatError("a pickle that is no plain array")
    return array
