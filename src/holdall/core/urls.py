"""The grammar of storage URLs: ``scheme://[user[:password]@]host[:port]/path[?name=value&...]``.

`parse_url` is one pure function and reports all faults of a URL in one `ConfigError`, without quoting a secret. Every part
is percent-decoded exactly once; ``+`` stays ``+``. References (``${NAME}``) are replaced first: a value that lands in the
user, the password, the path or a query value is taken as it is, so it needs no encoding. What the parts mean to a storage is
said by its `URLSpec`; the built-in ones stand in ``holdall.drivers.specs``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from holdall._lazy import lazy
from holdall.core.config import Reference, pieces
from holdall.core.convert import closest
from holdall.core.params import COMMON, Faults, Param, bind, require
from holdall.core.secrets import HIDDEN, Secret, abbreviate, is_reference, read_secret, reveal
from holdall.errors import ConfigError

if TYPE_CHECKING:
    import ipaddress
else:
    ipaddress = lazy("ipaddress")

__all__ = ["StoreURL", "URLSpec", "is_loopback", "parse_url", "url_scheme"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BAD_HOST = re.compile(r"[\s<>\"{}|\\^`%/?#@\[\]\x00-\x20\x7f]")
_MARK = re.compile("\0([0-9]+)\0")
_VALUE = "/:@+,;!$*()"
_SAFE = "-._~!$&'()*+,;=:@"


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A parsed URL. ``repr`` and ``str`` show no secret; `reveal` is the one way out. Pickles unless a secret is literal.

    Attributes:
        scheme: In lower case.
        user: Decoded; ``None`` if there is none.
        password: Decoded; ``None`` if there is none.
        host: In lower case; IPv6 without brackets; ``""`` if there is none.
        port: 1 to 65535, or ``None``.
        segments: The path between its slashes, decoded one by one: ``()`` for no path, ``("",)`` for ``/``.
        query: Names and decoded values as they were written, secret ones held as `Secret`.
        params: The query by canonical name, converted.
        fields: What all of it means to the storage type: the keys of a mount's mapping.
        type: The storage type.
    """

    scheme: str
    user: str | None = None
    password: Secret | None = None
    host: str = ""
    port: int | None = None
    segments: tuple[str, ...] = ()
    query: tuple[tuple[str, str | Secret], ...] = ()
    params: dict[str, Any] = field(default_factory=dict[str, Any], compare=False)
    fields: dict[str, Any] = field(default_factory=dict[str, Any], compare=False)
    type: str = field(default="", compare=False)

    @property
    def path(self) -> str:
        """The decoded segments with ``/`` between them, without one at the beginning."""
        return "/".join(self.segments)

    @property
    def netloc(self) -> str:
        """Host and port, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def reveal(self) -> str:
        """Return the URL as text, secrets included."""
        return self._text(lambda secret: secret.reveal(), lambda user: user)

    def __str__(self) -> str:
        shown = abbreviate if self.scheme in {"s3", "s3a"} else lambda user: user
        return self._text(lambda _: HIDDEN, shown)

    def __repr__(self) -> str:
        return f"StoreURL({str(self)!r})"

    def _text(self, show: Callable[[Secret], str], name: Callable[[str], str]) -> str:
        hidden = show(Secret("x")) == HIDDEN
        if self.scheme == "data":
            whole = self.segments[0] if self.segments else "data:,"
            return whole if not hidden or len(whole) <= 40 else whole[:40] + "…"
        user = "" if self.user is None else name(self.user) if hidden else quote(self.user, safe="")
        word = "" if self.password is None else ":" + (HIDDEN if hidden else quote(show(self.password), safe=""))
        at = "@" if self.user is not None else ""
        path = "".join("/" + quote(segment, safe=_SAFE) for segment in self.segments)
        shown = ((n, (HIDDEN if hidden else quote(show(v), safe="")) if isinstance(v, Secret) else quote(v, safe=_VALUE)) for n, v in self.query)  # fmt: skip
        pairs = "&".join(f"{quote(n, safe='')}={value}" for n, value in shown)
        return f"{self.scheme}://{user}{word}{at}{self.netloc}{path}{'?' + pairs if pairs else ''}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class URLSpec:
    """What a storage type takes, as parameters and as a URL: the one source for parsing, error texts and the reference.

    Attributes:
        type: The storage type.
        params: Its parameters, in a mapping and in the query alike (the common ones are added).
        schemes: URL schemes, with the default port or ``None``.
        read: Gives the fields that follow from scheme, user, host, port and path; notes faults.
        check: Looks at the fields together, whichever form they came from, and may add to them; notes faults.
        literal: Segments may hold ``/`` and be ``..``, because the storage encodes each (HTTP).
        path: What the path of a URL means, for the reference.
        free: Names of parameters are not checked (custom types whose class takes anything).
    """

    type: str
    params: tuple[Param, ...] = ()
    schemes: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    read: Callable[[StoreURL, Faults], Mapping[str, Any]] | None = None
    check: Callable[[dict[str, Any], Faults], None] | None = None
    literal: bool = False
    path: str = ""
    free: bool = False


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: ``localhost``, a name below it (RFC 6761), or a loopback address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("s3.localhost"), is_loopback("10.0.0.1")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def url_scheme(text: str) -> str | None:
    """Return the scheme of a text that is a URL, else ``None``. Windows drives are no schemes.

    Example:
        >>> url_scheme("S3://bucket"), url_scheme("C:/x"), url_scheme("uploads:a"), url_scheme("data:,hi")
        ('s3', None, None, 'data')
    """
    match = _SCHEME.match(text)
    if match:
        return match[1].lower()
    return "data" if text[:5].lower() == "data:" else None


def parse_url(
    text: str,
    specs: Mapping[str, URLSpec],
    *,
    env: Mapping[str, str] | None = None,
    expanded: bool = False,
    read: Callable[[str], str] = read_secret,
) -> StoreURL:
    """Parse a URL.

    Args:
        text: The URL, possibly with references to the environment.
        specs: `URLSpec` by scheme.
        env: The environment; the process's if ``None``.
        expanded: References are not looked for.
        read: Reads the file of a ``…_file`` parameter.

    Raises:
        TypeError: Not a ``str``.
        ConfigError: With every fault of the URL.

    Example:
        >>> spec = URLSpec(type="s3", schemes={"s3": 443}, params=(Param(name="region"),))
        >>> url = parse_url("s3://me:p%40ss@bucket/a%20b?region=eu-west-1", {"s3": spec})
        >>> url.password.reveal(), url.segments, url.params
        ('p@ss', ('a b',), {'region': 'eu-west-1'})
    """
    if not isinstance(text, str):
        raise TypeError(f"a URL is a str, not {type(text).__name__}")
    return _Parser(specs, os.environ if env is None else env, read).parse(text, expanded=expanded)


class _Parser:
    """One parse: the references in order, and the faults found so far."""

    def __init__(self, specs: Mapping[str, URLSpec], env: Mapping[str, str], read: Callable[[str], str]) -> None:
        self.specs = specs
        self.env = env
        self.read = read
        self.references: list[Reference] = []
        self.faults = Faults("URL")
        self.sound = False
        """Whether user, host and port were understood: what the URL means can be told."""
        self.stray = False
        """Whether path and query may be the rest of a password: they must not be quoted."""

    def parse(self, text: str, *, expanded: bool) -> StoreURL:
        if "\0" in text:
            raise ConfigError("URL: it cannot hold NUL")
        text = text if expanded else self._marked(text)
        match = _SCHEME.match(text)
        if match is None:
            self.faults.add("it does not begin with scheme:// ")
            self.faults.check()
        assert match is not None  # check() raised
        scheme = match[1].lower()
        self.faults.what = f"{scheme} URL"
        if any(c.isspace() or not c.isprintable() for c in _MARK.sub("", text)):
            self.faults.add("white space and control characters must be percent-encoded (a space is %20)")
        rest, hash_, _ = text[match.end() :].partition("#")
        if hash_:
            self.faults.add("a '#' must be written %23 (there are no fragments; a '#' in a password needs it too)")
        rest, question, query = rest.partition("?")
        authority, slash, path = rest.partition("/")
        url = self._authority(StoreURL(scheme=scheme), authority, strays="@" in path or "@" in query)
        spec = self.specs.get(scheme)
        if spec is None:
            near = closest(scheme, self.specs)
            guess = f", did you mean {near!r}?" if near else ""
            self.faults.add(f"unknown scheme {scheme!r}{guess} (known: {', '.join(sorted(self.specs))})")
        if spec is not None and not self.stray:
            url = replace(url, type=spec.type, segments=self._segments(path, literal=spec.literal) if slash else ())
            url = self._bound(url, spec, self._pairs(query, spec) if question else {})
        self.faults.check()
        return url

    # -- references ---------------------------------------------------------------------------------------------------

    def _marked(self, text: str) -> str:
        """Return the text with its references out of the way, so that their values cannot change its structure.

        In the scheme, the host and the port, a value does take part in the structure (``${ENDPOINT}``, ``${URL}``): there it
        is put in at once.
        """
        try:
            parts = list(pieces(text))
        except ConfigError as error:
            raise ConfigError(f"URL: {error.message}") from None
        marked = ""
        for part in parts:
            if isinstance(part, str):
                marked += part
                continue
            if "://" in marked:
                marked += f"\0{len(self.references)}\0"
                self.references.append(part)
            else:
                marked += self._value(part)
        head, separator, rest = marked.partition("://")
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        user, at, host = authority.rpartition("@")
        host = _MARK.sub(lambda m: self._value(self.references[int(m[1])]), host)
        return head + separator + user + at + host + rest[len(authority) :]

    def _value(self, reference: Reference) -> str:
        try:
            return reference.value(self.env)
        except ConfigError as error:
            self.faults.add(error.message)
            return "unset"

    def _decoded(self, text: str, what: str) -> str:
        """Percent-decode what was written, put in what references stand for."""
        decoded = ""
        for i, part in enumerate(_MARK.split(text)):
            if i % 2:
                decoded += self._value(self.references[int(part)])
                continue
            if _PERCENT.search(part):
                self.faults.add(f"a '%' in {what} must be written %25")
                continue
            try:
                decoded += unquote_to_bytes(part).decode()
            except UnicodeDecodeError:
                self.faults.add(f"{what} is not UTF-8 after percent-decoding")
        return decoded

    def _reference(self, text: str) -> str | None:
        """Return the reference that a text consists of, if it is nothing else and carries no default."""
        match = _MARK.fullmatch(text)
        written = self.references[int(match[1])].text if match else ""
        return written if is_reference(written) else None

    # -- parts --------------------------------------------------------------------------------------------------------

    def _authority(self, url: StoreURL, authority: str, *, strays: bool) -> StoreURL:
        userinfo, at, hostport = authority.rpartition("@")
        if at:
            user, colon, password = userinfo.partition(":")
            secret = Secret(self._decoded(password, "the password"), reference=self._reference(password)) if colon else None
            url = replace(url, user=self._decoded(user, "the user name"), password=secret)
        host, port = hostport, ""
        if hostport.startswith("["):
            host, bracket, tail = hostport[1:].partition("]")
            port = tail.removeprefix(":")
            try:
                version = ipaddress.ip_address(host).version if bracket and tail[:1] in {"", ":"} else 0
            except ValueError:
                version = 0
            if version != 6:
                self.faults.add("an IPv6 address stands in brackets, as in [::1]:9000")
                return url
            if tail == ":":
                port = ":"
        elif ":" in hostport:
            host, _, port = hostport.rpartition(":")
            port = port or ":"
        if not at and strays and (port and not port.isdigit()):
            self.faults.add("a '/' or '?' in the user name or password must be percent-encoded (%2F, %3F)")
            self.stray = True
            return url
        if host.count(":") and not hostport.startswith("["):
            self.faults.add("an IPv6 address stands in brackets, as in [::1]:9000")
        elif ":" not in host and _BAD_HOST.search(host):
            self.faults.add("the host holds a character that no host has")
        elif port and not (port.isascii() and port.isdigit() and 1 <= int(port[:9]) <= 65535):
            self.faults.add("the port must be a number from 1 to 65535")
        else:
            url = replace(url, host=host.lower(), port=int(port) if port else None)
            self.sound = True
            self.faults.what = f"{url.scheme}://{url.netloc}"
        return url

    def _segments(self, path: str, *, literal: bool) -> tuple[str, ...]:
        segments = tuple(self._decoded(segment, "the path") for segment in path.split("/"))
        # The value of a reference in the path may hold slashes of its own: "file://${ROOT}/x".
        if not literal:
            for raw, segment in zip(path.split("/"), segments, strict=True):
                inner = segment.split("/")
                if "\0" in segment or ".." in inner or "." in inner or ("/" in segment and not _MARK.search(raw)):
                    self.faults.add("a path segment cannot hold an encoded '/' or NUL, nor be '.' or '..'")
            return tuple("/".join(segments).split("/"))
        return segments

    def _pairs(self, query: str, spec: URLSpec) -> dict[str, str | Secret]:
        secret = {n for p in spec.params if p.secret for n in p.names}
        known = {n for p in (*spec.params, *COMMON) for n in p.names}
        pairs: dict[str, str | Secret] = {}
        before = ""
        for piece in query.split("&"):
            raw, equals, text = piece.partition("=")
            name = self._decoded(raw, "a parameter's name")
            if before in secret and name not in known and not name.endswith("_file"):
                # Probably the rest of that secret: it must not be quoted.
                self.faults.add(f"what follows {before!r} is no parameter (a '&' in a value must be written %26)")
                continue
            before = name
            value = self._decoded(text, f"the parameter {name!r}")
            if not name or not equals or not text:
                self.faults.add(f"the parameter {name!r} is empty" if name else "there is an empty parameter")
            elif name in pairs:
                self.faults.add(f"the parameter {name!r} is given twice")
            else:
                reference = self._reference(text)
                pairs[name] = Secret(value, reference=reference) if reference is not None or name in secret else value
        return pairs

    # -- meaning ------------------------------------------------------------------------------------------------------

    def _bound(self, url: StoreURL, spec: URLSpec, pairs: dict[str, str | Secret]) -> StoreURL:
        faults = self.faults
        by_name = {name: p for p in spec.params for name in p.names}
        if "password_file" in pairs and "password" not in by_name:
            url = self._password_file(url, pairs)
        seen: dict[str, str] = {}
        for name in pairs:
            canonical = by_name[name].name if name in by_name else name
            if canonical in seen:
                faults.add(f"the parameters {seen[canonical]!r} and {name!r} are the same one")
            seen[canonical] = name
        params = bind(spec.params, pairs, faults, form="url", expanded=True, read=self.read)
        query = tuple((n, v if n in by_name and by_name[n].secret else reveal(v)) for n, v in pairs.items())
        url = replace(url, query=query, params=params)
        fields = dict(params)
        if self.sound:
            for name, value in (spec.read(url, faults) if spec.read is not None else {}).items():
                if value is None:
                    continue
                if fields.get(name, value) != value:
                    faults.add(f"the parameter {seen.get(name, name)!r} contradicts what the URL says otherwise")
                fields[name] = value
            require(spec.params, fields, faults)
            if spec.check is not None:
                spec.check(fields, faults)
        return replace(url, fields=fields)

    def _password_file(self, url: StoreURL, pairs: dict[str, str | Secret]) -> StoreURL:
        """Take the password of the user part from a file."""
        path = str(reveal(pairs.pop("password_file")))
        if url.password is not None:
            self.faults.add("there is a password and a password_file")
            return url
        if not os.path.isabs(path):
            self.faults.add("'password_file' must be an absolute path")
            return url
        try:
            return replace(url, password=Secret(self.read(path), reference=f"file:{path}"))
        except (OSError, ValueError) as error:
            self.faults.add(f"'password_file': cannot read the file: {getattr(error, 'strerror', None) or error}")
            return url
