"""Secrets: a holder that does not show, and the masking of text and values for errors, logs and reprs.

Masking knows names, not values: what stands in the password of a URL, or under a name that means a secret, becomes ``***``.
An access key id, which is a name and not a secret, is shown by its first four characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from holdall._lazy import lazy
from holdall.errors import ConfigError

if TYPE_CHECKING:
    import hmac
else:
    hmac = lazy("hmac")

__all__ = [
    "HIDDEN",
    "Secret",
    "abbreviate",
    "is_reference",
    "is_secret_name",
    "mask",
    "mask_value",
    "refuse_pickle",
    "reveal",
]

HIDDEN: Final = "***"
"""What is shown in place of a secret."""
_LONGEST = 64 * 1024


class Secret:
    """A text that does not show itself; `reveal` is the one way out.

    Equality compares in constant time; a secret has no length, no order and no format. Copies are the same object.

    Args:
        value: The text.
        reference: Where it came from, ``${NAME}`` or ``file:/path``: pickling carries that, not the value. A secret without
            one stood in the configuration itself and refuses to be pickled.

    Example:
        >>> secret = Secret("hunter2")
        >>> secret, str(secret), f"{secret}", secret.reveal()
        (Secret(***), '***', '***', 'hunter2')
    """

    __slots__ = ("_value", "reference")

    _value: str
    reference: str | None

    def __init__(self, value: str, *, reference: str | None = None) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a secret is a str, not {type(value).__name__}")
        object.__setattr__(self, "_value", value)
        object.__setattr__(self, "reference", reference)

    @property
    def literal(self) -> bool:
        """Whether the text itself stood in the configuration."""
        return self.reference is None

    def reveal(self) -> str:
        """Return the text."""
        return self._value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode("utf-8", "surrogatepass"), other._value.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[[str], Secret], tuple[str]]:
        if self.reference is None:
            refuse_pickle("a secret")
        return _again, (self.reference,)


def _again(reference: str) -> Secret:
    """Read a pickled secret again, from where it came from."""
    from holdall.core.config import expand  # noqa: PLC0415  # secrets need config only here

    path = reference.removeprefix("file:")
    return Secret(expand(reference) if path == reference else read_secret(path), reference=reference)


def read_secret(path: str) -> str:
    """Return the content of a file that holds a secret, without the newline at its end.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text in UTF-8, or longer than 64 KiB.
    """
    with open(path, "rb") as file:
        data = file.read(_LONGEST + 1)
    if len(data) > _LONGEST:
        raise ValueError("names a file longer than 64 KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("names a file that is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def refuse_pickle(what: str) -> NoReturn:
    """Refuse to pickle something that holds a literal secret.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError(
        f"{what} cannot be pickled: it holds a literal secret; write ${{NAME}} in its place, to be read from the environment"
    )


def reveal(value: Any) -> Any:
    """Return a value with every `Secret` in it, at any depth of mappings and sequences, revealed.

    Example:
        >>> reveal({"password": Secret("x"), "port": 22})
        {'password': 'x', 'port': 22}
    """
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {k: reveal(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(reveal(v) for v in value) if type(value) in {list, tuple} else value
    return value


# -- names and references ---------------------------------------------------------------------------------------------------

_ENDS = (
    "password", "passwd", "pwd", "passphrase", "privatekeypass", "secret", "secretkey", "secretaccesskey", "token",
    "signature", "credential", "credentials", "accountkey", "apikey", "connectionstring", "authorization", "cookie",
    "xamzcredential",
)  # fmt: skip
_EXACT = frozenset({"sig", "auth", "accesskey", "pass"})
_KEY_IDS = frozenset({"key", "accesskeyid", "awsaccesskeyid"})
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-?|:\?[^{}]*)?\}")


def is_reference(text: str) -> bool:
    """Tell whether a text is nothing but one reference to the environment, without a default that could be a secret.

    Example:
        >>> is_reference("${S3_SECRET}"), is_reference("${S3_SECRET:minioadmin}")
        (True, False)
    """
    return _REFERENCE.fullmatch(text) is not None


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_secret_name(name: str) -> bool:
    """Tell whether what stands under this name is a secret.

    Example:
        >>> [is_secret_name(n) for n in ("password", "X-Amz-Signature", "AccountKey", "path", "password_file")]
        [True, True, True, False, False]
    """
    squeezed = _squeezed(name)
    return squeezed in _EXACT or squeezed.endswith(_ENDS)


