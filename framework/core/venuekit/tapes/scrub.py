"""Taking secrets out of what is recorded.

Four rules, each of them enough on its own:

1. *Known values*: what the caller says is secret is replaced wherever it stands, plain, percent-encoded, escaped as JSON
   or inside base64. Nothing of it remains: a text that cannot be freed of them is replaced whole.
2. *Names*: the value of a header, a query or form parameter, or a JSON member with a telling name is replaced. Only the
   value: number formats, the order of members and spaces stay the wire's.
3. *Logins*: of a frame that logs in, the arguments are replaced, since some venues pass key and signature by position.
4. *Learned values*: a token or listen key found by its name is a known value from then on, because it comes back in URLs.

A compressed frame is looked into; if it holds anything to replace, it is replaced whole.

Nearly all that is recorded is market data without a secret, so there is a quick look first: of a text only the letters are
kept, in lower case (its *trace*; numbers are most of a book), and searched for the traces of what would be replaced. If a
secret stands in a text, its trace stands in the text's.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote, quote_plus, unquote

import msgspec

from venuekit.tapes.records import is_binary
from venuekit_spec import LocalError, Secret

REDACTED: Final = "REDACTED"
_TOKEN: Final = REDACTED.encode()

SHORTEST_SECRET: Final = 6
"""A shorter secret cannot be told from ordinary text."""

_LEARNABLE: Final = 16
"""A shorter token is not looked for elsewhere: it may be a word."""
_LEARNED: Final = 64
"""How many learned values are kept, the latest: a venue renews its tokens hourly."""

_SAID_INSIDE: Final = (
    "accesskey",
    "apikey",
    "authorization",
    "cookie",
    "jwt",
    "listenkey",
    "passphrase",
    "password",
    "privatekey",
    "secret",
    "signature",
)
"""Parts of a telling name, lower case and without hyphens and underscores."""

_SAID_WHOLE: Final = frozenset(
    {
        "accesstoken",
        "authsig",
        "authtoken",
        "bearer",
        "key",
        "otp",
        "refreshtoken",
        "sessionid",
        "sig",
        "sign",
        "token",
    }
)
"""Telling names that would be found inside harmless ones (``feeToken``, ``designation``, ``keywords``)."""

_TEXT_ONLY: Final = frozenset({"key", "token"})
"""Names that venues also give to numbers of public data: an asset's number, a level's key."""

_LASTING: Final = frozenset(
    {"accesstoken", "authtoken", "jwt", "listenkey", "refreshtoken", "sessionid", "token"}
)
"""Names of values that are used again later, and elsewhere."""

_HEADER_PARTS: Final = (*_SAID_INSIDE, "auth", "key", "sign", "token")
"""Parts of a telling header name: here nothing harmless is lost by being strict."""

_STEMS: Final = (
    "auth",
    "bearer",
    "cookie",
    "jwt",
    "key",
    "logi",
    "logo",
    "otp",
    "pass",
    "secret",
    "session",
    "sig",
    "token",
)
"""One of these is in every telling name, and in every login."""

_LIMIT_HEADERS: Final = ("limit", "used-weight", "order-count", "retry-after", "x-mbx-")
_PLAIN_HEADERS: Final = frozenset({"content-type", "date"})

_STEM = re.compile("|".join(_STEMS).encode())
_LOGIN_STEM = re.compile("|".join((*_STEMS, "args", "params", "payload")).encode())
_NAME = re.compile(rb"[A-Za-z0-9_\-]{2,41}")
_NAMED = re.compile(rb"[\\\"]*\s*:\s*")
_PARAMETER = re.compile(rb"=([^&\s\"'\\#;,<>]+)")
_LOGIN = re.compile(
    rb'"(?:op|event|method|type|ch|channel)"\s*:\s*"(?:[a-z_]+[./])*(?:auth|authenticate|authorize|login|logon|api_key)"',
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"://[^/@?#\s]+@")
_LONG_SEGMENT = re.compile(r"(?<=/)[A-Za-z0-9_\-.~%+=]{20,}(?=/|$)")
_PERCENT = re.compile("%[0-9A-F]{2}")
_PLAIN_RUN = re.compile(rb"[A-Za-z]{6,}|[A-Za-z0-9]{8,}")
_SCALAR = re.compile(rb"[^\s,\]}\\\"]+")
_LOGIN_MEMBERS: Final = frozenset({"args", "params", "payload"})
_LONGEST_LOGIN: Final = 16384

_LOWER: Final = bytes(range(256)).lower()
_NO_LETTERS: Final = bytes(byte for byte in range(256) if not bytes((byte,)).isalpha())
_SHORTEST_TRACE: Final = 4
_WORD: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_BACKSLASH: Final = ord("\\")
_DEPTHS: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_LITERALS: Final = frozenset({b"", b"null", b"true", b"false"})
"""Values that tell nothing."""

_INFLATED_MOST: Final = 64 * 2**20
_COMPRESSIONS: Final = (31, 15, -15)
"""Window bits of gzip, zlib and raw deflate."""


_Replacement: TypeAlias = tuple[int, int, bytes]
"""From where to where, and by what."""


class Scrubber:
    """Replaces secrets by ``REDACTED``. One for a recording: it learns tokens as they pass.

    `secrets` are the values known beforehand: keys, secrets, passphrases. Raises `LocalError` for one that is shorter than
    6 characters or stands inside the word REDACTED. Neither repr nor errors show any.
    """

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        self._given: set[bytes] = set()
        self._learned: deque[str] = deque(maxlen=_LEARNED)
        for secret in secrets:
            self._given.update(_forms(secret.reveal() if isinstance(secret, Secret) else secret))
        self._arm()

    def __repr__(self) -> str:
        return f"<Scrubber, {len(self._known)} forms of secrets>"

    def frame(self, frame: bytes) -> bytes:
        """A frame or a body without its secrets; the very same object where there are none."""
        plain = inflated(frame)
        if plain is not None and self.frame(plain) != plain:
            return _TOKEN
        trace = _trace(frame)
        if self._holds_known(trace, frame):
            frame = self._without_known(frame)
        for stem in _STEMS:
            if stem in trace:
                return self._without_named(frame)
        return frame

    def text(self, text: str) -> str:
        """A text (an error, a reason, a name) without its secrets."""
        return self.frame(text.encode("utf-8", "backslashreplace")).decode()

    def url(self, url: str, *, secret: bool = False) -> str:
        """A URL without its secrets. `secret`: it carries a token somewhere; all its values and long segments go."""
        if secret:
            scheme, _, rest = url.partition("://")
            place, mark, query = rest.partition("?")
            host, slash, path = place.partition("/")
            path = _LONG_SEGMENT.sub(self._learned_segment, slash + path)
            url = f"{scheme}://{host}{path}{mark}{'&'.join(map(self._learned_value, query.split('&')))}"
        return self.text(_USER_INFO.sub(f"://{REDACTED}@", url))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers worth keeping, those of rate limits, the date and the type, without secrets. Names in lower case."""
        kept: dict[str, str] = {}
        for name, value in headers.items():
            lower = name.lower()
            if lower in _PLAIN_HEADERS or any(part in lower for part in _LIMIT_HEADERS):
                kept[lower] = REDACTED if is_secret_header(lower) else self.text(value)
        return kept

    def learn(self, value: str) -> None:
        """Treat `value` as a known secret from now on; nothing happens where it is too short to be told from a word."""
        if len(value) >= _LEARNABLE and value not in self._learned:
            self._learned.append(value)
            self._arm()

    def _learned_segment(self, found: re.Match[str]) -> str:
        self.learn(unquote(found[0]))
        return REDACTED

    def _learned_value(self, parameter: str) -> str:
        name, equals, value = parameter.rpartition("=")
        self.learn(unquote(value))
        return name + equals + REDACTED if value else parameter

    def _arm(self) -> None:
        forms = self._given.union(*(_forms(value) for value in self._learned))
        self._known = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._known_pattern = re.compile(b"|".join(map(re.escape, self._known)))
        pieces = _common_pieces(self._known)
        traces = {piece: _trace(piece) for piece in pieces}
        self._traces = frozenset(trace for trace in traces.values() if len(trace) >= _SHORTEST_TRACE)
        self._traceless = tuple(piece for piece, trace in traces.items() if len(trace) < _SHORTEST_TRACE)

    def _holds_known(self, trace: str, data: bytes) -> bool:
        """Whether a known secret may stand in `data`. False is certain."""
        for known in self._traces:
            if known in trace:
                return True
        return any(piece in data for piece in self._traceless)

    def _without_known(self, data: bytes) -> bytes:
        while any(form in data for form in self._known):
            cleaner = self._known_pattern.sub(_TOKEN, data)
            if _plain_length(cleaner) >= _plain_length(data):
                return _TOKEN
            data = cleaner
        return data

    def _without_named(self, data: bytes) -> bytes:
        """Rules 2 to 4. What this puts together is searched for known secrets once more."""
        lower = data.lower()
        login = len(data) < _LONGEST_LOGIN and _LOGIN.search(lower) is not None
        pieces: list[bytes] = []
        done = 0
        for stem in (_LOGIN_STEM if login else _STEM).finditer(lower):
            start = stem.start()
            while start > done and data[start - 1] in _WORD:
                start -= 1
            name = _NAME.match(data, start)
            if start < done or name is None:
                continue
            plain = _plain_name(name[0].decode())
            if is_secret_name(plain) or (login and plain in _LOGIN_MEMBERS):
                span = self._member_value(data, plain, start, name.end()) or self._parameter_value(
                    data, plain, name.end()
                )
                if span is not None:
                    pieces += (data[done : span[0]], span[2])
                    done = span[1]
        if not pieces:
            return data
        return self._without_known(b"".join((*pieces, data[done:])))

    def _member_value(self, data: bytes, name: str, start: int, end: int) -> _Replacement | None:
        """What to replace where the name from `start` to `end` is that of a JSON member.

        Its quotes may be escaped (JSON inside JSON), and then those of its value are as well.
        """
        if data[start - 1 : start] != b'"':
            return None
        outside = start - 1
        while outside and data[outside - 1] == _BACKSLASH:
            outside -= 1
        mark = data[outside:start]
        named = _NAMED.match(data, end)
        if named is None or not data.startswith(mark, end):
            return None
        begin = named.end()
        after = _value_end(data, begin, mark)
        value = data[begin:after]
        text = value.startswith(mark)
        if value in _LITERALS or (name in _TEXT_ONLY and not text):
            return None
        if name in _LASTING and text:
            self.learn(_string(value[len(mark) : -len(mark)]))
        return begin, after, mark + _TOKEN + mark

    def _parameter_value(self, data: bytes, name: str, end: int) -> _Replacement | None:
        """What to replace where the name that ends at `end` is that of a query or form parameter."""
        value = _PARAMETER.match(data, end)
        if value is None:
            return None
        if name in _LASTING:
            self.learn(unquote(value[1].decode("utf-8", "replace")))
        return value.start(1), value.end(1), _TOKEN


