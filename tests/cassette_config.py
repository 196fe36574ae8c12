"""What a cassette may hold: lists of what is secret, of what is different every time, and of what is worth keeping.

A cassette is a recorded REST conversation that lies in the repository. Five rules:

1. Nothing secret: known values wherever they stand, values with telling names, and tokens that an answer brought, also where
   a later request repeats them. The core's tapes have the same rules, so their `Scrubber` does it.
2. Nothing volatile: of the headers few are kept, by name; timestamps and nonces of requests are written as one word. So
   recording again changes only what the venue says differently.
3. A request that is replayed goes through the same rules before it is compared. So neither signature nor timestamp matters.
4. The address of a local venue is written as its environment describes it, whatever port it had while it was recorded.
5. Who replays learns nothing: what `findings` finds in a cassette fails a test.

No library of cassettes is named here, only what its hooks are to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from attrs import field, frozen

from venuekit.tapes.scrub import REDACTED, Scrubber, is_secret_header, is_secret_name
from venuekit_spec import Credentials

VOLATILE: Final = "VOLATILE"
"""Stands for a value that is different in each recording and decides nothing."""

VOLATILE_PARAMETERS: Final = frozenset({"nonce", "timestamp", "ts"})
"""Parameters of a query or a form, and members of a JSON body, that a request carries for its signature only."""

KEPT_REQUEST_HEADERS: Final = frozenset({"content-type"})
"""Besides those that are secret, whose names stay: one sees that a request was signed."""

VOLATILE_HEADERS: Final = frozenset(
    {"age", "date", "expires", "last-modified", "server", "x-request-id", "x-trace-id"}
)
"""Headers of answers that are dropped although a scrubber would keep them, or a venue's rules."""

_MEMBER = re.compile(rb'("(?P<name>[A-Za-z_]+)"\s*:\s*)("[^"]*"|-?[0-9.]+)')
_FORM = re.compile(rb"[\w.\-]+=[^&{}\s]*(&[\w.\-]+=[^&{}\s]*)*")


@frozen
class CassetteRules:
    """The rules of one venue's cassettes.

    `addresses` maps the network location that was spoken to (``127.0.0.1:51234``) to the one that is written; `headers` are
    the names, in lower case, of further headers of answers that the connector reads.
    """

    volatile: frozenset[str] = VOLATILE_PARAMETERS
    headers: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(factory=dict, hash=False)

    def url(self, url: str, scrubber: Scrubber) -> str:
        """The URL as it is written and compared."""
        parts = urlsplit(url)
        moved = parts._replace(
            netloc=self.addresses.get(parts.netloc, parts.netloc), query=self._parameters(parts.query)
        )
        return scrubber.url(urlunsplit(moved))

    def body(self, body: bytes, scrubber: Scrubber) -> bytes:
        """The body of a request as it is written and compared."""
        form = _FORM.fullmatch(body) is not None
        steady = self._parameters(body.decode()).encode() if form else _MEMBER.sub(self._member, body)
        return scrubber.frame(steady)

    def request_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What is left of a request's headers, by names in lower case and in their order."""
        kept: dict[str, str] = {}
        for name, value in sorted((name.lower(), value) for name, value in headers.items()):
            if is_secret_header(name):
                kept[name] = REDACTED
            elif name in KEPT_REQUEST_HEADERS:
                kept[name] = value
        return kept

    def response_headers(self, headers: Mapping[str, str], scrubber: Scrubber) -> dict[str, str]:
        """What is left of an answer's headers: its type, its limits, and what the venue's rules name."""
        wanted = {name: value for name, value in headers.items() if name.lower() in self.headers}
        kept = scrubber.headers(headers) | {
            name.lower(): REDACTED if is_secret_header(name) else scrubber.text(value)
            for name, value in wanted.items()
        }
        return {name: kept[name] for name in sorted(kept.keys() - VOLATILE_HEADERS)}

    def _parameters(self, query: str) -> str:
        return "&".join(map(self._parameter, query.split("&")))

    def _parameter(self, parameter: str) -> str:
        name, equals, _ = parameter.partition("=")
        return f"{name}={VOLATILE}" if equals and name in self.volatile else parameter

    def _member(self, found: re.Match[bytes]) -> bytes:
        if found["name"].decode() not in self.volatile:
            return found[0]
        return found[1] + f'"{VOLATILE}"'.encode()


def secrets_of(accounts: Iterable[Credentials]) -> tuple[str, ...]:
    """Every secret value of these accounts, the names of their keys among them."""
    return tuple(secret.reveal() for account in accounts for secret in account.fields.values())


# What must not be in a cassette

_LONG_RUN = re.compile(r"[A-Za-z0-9+/_\-]{24,}={0,2}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(0x)?[0-9a-fA-F]{32,}")
_PARAMETER = re.compile(r"(?:^|[?&\s])([\w.\-]+)=([^&\s\"']+)")
_SHORTEST_RUN: Final = 20
_BLANKS: Final = ("", REDACTED, VOLATILE)


def findings(cassette: Any, text: str, secrets: Iterable[str]) -> list[str]:
    """What looks secret in a cassette: `cassette` is its parsed content, `text` the file. Empty where all is well.

    Known secrets in any form, a value with a telling name, and what looks like a key or a signature by itself: a long run
    of hexadecimal digits, or of letters of both cases mixed with digits. UUIDs and paths are neither. The findings name the
    place, never the value.
    """
    found = [] if Scrubber(secrets).text(text) == text else ["a known secret"]
    for place, name, value in _values(cassette, "", ""):
        telling = is_secret_name(name) or ("headers" in place and is_secret_header(name))
        if telling and value not in _BLANKS:
            found.append(f"{place}: a value with a telling name")
        for parameter, given in _PARAMETER.findall(value):
            if is_secret_name(parameter) and given not in _BLANKS:
                found.append(f"{place}: parameter {parameter}")
        found += [
            f"{place}: looks like a key or a signature" for run in _LONG_RUN.findall(value) if _random(run)
        ]
    return found


def _values(node: Any, place: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Every text of a parsed cassette with its place and its nearest name."""
    match node:
        case dict():
            for key, value in node.items():
                yield from _values(value, f"{place}/{key}", str(key))
        case list() | tuple():
            for number, value in enumerate(node):
                yield from _values(value, f"{place}/{number}", name)
        case bytes():
            yield place, name, node.decode("latin-1")
        case str():
            inside = _json(node)
            if inside is None:
                yield place, name, node
            else:
                yield from _values(inside, place, name)
        case _:
            pass


def _json(text: str) -> Any:
    """What a text says where it is JSON with members or items, None otherwise."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _random(run: str) -> bool:
    """Whether a run of characters looks drawn by chance, and is no path, UUID or name."""
    if _UUID.fullmatch(run):
        return False
    if _HEX.fullmatch(run):
        return True
    kinds = (str.islower, str.isupper, str.isdigit)
    return any(
        len(part) >= _SHORTEST_RUN and all(any(map(kind, part)) for kind in kinds) for part in run.split("/")
    )