def abbreviate(key_id: str) -> str:
    """Return an access key id by its first four characters.

    Example:
        >>> abbreviate("AKIAIOSFODNN7EXAMPLE")
        'AKIA***'
    """
    return key_id[:4] + HIDDEN if len(key_id) > 4 else HIDDEN


# -- masking ----------------------------------------------------------------------------------------------------------------

_URL_AUTHORITY = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*)://([^\s'\"<>]*)")
_VALUE = r"(?P<value>'[^']*'|\"[^\"]*\"|(?:\$\{[^{}]*\}|[^\s&;,'\"#)}\]])+)"
# Prose has "token: expected"; only "=" and the quoted name of a mapping's repr announce a value.
_ASSIGNED = re.compile(r"\b(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<sep>\s*=\s*)" + _VALUE)
_QUOTED = re.compile(r"(?<=['\"])(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<sep>['\"]\s*:\s*)" + _VALUE)
_HEADER = re.compile(r"\b(Bearer|Basic|AWS4-HMAC-SHA256)\s+[A-Za-z0-9+/=._~-]{6,}")
_KEY_ID = re.compile(r"\b((?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,})\b")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def mask(text: str) -> str:
    """Return text (a URL, an error of a library, a log line) without the secrets that can be recognised by their place.

    Example:
        >>> mask("cannot reach sftp://me:hunter2@host/dir?token=abc")
        'cannot reach sftp://me:***@host/dir?token=***'
    """
    text = _PEM.sub(HIDDEN, text)
    text = _URL_AUTHORITY.sub(_mask_authority, text)
    text = _ASSIGNED.sub(_mask_named, text)
    text = _QUOTED.sub(_mask_named, text)
    text = _HEADER.sub(rf"\1 {HIDDEN}", text)
    return _KEY_ID.sub(lambda m: abbreviate(m[1]), text)


def _mask_authority(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    tail = rest[len(user) :]
    if not at:
        # A raw "/", "?" or "#" in a password ends the authority early: "key:se/cret@host". A port is all digits.
        _, colon, port = authority.rpartition(":")
        if not colon or port.isdigit() or port == "" or authority.endswith("]") or "@" not in rest:
            return match[0]
        user, at, tail = rest.rpartition("@")
        tail = at + tail
    name, colon, _ = user.partition(":")
    shown = abbreviate(name) if name and scheme.lower() in {"s3", "s3a"} else name
    return f"{scheme}://{shown}{':' + HIDDEN if colon else ''}{tail}"


def _mask_named(match: re.Match[str]) -> str:
    name, sep, value = match["name"], match["sep"], match["value"]
    quote = value[0] if value[0] in "'\"" else ""
    bare = value.strip(quote) if quote else value
    if not bare or is_reference(bare):
        return match[0]
    if is_secret_name(name):
        shown = HIDDEN
    elif quote and _squeezed(name) in _KEY_IDS:
        shown = abbreviate(bare)
    else:
        return match[0]
    return f"{name}{sep}{quote}{shown}{quote}"


def mask_value(value: Any, name: str = "") -> Any:
    """Return a value for display: what stands under a secret's name is hidden, texts are masked, at any depth.

    References to the environment are shown as they are. Objects of other kinds are returned untouched.

    Example:
        >>> mask_value({"key": "AKIAIOSFODNN7EXAMPLE", "secret": "x", "token": "${TOKEN}", "path": "a"})
        {'key': 'AKIA***', 'secret': '***', 'token': '${TOKEN}', 'path': 'a'}
    """
    if isinstance(value, str):
        if is_reference(value):
            return value
        if is_secret_name(name):
            return HIDDEN
        return abbreviate(value) if _squeezed(name) in _KEY_IDS else mask(value)
    if value is not None and not isinstance(value, (bool, Secret)) and is_secret_name(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return {k: mask_value(v, k if isinstance(k, str) else "") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(mask_value(v, name) for v in value) if type(value) in {list, tuple} else value
    return value