def inflated(frame: bytes) -> bytes | None:
    """What a compressed frame says (gzip, zlib, raw deflate); None for one that is text, or no such thing."""
    if not is_binary(frame):
        return None
    for window in _COMPRESSIONS:
        try:
            return zlib.decompressobj(window).decompress(frame, _INFLATED_MOST)
        except zlib.error:
            continue
    return None


def is_secret_name(name: str) -> bool:
    """Whether a parameter or a JSON member of this name holds a secret.

    >>> is_secret_name("api_key"), is_secret_name("listenKey"), is_secret_name("feeToken")
    (True, True, False)
    """
    plain = _plain_name(name)
    return plain in _SAID_WHOLE or any(part in plain for part in _SAID_INSIDE)


def is_secret_header(name: str) -> bool:
    """Whether a header of this name holds a secret; stricter than for other names."""
    plain = _plain_name(name)
    return any(part in plain for part in _HEADER_PARTS)


def _plain_name(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _string(escaped: bytes) -> str:
    """What a JSON string says, or its bare characters where it is none by itself (inside other JSON)."""
    try:
        return msgspec.json.decode(b'"' + escaped + b'"', type=str)
    except msgspec.DecodeError:
        return escaped.decode("utf-8", "replace")


def _plain_length(data: bytes) -> int:
    """How much of a text is not the replacement; falls with every replacement that helps."""
    return len(data.replace(_TOKEN, b""))


def _trace(data: bytes) -> str:
    """The letters of a text, in lower case. Text, because Python searches a short `str` five times as fast as `bytes`."""
    return data.translate(_LOWER, _NO_LETTERS).decode("ascii")


def _common_pieces(forms: Iterable[bytes]) -> list[bytes]:
    """Pieces of which every form holds one: most forms of a secret have their longest plain run in common."""
    pieces: list[bytes] = []
    for form in sorted(forms, key=len):
        if not any(piece in form for piece in pieces):
            runs: list[bytes] = _PLAIN_RUN.findall(form)
            pieces.append(max(runs, key=len, default=form))
    return pieces


def _is_binary(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def _value_end(data: bytes, start: int, quote_mark: bytes) -> int:
    """Where the JSON value that begins at `start` ends. A value that is cut off ends with the text."""
    if data.startswith(quote_mark, start):
        return _string_end(data, start, quote_mark)
    if data[start : start + 1] not in (b"{", b"["):
        scalar = _SCALAR.match(data, start)
        return scalar.end() if scalar else start
    depth = 0
    at = start
    while at < len(data):
        if data.startswith(quote_mark, at):
            at = _string_end(data, at, quote_mark)
            continue
        depth += _DEPTHS.get(data[at], 0)
        at += 1
        if depth == 0:
            return at
    return len(data)


def _string_end(data: bytes, start: int, quote_mark: bytes) -> int:
    """The end of a string, its closing quote included: the first quote that is escaped as the opening one is."""
    level = len(quote_mark) - 1
    at = start + len(quote_mark)
    while (at := data.find(b'"', at)) >= 0:
        slashes = 0
        while data[at - 1 - slashes] == _BACKSLASH:
            slashes += 1
        at += 1
        if slashes == level or (level == 0 and slashes % 2 == 0):
            return at
    return len(data)


def _forms(secret: str) -> set[bytes]:
    """Every form in which a secret may stand in a text: as it is, percent-encoded, escaped as JSON, within base64."""
    if len(secret) < SHORTEST_SECRET:
        raise LocalError(
            f"a secret of fewer than {SHORTEST_SECRET} characters cannot be told from ordinary text"
        )
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {raw, *_percent_forms(raw), *_json_forms(secret), *_base64_forms(raw)}
    if any(form in _TOKEN for form in forms):
        raise LocalError(f"a secret that stands inside the word {REDACTED} cannot be replaced by it")
    return forms


def _percent_forms(raw: bytes) -> set[bytes]:
    """As encoders write it, which differ in what they leave alone and in the case of their digits."""
    encoded = {quote(raw, safe=safe) for safe in ("", "/", "/+=", "~()*!.'")} | {quote_plus(raw)}
    lower = {_PERCENT.sub(lambda found: found[0].lower(), form) for form in encoded}
    return {form.encode() for form in encoded | lower}


def _json_forms(secret: str) -> set[bytes]:
    """As JSON escapes it, once, and twice where JSON stands inside JSON; some encoders escape the slash."""
    forms = {secret}
    for _ in range(2):
        forms |= {
            json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in forms for ascii_only in (True, False)
        }
        forms |= {form.replace("/", "\\/") for form in forms}
    return {form.encode("utf-8", "surrogatepass") for form in forms}


def _base64_forms(raw: bytes) -> set[bytes]:
    """The characters that stand for `raw` whatever is encoded before and behind it, at each of the three alignments."""
    forms = set()
    for before in range(3):
        end = before + len(raw)
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(bytes(before) + raw)
            forms.add(encoded[-(-before * 4 // 3) : end * 4 // 3])
    return forms
